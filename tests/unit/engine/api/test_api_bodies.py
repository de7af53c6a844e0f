"""Bad bodies on a real route: an error with a code, never a fault, and nothing changed (contract 5)."""

import asyncio

import pytest
from tests.fakes.engine_rest import HOST, Caller, Rest, exchange
from tests.fakes.people import PEER

from borealis_engine.api import auth_middleware

pytestmark = pytest.mark.asyncio(loop_scope="module")
USERS = "/api/users"
GOOD = {"username": "bob", "password": "correct horse battery", "role": "Viewer"}


@pytest.fixture(scope="module")
def owner(shared_rest: Rest) -> Caller:
    """May do everything; only the request is wrong."""
    return shared_rest.owner()


async def unchanged(owner: Caller) -> bool:
    """Whether nobody was made."""
    return bool((await owner.get(USERS)).json() == {"users": []})


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"username":"bob"}{}', b'{"username":"a","username":"bob"}',
     b"[" * 50_000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b'{"username":NaN}', b'{"username":"\\ud800"}',
     b'"x' * 1000, b"1e999999999"],
)  # fmt: skip
async def test_rejects_bodies_that_are_no_request(owner: Caller, body: bytes) -> None:
    answer = await owner.post(USERS, body)
    assert answer.status == 400, answer
    assert answer.code in {"invalid_json", "invalid_request"}
    assert answer.json()["detail"]
    assert await unchanged(owner)


@pytest.mark.parametrize(
    "change",
    [{"role": "Owner"}, {"role": "admin"}, {"sites": [1.5]}, {"sites": [0]}, {"sites": [2**31]}, {"sites": "all"},
     {"sites": [True]}, {"username": {"$ne": ""}}, {"disabled": False}, {"id": 1}, {"display_name": "x" * 129},
     {"password": None}, {"username": "x" * 65}],
)  # fmt: skip
async def test_rejects_fields_of_another_form(owner: Caller, change: dict[str, object]) -> None:
    answer = await owner.post(USERS, {**GOOD, **change})
    assert (answer.status, answer.code) == (400, "invalid_request"), answer
    assert await unchanged(owner)


async def test_rejects_large_bodies_whether_they_say_so_or_not(owner: Caller) -> None:
    large = b" " * (256 * 1024 + 1)
    for headers in ({}, {"Content-Length": "10"}):
        answer = await owner.post(USERS, large, headers=headers)
        assert (answer.status, answer.code) == (413, "too_large")
    declared = await owner.post(USERS, b"{}", headers={"Content-Length": "99999999999999999999"})
    assert (declared.status, declared.code) == (413, "too_large")
    for odd in ("-1", "x", "1e3", "١٢"):
        pairs = [("content-length", odd.encode().decode("latin-1")), ("content-type", "application/json")]
        answer = await owner.rest.call("POST", "/api/auth/login", b"{}", headers=pairs)
        assert answer.status == 400, odd


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json; charset=utf-7"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": ""},
    ],
)
async def test_rejects_other_media_types(owner: Caller, headers: dict[str, str]) -> None:
    answer = await owner.post(USERS, GOOD, headers=headers)
    assert (answer.status, answer.code) == (415, "unsupported_media_type")
    assert await unchanged(owner)


async def test_survives_a_caller_who_hangs_up_in_the_middle(owner: Caller) -> None:
    scope = {
        "type": "http",
        "method": "POST",
        "path": USERS,
        "raw_path": USERS.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "https",
        "client": ("127.0.0.1", 1),
        "headers": [
            (b"host", HOST.encode()),
            (b"content-type", b"application/json"),
            *((name.lower().encode(), value.encode()) for name, value in owner.headers.items()),
        ],
    }
    answer = await exchange(owner.rest.app, scope, [b'{"username":'], hang_up=True)
    assert (answer.status, answer.code) == (400, "interrupted")
    assert await unchanged(owner)


async def test_rejects_a_body_that_never_ends(owner: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth_middleware, "BODY_SECONDS", 0.05)
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/auth/login",
        "raw_path": b"/api/auth/login",
        "query_string": b"",
        "root_path": "",
        "scheme": "https",
        "client": (PEER, 1),
        "headers": [(b"host", HOST.encode()), (b"content-type", b"application/json")],
    }
    await owner.rest.app(scope, receive, send)
    assert sent[0]["status"] == 400
    assert b"body_timeout" in bytes(sent[1]["body"])  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=x", "limit=1.5", "limit=99999999999999999999999", "before_id=0", "before_id=-1",
     "before_id=9999999999999999999999", "limit=", "limit=1&limit=x", "actor=" + "x" * 513],
)  # fmt: skip
async def test_rejects_queries_of_another_form(owner: Caller, query: str) -> None:
    answer = await owner.get(f"/api/audit?{query}")
    assert (answer.status, answer.code) == (400, "invalid_request"), answer


@pytest.mark.parametrize("query", ["actor=%ff", "actor=%00", "actor=%", "x=1", "&&&=", "actor=%ed%a0%80", "actor[]=x"])
async def test_survives_queries_that_mean_nothing(owner: Caller, query: str) -> None:
    assert (await owner.get(f"/api/audit?{query}")).status in {200, 400}


@pytest.mark.parametrize(
    "name", ["%ff", "x" * 65, "x" * 3000, "a%0ab", "%C3%B8", "..%2f..%2fetc", "a%2eb", "%F0%9F%98%80"]
)
async def test_survives_any_name_in_a_path(owner: Caller, name: str) -> None:
    answer = await owner.post(f"/api/users/{name}/role", {"role": "Viewer"})
    assert answer.status in {400, 404}, answer
