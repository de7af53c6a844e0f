"""SQL of credentials. Plain functions of a connection; the service decides and seals."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from borealis_engine.core.errors import Conflict, NotFound
from borealis_engine.credentials.models import Credential
from borealis_engine.credentials.tables import credential_uses, credentials

UnderWay = Callable[[Connection, list[str]], set[str]]
"""Which of these runs are not over."""
_SHOWN = tuple(column for column in credentials.c if column.name not in {"sealed", "name_key"})


def load_all(conn: Connection) -> list[Credential]:
    """All credentials, by name, without their secrets."""
    return [_credential(row) for row in conn.execute(select(*_SHOWN).order_by(credentials.c.name_key)).mappings()]


def load(conn: Connection, number: int) -> Credential | None:
    """One credential without its secret."""
    row = conn.execute(select(*_SHOWN).where(credentials.c.id == number)).mappings().first()
    return None if row is None else _credential(row)


def load_sealed(conn: Connection, number: int) -> tuple[Credential, bytes] | None:
    """One credential with its sealed secret."""
    row = conn.execute(select(*_SHOWN, credentials.c.sealed).where(credentials.c.id == number)).mappings().first()
    return None if row is None else (_credential(row), bytes(row["sealed"]))


def count(conn: Connection) -> int:
    """How many there are."""
    return int(conn.execute(select(func.count()).select_from(credentials)).scalar_one())


def add(conn: Connection, values: Mapping[str, Any]) -> int:
    """Record one without its secret yet; gives its number.

    Raises:
        Conflict: ``credential_name_taken``.
    """
    _free_name(conn, values["name"], 0)
    given = {**values, "name_key": values["name"].casefold(), "sealed": b""}
    key = conn.execute(insert(credentials).values(**given)).inserted_primary_key
    assert key is not None
    return int(key[0])


def change(conn: Connection, number: int, values: Mapping[str, Any]) -> None:
    """Change columns.

    Raises:
        NotFound: ``credential_not_found``.
        Conflict: ``credential_name_taken``.
    """
    given = dict(values)
    if "name" in given:
        _free_name(conn, given["name"], number)
        given["name_key"] = given["name"].casefold()
    if not conn.execute(update(credentials).where(credentials.c.id == number).values(**given)).rowcount:
        raise not_found()


def remove(conn: Connection, number: int, under_way: UnderWay) -> None:
    """Delete one that no run under way was started with.

    Raises:
        NotFound: ``credential_not_found``.
        Conflict: ``credential_in_use``.
    """
    used = list(
        conn.execute(select(credential_uses.c.run_id).where(credential_uses.c.credential_id == number)).scalars()
    )
    if used and (waiting := under_way(conn, used)):
        raise Conflict(
            "credential_in_use",
            f"{len(waiting)} run(s) under way use this credential: {', '.join(sorted(waiting)[:5])}. Wait for them, or"
            " cancel them, then delete it.",
        )
    conn.execute(delete(credential_uses).where(credential_uses.c.credential_id == number))
    if not conn.execute(delete(credentials).where(credentials.c.id == number)).rowcount:
        raise not_found()


def add_uses(conn: Connection, uses: Mapping[str, int]) -> None:
    """Note which runs are started with which credentials.

    Raises:
        NotFound: ``credential_not_found``: one was deleted meanwhile.
    """
    wanted = set(uses.values())
    there = set(conn.execute(select(credentials.c.id).where(credentials.c.id.in_(wanted))).scalars())
    if wanted - there:
        raise not_found()
    conn.execute(
        insert(credential_uses), [{"run_id": run_id, "credential_id": number} for run_id, number in uses.items()]
    )


def sweep_uses(conn: Connection, under_way: UnderWay) -> None:
    """Forget the uses of runs that are over: cancelled before they began, or ended while nobody looked."""
    used = list(conn.execute(select(credential_uses.c.run_id)).scalars())
    for run_id in set(used) - under_way(conn, used) if used else ():
        end_use(conn, run_id)


def end_use(conn: Connection, run_id: str) -> None:
    """A run is over."""
    conn.execute(delete(credential_uses).where(credential_uses.c.run_id == run_id))


def not_found() -> NotFound:
    """The error for a credential that is not there, or not for this caller."""
    return NotFound("credential_not_found", "There is no such credential, or it is not in your sites.")


def _free_name(conn: Connection, name: str, number: int) -> None:
    found = conn.execute(select(credentials.c.id).where(credentials.c.name_key == name.casefold())).scalar()
    if found is not None and found != number:
        raise Conflict("credential_name_taken", f"Another credential is named {name!r}. Choose another name.")


def _credential(row: RowMapping) -> Credential:
    return Credential(**{name: row[name] for name in Credential.__dataclass_fields__})
