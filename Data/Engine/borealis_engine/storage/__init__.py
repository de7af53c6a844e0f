"""The database: one place that opens it, migrates it, and runs transactions. Owns the drivers, no tables.

May be called by: the ``store.py`` of every room, and ``app``. Rooms define their tables on ``metadata`` and
write plain functions of a ``Connection``; only services run them, with :meth:`Database.read` and
:meth:`Database.write`.
"""

from borealis_engine.storage.database import Database
from borealis_engine.storage.metadata import metadata
from borealis_engine.storage.migrate import migrate

__all__ = ["Database", "metadata", "migrate"]
