"""Transactions: durable, isolated from each other, honest about failure."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from borealis_engine.core.errors import Fatal, Unavailable
from borealis_engine.storage import Database, metadata, migrate
from borealis_engine.storage.database import open_engine


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    db = Database(f"sqlite:///{tmp_path / 'database.db'}")
    with db.engine.begin() as connection:
        connection.execute(text("CREATE TABLE item (name TEXT UNIQUE)"))
    yield db
    db.close()


def insert(name: str) -> Callable[[Connection], str]:
    def work(connection: Connection) -> str:
        connection.execute(text("INSERT INTO item VALUES (:name)"), {"name": name})
        return name

    return work


def count(connection: Connection) -> int:
    return int(connection.execute(text("SELECT count(*) FROM item")).scalar_one())


async def test_what_was_written_can_be_read(database: Database) -> None:
    assert await database.write(insert("a")) == "a"
    assert await database.read(count) == 1


async def test_one_failing_write_takes_no_other_with_it(database: Database) -> None:
    gate = threading.Event()
    blocked = asyncio.ensure_future(database.write(lambda _: gate.wait(5)))
    writes = [asyncio.ensure_future(database.write(insert(name))) for name in ("a", "b", "a", "c")]
    await asyncio.sleep(0.05)
    gate.set()
    results = await asyncio.gather(*writes, return_exceptions=True)
    await blocked
    assert [isinstance(result, Exception) for result in results] == [False, False, True, False]
    assert await database.read(count) == 3


async def test_rejects_more_waiting_writes_than_fit(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database._queue, "maxsize", 1)
    gate = threading.Event()
    blocked = asyncio.ensure_future(database.write(lambda _: gate.wait(5)))
    await asyncio.sleep(0.05)
    queued = asyncio.ensure_future(database.write(insert("a")))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="database_busy"):
        await database.write(insert("b"))
    gate.set()
    await asyncio.gather(blocked, queued)


def test_a_migrated_database_has_exactly_the_tables_of_the_rooms(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    import borealis_engine.app.composition  # noqa: F401  every room's tables register on import

    engine = open_engine(f"sqlite:///{tmp_path / 'database.db'}")
    migrate(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    migrate(engine)
    engine.dispose()


def test_rejects_a_database_from_a_newer_version(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'database.db'}")
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Fatal, match="newer Borealis"):
        migrate(engine)
    engine.dispose()
