"""The whole REST door over real rooms and a real database, called as a web server would call it."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote

from tests.fakes.fake_device_link import FakeLink
from tests.fakes.fake_randomness import FakeRandomness
from tests.fakes.fake_wires import FakeWires
from tests.fakes.people import PEER, URL, People, open_people, settings_in

import borealis_playbooks
from borealis_engine.activity import ActivityService, UseRecorder
from borealis_engine.activity import store as activity_store
from borealis_engine.api.app import create_api
from borealis_engine.api.services import Services
from borealis_engine.app.entries import make_entries
from borealis_engine.controller import Controller
from borealis_engine.core.feed import ChangeFeed
from borealis_engine.credentials import CredentialService
from borealis_engine.devices import DeviceAuth, DeviceService, admit
from borealis_engine.dispatch import Dispatcher
from borealis_engine.enrolment.service import EnrolmentService
from borealis_engine.enrolment.tls import EngineCertificates
from borealis_engine.enrolment.tokens import AccessTokens
from borealis_engine.jobs import JobService
from borealis_engine.library import SavedThings, ScriptLibrary
from borealis_engine.machines import MachineService
from borealis_engine.operators.models import NewSession
from borealis_engine.operators.permissions import OperatorRole, Permission
from borealis_engine.overview import OverviewService
from borealis_engine.screens import ScreenService
from borealis_engine.signing import SigningService
from borealis_engine.tunnel import make_tunnels
from borealis_engine.updates import Packages, UpdateService
from borealis_wire.events import RunContext
from borealis_wire.keys import SigningKey

HOST: Final = URL.removeprefix("https://")


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of an error."""
        return str(self.json()["error"])

    def header(self, name: str) -> str | None:
        """A header that is there at most once."""
        found = [value for given, value in self.headers if given == name.lower()]
        assert len(found) <= 1, f"{name} is there {len(found)} times"
        return found[0] if found else None


@dataclass
class Caller:
    """Somebody with credentials: headers that go with every call."""

    rest: "Rest"
    headers: dict[str, str] = field(default_factory=dict)
    peer: str = PEER

    async def call(self, method: str, target: str, body: Any = None, **more: Any) -> Answer:
        """Call an address; see ``Rest.call``."""
        headers = {**self.headers, **more.pop("headers", {})}
        return await self.rest.call(method, target, body, headers=headers, peer=more.pop("peer", self.peer), **more)

    async def get(self, target: str, **more: Any) -> Answer:
        """``GET``."""
        return await self.call("GET", target, **more)

    async def post(self, target: str, body: Any = None, **more: Any) -> Answer:
        """``POST`` with a JSON body; ``{}`` if none is given."""
        return await self.call("POST", target, {} if body is None else body, **more)

    async def delete(self, target: str, **more: Any) -> Answer:
        """``DELETE``."""
        return await self.call("DELETE", target, **more)

    def without(self, *names: str) -> "Caller":
        """The same caller, but for some headers."""
        return Caller(self.rest, {name: value for name, value in self.headers.items() if name not in names}, self.peer)


