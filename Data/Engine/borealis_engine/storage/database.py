"""Transactions off the event loop: one writer thread, a few readers.

SQLite has one writer at a time anyway; giving it one thread of its own makes waiting fair and turns lock
errors into a queue. Writes that wait together share one commit (group commit): each runs in a savepoint of
its own, so one that fails takes no other with it, and nobody hears success before the disk has it.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from borealis_engine.core.errors import Unavailable

Result = TypeVar("Result")
_Work = tuple[Callable[[Connection], Any], "Future[Any]"]
MAX_BATCH = 64
MAX_WAITING = 10_000
BUSY_SECONDS = 30


class Database:
    """Runs functions of a ``Connection`` in transactions.

    ``write`` answers only after a durable commit (SQLite: WAL, synchronous=FULL). Functions must be quick
    and must not keep the connection.
    """

    def __init__(self, url: str, *, readers: int = 2) -> None:
        self.engine = open_engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="db-read")
        self._queue: queue.Queue[_Work | None] = queue.Queue(MAX_WAITING)
        self._writing: Connection | None = None
        self._writer = threading.Thread(target=self._write_loop, name="db-write", daemon=True)
        self._writer.start()

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run ``work`` in a read transaction.

        Raises:
            Unavailable: the database is gone or locked.
        """
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read_once, work)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run ``work`` in a write transaction; what it raises undoes it and reaches the caller.

        Raises:
            Unavailable: the database is gone, locked, or too many writes wait already.
        """
        future: Future[Result] = Future()
        try:
            self._queue.put_nowait((work, future))
        except queue.Full as error:
            raise Unavailable("database_busy", "Too many changes wait for the database. Try again shortly.") from error
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Finish what waits, then close. Call once, after the last ``write``."""
        self._queue.put(None)
        self._writer.join()
        self._readers.shutdown()
        self.engine.dispose()

    def statistics(self) -> dict[str, int]:
        """Writes that wait, for debugging."""
        return {"waiting_writes": self._queue.qsize()}

    def _read_once(self, work: Callable[[Connection], Result]) -> Result:
        try:
            with self.engine.connect() as connection, connection.begin():
                return work(connection)
        except OperationalError as error:
            raise _unavailable(error) from error

    def _write_loop(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                break
            batch = [first]
            stop = False
            while len(batch) < MAX_BATCH:
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
                if item is None:
                    stop = True
                    break
                batch.append(item)
            self._commit_together(batch)
            if stop:
                break
        self._forget_write_connection()

    def _commit_together(self, batch: list[_Work]) -> None:
        batch = [(work, future) for work, future in batch if future.set_running_or_notify_cancel()]
        done: list[tuple[Future[Any], Any]] = []
        try:
            connection = self._write_connection()
            with connection.begin():
                for work, future in batch:
                    try:
                        # Alone, the transaction itself is undone; a savepoint would cost two more statements.
                        with connection.begin_nested() if len(batch) > 1 else contextlib.nullcontext():
                            done.append((future, work(connection)))
                    except OperationalError:
                        raise
                    except Exception as error:  # it belongs to the caller, who gets it
                        if len(batch) == 1:
                            raise
                        future.set_exception(error)
        except Exception as error:  # noqa: BLE001  the commit failed: nobody may believe it happened
            if isinstance(error, DBAPIError):
                self._forget_write_connection()
            reason = _unavailable(error) if isinstance(error, OperationalError) else error
            for _, future in batch:
                if not future.done():
                    future.set_exception(reason)
            return
        for future, result in done:
            future.set_result(result)

    def _write_connection(self) -> Connection:
        """The writer's own connection, kept open: taking one from the pool costs as much as a small statement."""
        if self._writing is None:
            self._writing = self.engine.connect().execution_options(borealis_write=True)
        return self._writing

    def _forget_write_connection(self) -> None:
        if self._writing is not None:
            with contextlib.suppress(SQLAlchemyError):
                self._writing.close()
            self._writing = None


def open_engine(url: str) -> Engine:
    """An SQLAlchemy engine with the settings we rely on (SQLite: WAL, FULL, foreign keys on)."""
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_SECONDS} if url.startswith("sqlite") else {},
        hide_parameters=True,  # errors end up in logs; hashes and sealed secrets must not
    )
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _pragmas(connection: Any, _record: Any) -> None:
            connection.isolation_level = None  # SQLAlchemy and the driver must not both begin transactions
            cursor = connection.cursor()
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-8000"):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            # IMMEDIATE takes the write lock at once: a read that turns into a write later could fail half-way.
            immediate = connection.get_execution_options().get("borealis_write", False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _unavailable(error: OperationalError) -> Unavailable:
    return Unavailable("database_unavailable", f"The database did not answer: {error.orig}. It is tried again.")
