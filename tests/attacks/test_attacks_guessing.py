"""Threat 6: guessing is slow: log-in, second factor, codes, set-up link, tokens; and wrong answers look alike."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pyotp
import pytest
from tests.attacks.attacker import Declined, RogueDevice, Stranger
from tests.attacks.background import Background
from tests.attacks.people import PASSWORD, Target, set_up_body, setup_token_of
from tests.programs.programs import EngineProgram

from borealis_wire.events import Rest

pytestmark = pytest.mark.slow

CODE: Final = "0000-1111-2222-3333-4444-5555-6666-7777"


def limited(answer: httpx.Response) -> bool:
    """Whether the answer says to wait, and for how long."""
    if answer.status_code != 429:
        return False
    assert answer.json()["error"] == "rate_limited"
    assert float(answer.headers["Retry-After"]) >= 1
    return True


def tries_until_limited(attempts: Iterator[httpx.Response], most: int) -> int:
    """How many wrong guesses got an answer before the first that had to wait."""
    for number, answer in enumerate(attempts):
        if limited(answer):
            return number
        assert 400 <= answer.status_code < 500, answer.text
        assert number < most, f"{most} guesses, and still no wait"
    raise AssertionError("the attempts ended")


def guesses(stranger: Stranger, path: str, body: Any, count: int = 200) -> Iterator[httpx.Response]:
    """The same request from one address, over one connection, with a number in it."""
    with stranger.http() as client:
        for number in range(count):
            yield client.post(path, json=body(number))


def test_rejects_password_guesses_after_a_few(target: Target) -> None:
    target.person("guess-one", "Viewer")
    body = {"username": "guess-one"}
    count = tries_until_limited(
        guesses(target.stranger(), "/api/auth/login", lambda number: {**body, "password": f"wrong {number}"}), 8
    )
    assert count <= 6
    # From elsewhere it is the same name: the wait is its own. And the right password must wait too.
    answer = target.stranger().post("/api/auth/login", {**body, "password": PASSWORD})
    assert limited(answer), "a right guess during the wait tells that it was right"


def test_rejects_guesses_at_many_names_from_one_address(target: Target) -> None:
    attempts = guesses(
        target.stranger(), "/api/auth/login", lambda number: {"username": f"name{number}", "password": "wrong words"}
    )
    assert tries_until_limited(attempts, 25) <= 21


def test_rejects_unknown_user_wrong_password_and_barred_account_with_the_same_bytes(target: Target) -> None:
    for name in ("guess-barred", "guess-known"):
        target.person(name, "Viewer")
    target.owner.post("/api/users/guess-barred/disabled", json={"disabled": True})
    tried = [
        ("guess-known", "another sentence"),
        ("guess-barred", PASSWORD),
        ("guess-barred", "another sentence"),
        ("guess-nobody", PASSWORD),
    ]
    answers = [
        target.stranger().post("/api/auth/login", {"username": name, "password": words}) for name, words in tried
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {(401, answers[0].content)}
    kept = [{name: value for name, value in answer.headers.items() if name != "date"} for answer in answers]
    assert all(headers == kept[0] for headers in kept)


def test_rejects_guesses_at_the_second_factor(target: Target) -> None:
    person = target.person("guess-totp", "Viewer")
    offer = person.client.post("/api/auth/mfa/setup", json={"password": PASSWORD}).json()
    code = pyotp.TOTP(offer["secret"])
    assert person.client.post("/api/auth/mfa/confirm", json={"code": code.now()}).status_code == 200
    assert person.client.get("/api/auth/me").status_code == 200
    first = target.stranger().post("/api/auth/login", {"username": "guess-totp", "password": PASSWORD}).json()
    assert (first["status"], "csrf" in first) == ("mfa_required", False)
    used = target.stranger().post("/api/auth/mfa/verify", {"pending_token": first["pending_token"], "code": code.now()})
    assert (used.status_code, used.json()["error"]) == (401, "invalid_code"), "a code that confirmed counts once"
    near = {code.at(int(time.time()) + 30 * offset) for offset in range(-5, 6)}
    wrong = [text for text in (f"{number:06d}" for number in range(100)) if text not in near]
    guessed = 1
    for number in range(40):  # each sign-in opens a few tries; all of them together stay few
        opened = target.stranger().post("/api/auth/login", {"username": "guess-totp", "password": PASSWORD})
        if limited(opened):
            break
        pending = opened.json()["pending_token"]
        for _ in range(3):
            answer = target.stranger().post("/api/auth/mfa/verify", {"pending_token": pending, "code": wrong[number]})
            if not limited(answer):
                guessed += 1
    assert guessed <= 8, f"{guessed} codes were tried without a wait"


def test_rejects_guesses_at_a_sign_in_that_is_half_done(target: Target) -> None:
    attempts = guesses(
        target.stranger(),
        "/api/auth/mfa/verify",
        lambda number: {"pending_token": f"guess-{number}", "code": "123456"},
    )
    assert tries_until_limited(attempts, 25) <= 21


def test_rejects_guesses_at_enrolment_codes(target: Target) -> None:
    device = RogueDevice(target.engine, target.background, hostname="guesser")

    def body(number: int) -> dict[str, str]:
        return {
            "hostname": "guesser",
            "enrollment_code": f"{CODE[:-4]}{number:04d}",
            "agent_pubkey": RogueDevice(target.engine, target.background, hostname=f"g{number}").key.public.spki_base64,
            "client_nonce": "A" * 44,
        }

    assert tries_until_limited(guesses(device, Rest.ENROLL_REQUEST, body), 45) <= 40
    listed = target.owner.get("/api/admin/device-approvals").json()["approvals"]
    assert "guesser" not in [approval["hostname_claimed"] for approval in listed]


def test_rejects_guesses_at_approval_references(target: Target) -> None:
    device = RogueDevice(target.engine, target.background, hostname="poller")
    token = target.owner.post("/api/admin/enrollment-codes", json={}).json()["token"]
    assert device.knock(token).status_code == 200
    poll = device.claims.poll(b"x" * 32)

    def body(number: int) -> dict[str, str]:
        return {
            "approval_reference": f"00000000-0000-4000-8000-{number:012d}",
            "client_nonce": poll.client_nonce,
            "proof_sig": poll.proof_sig,
        }

    assert tries_until_limited(guesses(device, Rest.ENROLL_POLL, body), 45) <= 40


def test_rejects_guesses_at_refresh_tokens(target: Target) -> None:
    device = target.device("refresh-guessed")
    thief = RogueDevice(target.engine, target.background)
    attempts = guesses(
        thief, Rest.TOKEN_REFRESH, lambda number: {"guid": device.guid, "refresh_token": f"{'A' * 60}{number:04d}"}
    )
    assert tries_until_limited(attempts, 15) <= 12
    device.take(device.refresh())  # who is elsewhere is not held up by that


@pytest.mark.parametrize("kind", ["device", "personal", "owner", "session"])
def test_rejects_guesses_at_socket_credentials(target: Target, kind: str) -> None:
    stranger, codes = target.stranger(), []
    forms = {
        "device": lambda number: {"Authorization": f"Bearer a.b.{number}"},
        "personal": lambda number: {"Authorization": f"Bearer bor_pat_{number:043d}"},
        "owner": lambda number: {"Authorization": f"Bearer bor_owner_{number:043d}"},
        "session": lambda number: {
            "Cookie": f"borealis_session_{target.engine.port}={number:043d}",
            "Origin": target.engine.url,
        },
    }
    for number in range(34):
        with pytest.raises(Declined) as caught:
            stranger.socket(forms[kind](number))
        codes.append(str(caught.value))
    assert set(codes[:30]) <= {"invalid_token", "unauthorized"}
    assert set(codes[31:]) == {""}, "further knocks are not even answered"
    # Nobody else at another address is held up.
    with pytest.raises(Declined, match=r"invalid_token|unauthorized"):
        target.stranger().socket(forms[kind](0))


def test_rejects_guesses_at_the_setup_link(tmp_path: Path, background: Background) -> None:
    engine = EngineProgram(tmp_path / "engine").start()
    try:
        stranger = Stranger(engine, background)
        attempts = guesses(stranger, "/api/setup", lambda number: set_up_body(f"guess-{number}"))
        assert tries_until_limited(attempts, 10) <= 6
        right = stranger.post("/api/setup", set_up_body(setup_token_of(engine)))
        assert limited(right), "a right guess during the wait tells that it was right"
        with engine.client() as client:
            assert client.get("/api/setup").json() == {"needed": True}
            assert client.post("/api/setup", json=set_up_body(setup_token_of(engine))).status_code == 200
    finally:
        engine.stop()