@dataclass
class Rest:
    """The application and everything below it."""

    people: People
    services: Services
    link: FakeLink
    tokens: AccessTokens

    @cached_property
    def app(self) -> Any:
        """The REST door; built for the first who calls, for it takes longer than everything behind it."""
        return create_api(self.services, metrics=self.people.metrics)

    @property
    def nobody(self) -> Caller:
        """No credentials."""
        return Caller(self)

    async def call(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | list[tuple[str, str]] | None = None,
        peer: str = PEER,
    ) -> Answer:
        """One request; ``target`` stands in the request line as it is; ``body`` becomes JSON, bytes stay bytes."""
        pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers or [])
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {name.lower() for name, _ in pairs}
        if body is not None and "content-type" not in given:
            pairs.append(("content-type", "application/json"))
        if content and "content-length" not in given:
            pairs.append(("content-length", str(len(content))))
        if "host" not in given:
            pairs.append(("host", HOST))
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": unquote(path),
            "raw_path": path.encode("latin-1"),
            "root_path": "",
            "query_string": query.encode("latin-1"),
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs],
            "client": (peer, 40000),
            "server": ("127.0.0.1", 5000),
            "state": {},
        }
        return await exchange(self.app, scope, [content])

    def signed_in(self, session: NewSession, *, peer: str = PEER) -> Caller:
        """A browser on our own page with this session."""
        headers = {"Cookie": f"borealis_session_5000={session.token}", "Origin": URL, "X-Borealis-CSRF": session.csrf}
        return Caller(self, headers, peer)

    def owner(self) -> Caller:
        """The Engine's owner on its own machine."""
        token = self.people.operators.ensure_owner_token().read_text()
        return Caller(self, {"Authorization": f"Bearer {token}"}, "127.0.0.1")

    async def person(
        self, username: str, role: OperatorRole, *, sites: frozenset[int] | None = None, peer: str = PEER
    ) -> Caller:
        """A new operator, signed in."""
        await self.people.add(username, role, sites=sites)
        return self.signed_in(await self.people.sign_in(username), peer=peer)

    async def token(self, username: str, *scopes: Permission) -> Caller:
        """A program with a personal token of an operator."""
        session = await self.people.sign_in(username)
        made = await self.people.operators.tokens.create(
            session.principal, name="program", scopes=frozenset(scopes), days=1, peer=""
        )
        return Caller(self, {"Authorization": f"Bearer {made.token}"})

    async def add_device(self, hostname: str = "alpha", *, site_id: int | None = None) -> DeviceAuth:
        """An admitted device."""
        public = SigningKey.from_seed(FakeRandomness(hostname).token_bytes(32)).public

        def work(connection: Any) -> DeviceAuth:
            return admit(
                connection,
                guid=None,
                hostname=hostname,
                fingerprint=public.fingerprint,
                public_key_spki=public.spki,
                site_id=site_id,
                now=self.services.clock.now(),
                randomness=self.services.randomness,
            )

        device = await self.services.db.write(work)
        self.services.devices.admitted(device)
        return device

    def device(self, device: DeviceAuth, context: RunContext = RunContext.SYSTEM) -> Caller:
        """A device with a valid access token."""
        token = self.tokens.issue(device, context, self.services.clock.now())
        return Caller(self, {"Authorization": f"Bearer {token}"})


class _Receiver:
    """Gives a request body in chunks, then nothing until the caller hangs up."""

    def __init__(self, chunks: list[bytes], *, hang_up: bool = False) -> None:
        self._messages = [
            {"type": "http.request", "body": chunk, "more_body": hang_up or number < len(chunks) - 1}
            for number, chunk in enumerate(chunks)
        ]

    async def __call__(self) -> dict[str, Any]:
        return self._messages.pop(0) if self._messages else {"type": "http.disconnect"}

    def __aiter__(self) -> Self:
        return self


