"""The audit log as a service: for entries that have no transaction of their own, and for reading."""

from functools import partial
from typing import Final

from borealis_base.clock import Clock
from borealis_engine.audit import store
from borealis_engine.audit.models import AuditEntry, AuditRow
from borealis_engine.storage import Database

MAX_PAGE: Final = 500


class AuditLog:
    """Who did what. There is no method that changes or removes an entry, and the database refuses it too."""

    def __init__(self, *, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def record(self, entry: AuditEntry) -> int:
        """Write one entry, durably, and give its id."""
        return await self._db.write(lambda connection: store.record(connection, entry, self._clock.now()))

    async def list(
        self,
        *,
        before_id: int | None = None,
        limit: int = 100,
        actor: str | None = None,
        target: str | None = None,
        action: str | None = None,
        since: float | None = None,
        until: float | None = None,
        sites: frozenset[int] | None = None,
    ) -> list[AuditRow]:
        """Entries, newest first.

        Args:
            before_id: only entries older than this one.
            limit: at most 500.
            actor: exactly this actor.
            target: exactly this target.
            action: exactly this action, or every one that begins with it if it ends in a dot.
            since: only entries of then or later (Unix seconds).
            until: only entries of before then.
            sites: only entries of these sites; None for all, also those of no site.
        """
        return await self._db.read(
            partial(
                store.page,
                before_id=before_id,
                limit=max(1, min(limit, MAX_PAGE)),
                actor=actor,
                target=target,
                action=action,
                since=since,
                until=until,
                sites=sites,
            )
        )
