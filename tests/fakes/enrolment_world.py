"""A whole room of enrolment over the real room of devices, with time and randomness in the test's hands."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Connection
from tests.fakes.device_world import ADMIN, HERE, DeviceWorld, HeardFeed, open_devices
from tests.fakes.enrolling_device import EnrollingDevice
from tests.fakes.fake_clock import FakeClock
from tests.fakes.people import URL, settings_in

from borealis_engine.core.errors import EngineError
from borealis_engine.core.settings import EngineSettings
from borealis_engine.devices import DeviceService
from borealis_engine.enrolment import (
    AccessTokens,
    ApprovalRow,
    EngineCertificates,
    EnrolmentLimits,
    EnrolmentService,
    approval_store,
    codes,
)
from borealis_engine.signing import SigningService
from borealis_engine.storage import Database
from borealis_wire.events import Rest, RunContext
from borealis_wire.messages import EnrolApproved, EnrolStatus, TokenRefreshed, TokenRefreshRequest

REFRESH_URL: Final = URL + Rest.TOKEN_REFRESH
NAMES: Final = frozenset({"localhost", "127.0.0.1", "engine.example"})
LOOSE: Final = EnrolmentLimits(
    requests_per_address=10_000,
    requests_per_fingerprint=10_000,
    failed_polls_per_address=10_000,
    polls_per_reference=10_000,
    refreshes_per_device=10_000,
)
WRONG_CODE: Final = "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AAAA"


@dataclass
class EnrolmentWorld:
    """One Engine, as devices meet it before and after they are let in."""

    world: DeviceWorld
    service: EnrolmentService
    certificates: EngineCertificates
    access_tokens: AccessTokens
    signing: SigningService
    settings: EngineSettings
    proofs: int = 0

    @property
    def db(self) -> Database:
        """The database."""
        return self.world.db

    @property
    def clock(self) -> FakeClock:
        """The clock."""
        return self.world.clock

    @property
    def devices(self) -> DeviceService:
        """The room of devices."""
        return self.world.devices

    @property
    def feed(self) -> HeardFeed:
        """What operators are told."""
        return self.world.feed

    async def code(self, **options: Any) -> str:
        """A new code that many may use."""
        issued = await self.service.create_code(ADMIN, **{"max_uses": 100, "expires_in_seconds": 86_400, **options})
        return issued.code

    async def ask(self, device: EnrollingDevice, code: str) -> str:
        """The device's request; gives the reference."""
        device.pending = await self.service.request(device.request(code), device.address)
        return device.pending.approval_reference

    async def poll(self, device: EnrollingDevice, *, bound: bool = True) -> EnrolStatus | EnrolApproved:
        """The device's poll; not ``bound``: as an upstream agent's."""
        message = device.poll(self.certificates.leaf_sha256 if bound else None)
        return await self.service.poll(message, device.address, RunContext.SYSTEM)

    async def enrol(self, device: EnrollingDevice, *, bound: bool = True, **options: Any) -> EnrolApproved:
        """All of it; ``options`` are the approval's, ``code`` the code's."""
        reference = await self.ask(device, await self.code(**options.pop("code", {})))
        await self.service.approve(ADMIN, reference, **{"accept_unbound": not bound, **options})
        answer = await self.poll(device, bound=bound)
        assert isinstance(answer, EnrolApproved), answer
        return answer

    async def refresh(
        self, device: EnrollingDevice, guid: str, token: str, *, dpop: str | None = "", **options: Any
    ) -> TokenRefreshed:
        """A refresh; ``dpop`` empty for an honest proof, None for none."""
        return await self.service.refresh(
            TokenRefreshRequest(guid=guid, refresh_token=token),
            self.proof(device) if dpop == "" else dpop,
            options.get("urls", frozenset({REFRESH_URL})),
            options.get("peer", device.address),
            RunContext.SYSTEM,
        )

    def proof(self, device: EnrollingDevice, **changes: Any) -> str:
        """A proof of possession, honest but for ``changes``; see ``EnrollingDevice.dpop``."""
        self.proofs += 1
        defaults = {"url": REFRESH_URL, "now": self.clock.now(), "jti": f"proof-{self.proofs}"}
        return device.dpop(**{**defaults, **changes})

    async def row(self, reference: str) -> ApprovalRow:
        """An approval as kept."""
        row = await self.db.read(lambda connection: approval_store.by_reference(connection, reference))
        assert row is not None
        return row

    async def uses(self) -> list[int]:
        """How often each code was used, in the order they were made."""
        return [row.use_count for row in await self.db.read(codes.every)]

    async def actions(self) -> list[str]:
        """What the audit log has, oldest first."""
        return [entry.action for entry in reversed(await self.world.entries())]

    async def read(self, work: Callable[[Connection], Any]) -> Any:
        """Ask the database."""
        return await self.db.read(work)

    def connect(self, guid: str) -> None:
        """The device opens a session."""
        self.devices.session_opened(guid, RunContext.SYSTEM, HERE)

    async def revoke(self, guid: str) -> None:
        """An operator revokes the device."""
        await self.devices.deeds.set_status(ADMIN, guid, "revoked", address=HERE)

    def told(self, member: str) -> list[Any]:
        """A member of what operators were told, where it is there, oldest first."""
        return [change.data[member] for change in self.feed.changes if member in change.data]


async def refused(awaitable: Any) -> EngineError:
    """The error that something ends with."""
    with pytest.raises(EngineError) as caught:
        await awaitable
    return caught.value


@contextlib.asynccontextmanager
async def open_enrolment(folder: Path, *, limits: EnrolmentLimits = LOOSE) -> AsyncIterator[EnrolmentWorld]:
    """The room, started; closed afterwards. A ``folder`` that was used before is a restart."""
    async with open_devices(folder) as world:
        settings, clock, randomness = settings_in(folder), world.clock, world.randomness
        certificates = EngineCertificates(settings=settings, clock=clock, names=lambda _: NAMES)
        certificates.load()
        signing = SigningService(folder=settings.paths.code_signing, clock=clock, randomness=randomness)
        await signing.start()
        access_tokens = AccessTokens(folder=settings.paths.auth_tokens, randomness=randomness)
        access_tokens.load()
        service = EnrolmentService(
            db=world.db,
            clock=clock,
            randomness=randomness,
            feed=world.feed,
            audit=world.audit,
            devices=world.devices,
            signing=signing,
            certificates=certificates,
            access_tokens=access_tokens,
            settings=settings,
            limits=limits,
            metrics=world.metrics,
        )
        yield EnrolmentWorld(world, service, certificates, access_tokens, signing, settings)
