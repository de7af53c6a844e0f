"""A migrated database has exactly the tables that this room declares."""

from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from borealis_engine.devices.tables import device_inventory, device_keys, devices, sites
from borealis_engine.storage import metadata, migrate
from borealis_engine.storage.database import open_engine

OURS = {table.name for table in (sites, devices, device_keys, device_inventory)}


def test_the_migration_makes_the_tables_of_devices(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'database.db'}")
    migrate(engine)

    def ours(_: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
        return kind != "table" or name in OURS

    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_object": ours, "compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []
        indexes = {index["name"] for index in _inspect(connection).get_indexes("devices")}
        assert "ix_devices_site_id" in indexes
    engine.dispose()


def _inspect(connection: Any) -> Any:
    from sqlalchemy import inspect

    return inspect(connection)
