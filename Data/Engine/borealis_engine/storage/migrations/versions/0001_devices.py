"""Tables of devices."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
