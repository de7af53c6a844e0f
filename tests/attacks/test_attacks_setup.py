"""Threat 2: set-up runs once; no path trick, header, method or race runs it again (ScreenConnect's CVE-2024-1709)."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import httpx
import pytest
from tests.attacks.background import Background
from tests.attacks.people import PASSWORD, Target, engine_set_up, set_up_body, setup_token_of
from tests.programs.programs import EngineProgram

pytestmark = pytest.mark.slow

TARGETS: Final = (
    "/api/setup",
    "/api/setup/",
    "/api/setup//",
    "//api/setup",
    "/api//setup",
    "/api/./setup",
    "/./api/setup",
    "/api/setup/.",
    "/api/setup/..",
    "/api/x/../setup",
    "/pages/../api/setup",
    "/..;/api/setup",
    "/api/setup;x=1",
    "/api/setup;.css",
    "/api/;/setup",
    "/api/setup/x",
    "/api/setup/x.css",
    "/api/setup.json",
    "/api/setup%2f",
    "/api%2fsetup",
    "/api%252fsetup",
    "/api/setup%00",
    "/api/setup%00.css",
    "/api/setup%20",
    "/api/setup%0d%0aX:%20y",
    "/%61pi/setup",
    "/api/%73etup",
    "/api/%2e/setup",
    "/api/setup\\",
    "\\api\\setup",
    "/API/SETUP",
    "/api/Setup",
    "/api/setup?x=1",
    "/api/setup#x",
    "/api/setup?/../../setup",
    "/setup",
    "/setup/",
    "/SetupWizard.aspx/x",
    "api/setup",
    "*",
    "https://127.0.0.1/api/setup",
    "https://other.example/api/setup",
    "http://127.0.0.1:1/api/setup",
    "/api/auth/login/../../setup",
    "/health/../api/setup",
)
OVERRIDES: Final = (
    "X-HTTP-Method-Override: POST",
    "X-HTTP-Method: POST",
    "X-Method-Override: POST",
    "X-Original-URL: /api/setup",
    "X-Rewrite-URL: /api/setup",
    "X-Forwarded-Prefix: /api/setup",
    "X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 127.0.0.1",
    "Forwarded: for=127.0.0.1;host=localhost",
    "Authorization: Bearer bor_owner_x",
)


def request(method: str, path: str, body: bytes, *headers: str, version: str = "HTTP/1.1") -> bytes:
    """One request with a body, and the wish to hang up after it."""
    lines = [
        f"{method} {path} {version}",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


@pytest.fixture
def intruder(target: Target) -> bytes:
    """What would make another first operator: the very link that was used, and another name."""
    return json.dumps(set_up_body(target.setup_token, username="mallory")).encode()


def assert_still_one(target: Target) -> None:
    """Set-up is done, and its operator is the only Admin that it made."""
    assert target.owner.get("/api/setup").json() == {"needed": False}
    names = [user["username"] for user in target.owner.get("/api/users").json()["users"]]
    assert "ada" in names and "mallory" not in names


def test_rejects_set_up_again_by_every_spelling_of_its_address(target: Target, intruder: bytes) -> None:
    for path in TARGETS:
        stranger = target.stranger()
        for method in ("POST", "GET", "PUT"):
            answer = stranger.raw(request(method, path, intruder))
            assert b"borealis_session_" not in answer.data, f"{method} {path}"
            if method == "POST":
                assert answer.status in {0, 400, 404, 405, 409}, f"{path}: {answer.status}"
    assert_still_one(target)


def test_rejects_set_up_again_by_header_method_and_framing(target: Target, intruder: bytes) -> None:
    inner = request("POST", "/api/setup", intruder)
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(intruder), intruder)
    head = b"POST /api/setup HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    attempts = [request(method, path, intruder, header) for header in OVERRIDES for method, path in _DISGUISES]
    attempts += [request(method, "/api/setup", intruder) for method in ("post", "Post", "SETUP", "PATCH", "TRACE")]
    attempts += [
        request("POST", "/api/setup", intruder, version="HTTP/1.0"),
        b"POST /api/setup\r\n\r\n" + intruder,
        head + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunked,
        # Smuggling: two lengths, both framings, and a second request hidden in the body of a first.
        head + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(intruder) + intruder,
        head + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
        head + b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + inner,
        b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(inner) + inner,
        b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + inner,
        b"GET /setup HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n" + inner,
    ]
    for attempt in attempts:
        answer = target.stranger().raw(attempt, seconds=5)
        assert b"borealis_session_" not in answer.data, attempt[:200]
        assert b'"status":"ok","username"' not in answer.data.replace(b" ", b""), attempt[:200]
    assert_still_one(target)


_DISGUISES: Final = (("GET", "/api/setup"), ("POST", "/api/setup"), ("GET", "/health"))


def test_rejects_the_used_link_and_says_so(target: Target, intruder: bytes) -> None:
    answer = target.stranger().post("/api/setup", json.loads(intruder))
    assert (answer.status_code, answer.json()["error"]) == (409, "setup_done")
    assert not (target.engine.root / "Engine" / "Data" / "Secrets" / "setup.link").exists() or (
        setup_token_of(target.engine) != ""
    )


def test_rejects_all_but_one_of_many_set_ups_at_once_and_any_after_a_restart(
    tmp_path: Path, background: Background
) -> None:
    engine = EngineProgram(tmp_path / "engine").start()
    try:
        token = setup_token_of(engine)
        names = [f"first{number}" for number in range(8)]

        def attempt(name: str) -> httpx.Response:
            with engine.client() as client:
                return client.post("/api/setup", json=set_up_body(token, username=name))

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(attempt, names))
        won = [name for name, answer in zip(names, answers, strict=True) if answer.status_code == 200]
        assert len(won) == 1
        assert {answer.status_code for answer in answers} <= {200, 403, 409, 429}
        engine.kill()
        engine.start()
        with engine.owner() as owner:
            assert [user["username"] for user in owner.get("/api/users").json()["users"]] == won
            assert owner.get("/api/setup").json() == {"needed": False}
            answer = owner.post("/api/setup", json=set_up_body(token, username="late"))
            assert (answer.status_code, answer.json()["error"]) == (409, "setup_done")
            # The first operator is gone again: that opens nothing.
            made = owner.post("/api/users", json={"username": "second", "password": PASSWORD, "role": "Admin"})
            assert made.status_code == 201
            assert owner.delete(f"/api/users/{won[0]}").status_code == 200
            assert owner.get("/api/setup").json() == {"needed": False}
        assert not (engine.root / "Engine" / "Data" / "Secrets" / "setup.link").exists()
    finally:
        engine.stop()


def test_rejects_an_older_link_once_a_newer_one_was_made(tmp_path: Path, background: Background) -> None:
    engine = EngineProgram(tmp_path / "engine").start()
    try:
        old = setup_token_of(engine)
        engine.kill()
        engine.start()
        assert setup_token_of(engine) != old
        with engine.client() as client:
            answer = client.post("/api/setup", json=set_up_body(old))
            assert (answer.status_code, answer.json()["error"]) == (403, "invalid_setup_token")
        with engine_set_up(engine, background):
            pass
    finally:
        engine.stop()