async def exchange(app: Any, scope: dict[str, Any], chunks: list[bytes], *, hang_up: bool = False) -> Answer:
    """Run one ASGI request; with ``hang_up`` the caller goes away in the middle of its body."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, _Receiver(chunks, hang_up=hang_up), send)
    start, *rest = sent
    assert start["type"] == "http.response.start"
    return Answer(
        status=start["status"],
        headers=[(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in start["headers"]],
        body=b"".join(message.get("body", b"") for message in rest),
    )


@contextlib.asynccontextmanager
async def open_rest(folder: Path) -> AsyncIterator[Rest]:
    """Build the rooms as ``borealis_engine.app`` does, without sockets and background loops."""
    async with open_people(folder) as people:
        settings, db, clock, randomness = settings_in(folder), people.db, people.clock, people.randomness
        feed = ChangeFeed()
        devices = DeviceService(
            db=db, clock=clock, randomness=randomness, feed=feed, audit=people.audit, metrics=people.metrics
        )
        signing = SigningService(folder=settings.paths.code_signing, clock=clock, randomness=randomness)
        certificates = EngineCertificates(settings=settings, clock=clock, names=lambda _: frozenset({"localhost"}))
        certificates.load()
        tokens = AccessTokens(folder=settings.paths.auth_tokens, randomness=randomness)
        tokens.load()
        activity = ActivityService(db=db, clock=clock, feed=feed)
        link = FakeLink()
        dispatcher = Dispatcher(activity=activity, devices=devices, sealer=signing, clock=clock)
        dispatcher.bind_link(link)
        scripts = ScriptLibrary(db=db, clock=clock, randomness=randomness, feed=feed)
        credentials = CredentialService(
            db=db,
            clock=clock,
            randomness=randomness,
            folder=settings.paths.stored_credentials,
            under_way=activity_store.under_way,
        )
        machines = MachineService(db=db, clock=clock, randomness=randomness, devices=devices, credentials=credentials)
        controller = Controller(
            folder=settings.paths.controller,
            code_root=Path(borealis_playbooks.__file__).resolve().parents[1],
            clock=clock,
            devices=devices,
            machines=machines,
            credentials=credentials,
            signing=signing,
            activity=activity,
            reports=dispatcher,
        )
        jobs = JobService(
            db=db,
            clock=clock,
            randomness=randomness,
            devices=devices,
            signing=signing,
            activity=activity,
            dispatcher=dispatcher,
            scripts=scripts,
            machines=machines,
        )
        enrolment = EnrolmentService(
            db=db,
            clock=clock,
            randomness=randomness,
            feed=feed,
            audit=people.audit,
            devices=devices,
            signing=signing,
            certificates=certificates,
            access_tokens=tokens,
            settings=settings,
        )
        uses = UseRecorder(db=db, clock=clock, feed=feed, randomness=randomness, activity=activity)
        screens = ScreenService(
            devices=devices, signing=signing, audit=people.audit, clock=clock, randomness=randomness, uses=uses
        )
        screens.bind_link(link)
        updates = UpdateService(
            db=db,
            clock=clock,
            randomness=randomness,
            feed=feed,
            devices=devices,
            signing=signing,
            packages=Packages(settings.paths.agent_package),
        )
        updates.bind_link(link)
        tunnels = make_tunnels(
            settings,
            db=db,
            clock=clock,
            randomness=randomness,
            uses=uses,
            devices=devices,
            signing=signing,
            wires=FakeWires(),
        )
        tunnels.bind_link(link)
        await devices.start()
        await signing.start()
        await machines.start()
        await activity.start()
        await dispatcher.start()
        await tunnels.start()
        entries = await make_entries(
            settings,
            db=db,
            clock=clock,
            randomness=randomness,
            audit=people.audit,
            uses=uses,
            devices=devices,
            operators=people.operators,
            signing=signing,
            tunnels=tunnels,
        )
        services = Services(
            settings=settings,
            clock=clock,
            randomness=randomness,
            db=db,
            feed=feed,
            audit=people.audit,
            operators=people.operators,
            devices=devices,
            signing=signing,
            activity=activity,
            dispatcher=dispatcher,
            jobs=jobs,
            scripts=scripts,
            saved=SavedThings(db=db, clock=clock),
            overview=OverviewService(db=db, clock=clock, devices=devices),
            enrolment=enrolment,
            certificates=certificates,
            access_tokens=tokens,
            screens=screens,
            updates=updates,
            credentials=credentials,
            machines=machines,
            controller=controller,
            tunnels=tunnels,
            shells=entries.shells,
            desktops=entries.desktops,
            recordings=entries.recordings,
            transfers=entries.transfers,
            forwards=entries.forwards,
            rdp=entries.rdp,
        )
        yield Rest(people, services, link, tokens)
