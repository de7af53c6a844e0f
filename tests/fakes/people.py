"""The rooms of operators and audit over a real, migrated SQLite database, with a clock that tests move."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import argon2
from sqlalchemy import text
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_randomness import FakeRandomness

from borealis_engine.audit import AuditLog, AuditRow
from borealis_engine.core.feed import ChangeFeed
from borealis_engine.core.metrics import Metrics
from borealis_engine.core.paths import EnginePaths
from borealis_engine.core.settings import EngineSettings
from borealis_engine.operators import totp
from borealis_engine.operators.models import NewSession
from borealis_engine.operators.permissions import OperatorRole, Principal
from borealis_engine.operators.service import OperatorService
from borealis_engine.storage import Database, migrate
from borealis_engine.storage.database import open_engine

PASSWORD: Final = "correct horse battery staple"
URL: Final = "https://engine.example:5000"
PEER: Final = "192.0.2.7"


@cache
def migrated_database() -> bytes:
    """An empty database of the newest form; made once, copied for each test."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "database.db"
        engine = open_engine(f"sqlite:///{path}")
        migrate(engine)
        engine.dispose()
        return path.read_bytes()


def quick_hasher() -> argon2.PasswordHasher:
    """argon2id with the least work it can do: tests hash hundreds of passwords."""
    return argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def settings_in(folder: Path) -> EngineSettings:
    """Settings of an Engine in ``folder``."""
    return EngineSettings(EnginePaths(folder), f"sqlite:///{folder / 'database.db'}", public_url=URL)


@dataclass
class People:
    """Everything around the operators of one Engine."""

    folder: Path
    db: Database
    clock: FakeClock
    randomness: FakeRandomness
    audit: AuditLog
    metrics: Metrics
    operators: OperatorService

    async def set_up(self, username: str = "ada") -> NewSession:
        """The first operator, signed in."""
        link = await self.operators.create_setup_link()
        return await self.operators.first.complete(
            link.partition("#")[2], username=username, password=PASSWORD, display_name="", peer=PEER, user_agent="test"
        )

    async def add(
        self,
        username: str,
        role: OperatorRole = OperatorRole.OPERATOR,
        *,
        sites: frozenset[int] | None = None,
        password: str = PASSWORD,
    ) -> None:
        """Another account, made by the owner."""
        await self.operators.accounts.create(
            self.owner, username=username, password=password, role=role, sites=sites, peer=""
        )

    async def sign_in(self, username: str = "ada", *, password: str = PASSWORD, peer: str = PEER) -> NewSession:
        """A session; the account has no second factor."""
        outcome = await self.operators.sign_in.login(username, password, peer=peer, user_agent="test")
        assert isinstance(outcome, NewSession)
        return outcome

    async def enable_totp(self, session: NewSession) -> tuple[str, list[str]]:
        """Turn the second factor on; gives secret and recovery codes. The time step of now is used up."""
        principal = session.principal
        offer = await self.operators.sign_in.offer_second_factor(principal, PASSWORD, peer=PEER)
        codes = await self.operators.second_factor.confirm(principal, self.code(offer.secret), peer=PEER)
        return offer.secret, codes

    def code(self, secret: str, *, steps: int = 0) -> str:
        """What the authenticator app shows ``steps`` times 30 s from now."""
        import pyotp

        return pyotp.TOTP(secret).generate_otp(int(self.clock.now() // totp.STEP_SECONDS) + steps)

    async def add_site(self, name: str) -> int:
        """A site's id."""
        insert = text(
            "INSERT INTO sites (name, name_key, description, created_at) VALUES (:name, :name, '', 0) RETURNING id"
        )
        return await self.db.write(lambda connection: int(connection.execute(insert, {"name": name}).scalar_one()))

    async def entries(self, action: str | None = None) -> list[AuditRow]:
        """The audit log, newest first."""
        return await self.audit.list(action=action, limit=500)

    async def rows(self, table: str) -> int:
        """How many rows a table has."""
        return await self.db.read(
            lambda connection: int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())
        )

    @property
    def owner(self) -> Principal:
        """The principal of the Engine's owner."""
        return Principal(None, "owner", OperatorRole.ADMIN, via="owner", credential_id="owner")


@contextlib.asynccontextmanager
async def open_people(folder: Path, *, hasher: argon2.PasswordHasher | None = None) -> AsyncIterator[People]:
    """The rooms, started; closed afterwards. ``folder`` may be one that was used before: that is a restart."""
    settings = settings_in(folder)
    if not settings.paths.database.exists():
        folder.mkdir(parents=True, exist_ok=True)
        settings.paths.database.write_bytes(migrated_database())
    db = Database(settings.database_url)
    clock, randomness, metrics = FakeClock(), FakeRandomness(str(folder)), Metrics()
    audit = AuditLog(db=db, clock=clock)
    operators = OperatorService(
        db=db,
        clock=clock,
        randomness=randomness,
        feed=ChangeFeed(),
        audit=audit,
        settings=settings,
        hasher=hasher or quick_hasher(),
        metrics=metrics,
    )
    try:
        await operators.start()
        yield People(folder, db, clock, randomness, audit, metrics, operators)
    finally:
        operators.close()
        db.close()
