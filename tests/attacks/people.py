"""An Engine whose set-up is done, and people who sign in to it from addresses of their own."""

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.attacks.attacker import RogueDevice, Socket, Stranger
from tests.attacks.background import Background
from tests.programs.programs import EngineProgram

PASSWORD = "a long sentence of mine"


class OwnersKey(httpx.Auth):
    """The owner's token as it is now: each start of the Engine makes another."""

    def __init__(self, engine: EngineProgram) -> None:
        self._path = engine.root / "Engine" / "Data" / "Secrets" / "cli.token"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._path.read_text().strip()}"
        yield request


@dataclass
class Person:
    """Somebody who is signed in. ``client`` sends what a browser on the Engine's own page would."""

    name: str
    client: httpx.Client
    stranger: Stranger
    cookie: str
    cookie_name: str

    def socket(self) -> Socket:
        """Their browser's socket."""
        return self.stranger.socket({"Cookie": f"{self.cookie_name}={self.cookie}", "Origin": self.stranger.engine.url})


@dataclass
class Target:
    """The Engine under attack, and its owner."""

    engine: EngineProgram
    background: Background
    owner: httpx.Client
    setup_token: str
    open_clients: list[httpx.Client] = field(default_factory=list)

    def stranger(self) -> Stranger:
        """Somebody with nothing."""
        return Stranger(self.engine, self.background)

    def device(self, hostname: str, *, site: int | None = None) -> RogueDevice:
        """An enrolled device in the attacker's hands."""
        return RogueDevice(self.engine, self.background, hostname=hostname).enrol(self.owner, site=site)

    def site(self, name: str) -> int:
        """A new site."""
        answer = self.owner.post("/api/sites", json={"name": name})
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def person(self, name: str, role: str, *, sites: list[int] | None = None) -> Person:
        """A new operator, signed in."""
        body = {"username": name, "password": PASSWORD, "role": role, "sites": sites}
        answer = self.owner.post("/api/users", json=body)
        assert answer.status_code == 201, answer.text
        return self.signed_in(name)

    def signed_in(self, name: str, password: str = PASSWORD) -> Person:
        """Somebody who gave the right password."""
        stranger = self.stranger()
        answer = stranger.post("/api/auth/login", {"username": name, "password": password})
        assert answer.status_code == 200, answer.text
        return self.browser(stranger, answer)

    def browser(self, stranger: Stranger, answer: httpx.Response) -> Person:
        """The browser that got this answer to a sign-in."""
        body = answer.json()
        name = f"borealis_session_{self.engine.port}"
        cookie = answer.cookies[name]
        client = stranger.http(
            {
                "Cookie": f"{name}={cookie}",
                "Origin": self.engine.url,
                "X-Borealis-CSRF": body["csrf"],
            }
        )
        self.open_clients.append(client)
        return Person(body["username"], client, stranger, cookie, name)


def set_up_body(token: str, **changes: Any) -> dict[str, Any]:
    """What the page of the set-up link sends."""
    return {"token": token, "username": "ada", "password": PASSWORD, **changes}


@contextlib.contextmanager
def engine_set_up(engine: EngineProgram, background: Background) -> Iterator[Target]:
    """Run set-up with the link that the Engine left for its owner."""
    token = setup_token_of(engine)
    answer = Stranger(engine, background).post("/api/setup", set_up_body(token))
    assert answer.status_code == 200, answer.text
    with engine.client(auth=OwnersKey(engine)) as owner:
        target = Target(engine, background, owner, token)
        try:
            yield target
        finally:
            for client in target.open_clients:
                client.close()


def setup_token_of(engine: EngineProgram) -> str:
    """The secret part of the one-time link."""
    path = engine.root / "Engine" / "Data" / "Secrets" / "setup.link"
    return path.read_text().strip().partition("#")[2]
