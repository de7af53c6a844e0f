"""Bring a database to the newest form, and refuse one from a newer Borealis."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from borealis_engine.core.errors import Fatal


def migrate(engine: Engine) -> bool:
    """Run the migrations that are missing, each in a transaction.

    Returns:
        Whether the database was new: nothing had been in it.

    Raises:
        Fatal: the database was written by a newer version, or is not ours.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known:
        raise Fatal(
            "database_newer",
            f"The database has the form {current}, which this version does not know. "
            "Start the newer Borealis that wrote it, or restore a backup from before.",
        )
    with engine.connect().execution_options(borealis_write=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return current is None
