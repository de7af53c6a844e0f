"""The REST door in front of real devices, real operators and real access tokens; the other rooms are absent."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
from tests.fakes.device_world import DeviceWorld, open_devices
from tests.fakes.people import PEER, URL, People, open_people, settings_in

from borealis_engine.api.app import create_api
from borealis_engine.api.services import Services
from borealis_engine.devices import DeviceAuth
from borealis_engine.enrolment.tokens import AccessTokens
from borealis_engine.operators.permissions import OperatorRole, Permission
from borealis_wire.events import RunContext


@dataclass
class ApiWorld:
    """One Engine's REST door."""

    devices: DeviceWorld
    people: People
    tokens: AccessTokens
    http: httpx.AsyncClient

    async def operator(
        self, name: str, role: OperatorRole = OperatorRole.ADMIN, *, sites: frozenset[int] | None = None
    ) -> "Caller":
        """A new operator who calls with a personal token."""
        await self.people.add(name, role, sites=sites)
        session = await self.people.sign_in(name)
        principal = (await self.people.operators.authenticate_session(session.token)).principal
        scopes = frozenset(permission for permission in Permission if principal.may(permission))
        made = await self.people.operators.tokens.create(principal, name="test", scopes=scopes, days=1, peer=PEER)
        return Caller(self.http, made.token)

    def device(self, auth: DeviceAuth, context: RunContext = RunContext.SYSTEM) -> "Caller":
        """A device that calls with its access token."""
        return Caller(self.http, self.tokens.issue(auth, context, self.devices.clock.now()))


@dataclass
class Caller:
    """Somebody who calls."""

    http: httpx.AsyncClient
    token: str

    async def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """One request; ``body`` is sent as JSON where there is one."""
        headers = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            options["json"] = body
        return await self.http.request(method, path, headers=headers, **options)


@contextlib.asynccontextmanager
async def open_api(folder: Path) -> AsyncIterator[ApiWorld]:
    """A door that answers."""
    async with open_people(folder) as people, open_devices(folder, clock=people.clock) as devices:
        tokens = AccessTokens(folder=folder / "Auth_Tokens", randomness=people.randomness)
        tokens.load()
        absent = cast("Any", None)
        services = Services(
            settings=settings_in(people.folder),
            clock=people.clock,
            randomness=people.randomness,
            db=people.db,
            feed=devices.feed,
            audit=people.audit,
            operators=people.operators,
            devices=devices.devices,
            signing=absent,
            activity=absent,
            dispatcher=absent,
            jobs=absent,
            scripts=absent,
            saved=absent,
            overview=absent,
            enrolment=absent,
            certificates=absent,
            access_tokens=tokens,
            screens=absent,
            updates=absent,
            credentials=absent,
            machines=absent,
            controller=absent,
            tunnels=absent,
            shells=absent,
            recordings=absent,
            desktops=absent,
            rdp=absent,
            transfers=absent,
            forwards=absent,
        )
        app: Any = create_api(services)
        transport = httpx.ASGITransport(app=app, client=(PEER, 40000))
        async with httpx.AsyncClient(transport=transport, base_url=URL) as http:
            yield ApiWorld(devices, people, tokens, http)
