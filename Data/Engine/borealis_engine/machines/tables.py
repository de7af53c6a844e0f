"""The table of machines without an agent; what people see of the connection is in ``devices``."""

from typing import Final

from sqlalchemy import Column, Float, ForeignKey, LargeBinary, String, Table

from borealis_engine.storage.metadata import metadata

machines: Final = Table(
    "machines",
    metadata,
    Column("guid", String(64), ForeignKey("devices.guid", ondelete="CASCADE"), primary_key=True),
    # Sealed for this guid: whoever writes in the database alone cannot lead a credential to a machine of theirs.
    Column("sealed", LargeBinary, nullable=False),
    Column("updated_at", Float, nullable=False),
)
