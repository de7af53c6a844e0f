"""Set-up is over: no trick with paths, methods or headers opens it again (threats 2, CVE-2024-1709)."""

from dataclasses import dataclass

import pytest
import pytest_asyncio
from tests.fakes.engine_rest import Rest
from tests.fakes.people import PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Done:
    """An Engine that was set up, and what set it up."""

    rest: Rest
    body: dict[str, str]

    async def only_ada(self) -> bool:
        """Whether nobody came in beside the first operator, and set-up is still over."""
        accounts = await self.rest.people.operators.accounts.list(self.rest.people.owner)
        state = await self.rest.nobody.get("/api/setup")
        return [account.username for account in accounts] == ["ada"] and state.json() == {"needed": False}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def done(shared_rest: Rest) -> Done:
    token = (await shared_rest.people.operators.create_setup_link()).partition("#")[2]
    body = {"username": "ada", "password": PASSWORD, "token": token}
    assert (await shared_rest.nobody.post("/api/setup", body)).status == 200
    return Done(shared_rest, body)


TRICKS = [
    ("POST", "/api/setup"),
    ("POST", "/api/setup/"),
    ("POST", "/api/setup//"),
    ("POST", "//api/setup"),
    ("POST", "/api//setup"),
    ("POST", "/api/./setup"),
    ("POST", "/api/x/../setup"),
    ("POST", "/api/%2e/setup"),
    ("POST", "/api/x/%2e%2e/setup"),
    ("POST", "/api/x/.%2E/setup"),
    ("POST", "/api%2fsetup"),
    ("POST", "/api%2Fsetup"),
    ("POST", "/api/setup%2f"),
    ("POST", "/api/setup%00"),
    ("POST", "/api/setup%20"),
    ("POST", "/api/setup%0a"),
    ("POST", "/api/setup;x=1"),
    ("POST", "/api/setup%3bx"),
    ("POST", "/api\\setup"),
    ("POST", "/api%5csetup"),
    ("POST", "/API/SETUP"),
    ("POST", "/api/setup/x"),
    ("POST", "/api/setup?again=1"),
    ("POST", "/api/%73etup"),
    ("POST", "/setup"),
    ("POST", "/setup/"),
    ("POST", "/%73etup"),
    ("PUT", "/api/setup"),
    ("PATCH", "/api/setup"),
    ("DELETE", "/api/setup"),
    ("TRACE", "/api/setup"),
    ("post", "/api/setup"),
    ("POST ", "/api/setup"),
]


@pytest.mark.parametrize(("method", "target"), TRICKS)
async def test_rejects_set_up_again_by_path_tricks(done: Done, method: str, target: str) -> None:
    answer = await done.rest.call(method, target, {**done.body, "username": "eve"})
    assert answer.status in {404, 405, 409}, answer
    assert "set-cookie" not in dict(answer.headers)
    assert await done.only_ada()


OVERRIDES = [
    {"X-HTTP-Method-Override": "POST"},
    {"X-HTTP-Method": "POST"},
    {"X-Method-Override": "POST"},
    {"X-Original-URL": "/api/setup"},
    {"X-Rewrite-URL": "/api/setup"},
    {"X-Forwarded-Prefix": "/api/setup"},
    {"X-Forwarded-Path": "/api/setup"},
    {"X-Forwarded-For": "127.0.0.1"},
    {"Forwarded": "for=127.0.0.1"},
]


@pytest.mark.parametrize("headers", OVERRIDES, ids=[next(iter(headers)) for headers in OVERRIDES])
async def test_rejects_set_up_again_by_header_overrides(done: Done, headers: dict[str, str]) -> None:
    body = {**done.body, "username": "eve"}
    for method, target in (("GET", "/api/setup"), ("GET", "/health"), ("POST", "/api/setup"), ("POST", "/health")):
        answer = await done.rest.call(method, target, body, headers=headers)
        assert answer.status in {200, 405, 409}
        assert "set-cookie" not in dict(answer.headers)
    assert (await done.rest.call("GET", "/api/users", headers=headers)).status == 401
    assert await done.only_ada()
