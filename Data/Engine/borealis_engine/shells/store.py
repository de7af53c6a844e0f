"""SQL of recordings. Plain functions of a connection."""

from sqlalchemy import Connection, Row, delete, insert, select, update

from borealis_engine.shells.models import RecordingRow
from borealis_engine.shells.tables import recordings


def add(connection: Connection, row: RecordingRow) -> None:
    """A recording begins."""
    connection.execute(
        insert(recordings).values(**{name: getattr(row, name) for name in RecordingRow.__struct_fields__})
    )


def finish(
    connection: Connection,
    recording_id: str,
    *,
    ended_at: float,
    seconds: float,
    size: int,
    cut: bool,
    account: str,
    status: int | None,
) -> None:
    """A recording is over."""
    connection.execute(
        update(recordings)
        .where(recordings.c.recording_id == recording_id)
        .values(ended_at=ended_at, seconds=seconds, size=size, cut=cut, account=account, status=status)
    )


def find(
    connection: Connection,
    sites: frozenset[int] | None,
    *,
    guid: str | None,
    username: str | None,
    before: float | None,
    limit: int,
) -> list[RecordingRow]:
    """Recordings, newest first; of these sites where ``sites`` is not None."""
    query = select(recordings).order_by(recordings.c.started_at.desc(), recordings.c.recording_id).limit(limit)
    if sites is not None:
        query = query.where(recordings.c.site_id.in_(sorted(sites)))
    if guid is not None:
        query = query.where(recordings.c.guid == guid)
    if username is not None:
        query = query.where(recordings.c.username == username)
    if before is not None:
        query = query.where(recordings.c.started_at < before)
    return [_row(row) for row in connection.execute(query)]


def get(connection: Connection, recording_id: str) -> RecordingRow | None:
    """One recording."""
    row = connection.execute(select(recordings).where(recordings.c.recording_id == recording_id)).first()
    return None if row is None else _row(row)


def unfinished(connection: Connection) -> list[RecordingRow]:
    """Recordings that an earlier life of the Engine did not see the end of."""
    return [_row(row) for row in connection.execute(select(recordings).where(recordings.c.ended_at.is_(None)))]


def older(connection: Connection, than: float) -> list[str]:
    """Recordings that began before ``than`` and are over."""
    query = select(recordings.c.recording_id).where(recordings.c.started_at < than, recordings.c.ended_at.is_not(None))
    return list(connection.execute(query).scalars())


def remove(connection: Connection, recording_ids: list[str]) -> None:
    """Forget these."""
    if recording_ids:
        connection.execute(delete(recordings).where(recordings.c.recording_id.in_(recording_ids)))


def _row(row: Row[tuple[object, ...]]) -> RecordingRow:
    return RecordingRow(**row._mapping)
