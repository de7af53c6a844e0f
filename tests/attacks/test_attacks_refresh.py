"""Threat 16 and the refresh of threat 10: a stolen refresh token, without and with the device's key."""

import time
from typing import Any

import pytest
from tests.attacks.attacker import RogueDevice
from tests.attacks.people import Target
from tests.programs.programs import wait_for

from borealis_wire.events import OperatorEvent, Rest
from borealis_wire.keys import SigningKey

pytestmark = pytest.mark.slow

THIEF = SigningKey.from_seed(b"somebody with a copied file only"[:32])


def audit_of(target: Target, guid: str) -> list[dict[str, Any]]:
    """What the audit log says of a device's tokens."""
    entries = target.owner.get("/api/audit", params={"limit": 200}).json()["entries"]
    return [entry for entry in entries if entry["target"] == guid and entry["action"] == "device.tokens_revoked"]


def test_rejects_a_stolen_refresh_token_without_the_devices_key(target: Target) -> None:
    victim = target.device("refresh-victim")
    seen = victim.proof()
    victim.take(victim.refresh(proof=seen))
    thief = RogueDevice(victim.engine, victim.background)
    thief.guid, stolen = victim.guid, victim.refresh_token
    url = f"{victim.engine.url}{Rest.TOKEN_REFRESH}"
    attempts: list[tuple[str | None, str]] = [
        (None, "dpop_invalid"),
        (victim.proof(key=THIEF), "dpop_invalid"),
        (victim.proof(key=THIEF, headers={"typ": "dpop+jwt", "jwk": _jwk(victim.key)}), "dpop_invalid"),
        (victim.proof(headers={"jwk": _jwk(THIEF)}), "dpop_invalid"),
        (victim.proof(algorithm="none"), "dpop_invalid"),
        # Proofs that the device really made, for something else or long ago, and one that was on the wire before.
        (victim.proof(url=url.replace("token/refresh", "heartbeat")), "dpop_invalid"),
        (victim.proof(url="https://attacker.example/api/agent/token/refresh"), "dpop_invalid"),
        (victim.proof(htm="GET"), "dpop_invalid"),
        (victim.proof(now=time.time() - 3600), "dpop_invalid"),
        (victim.proof(now=time.time() + 3600), "dpop_invalid"),
        (seen, "dpop_replayed"),
    ]
    for proof, code in attempts:
        answer = thief.refresh(stolen, proof=proof)
        assert (answer.status_code, answer.json()["error"]) == (400, code), proof
        assert "access_token" not in answer.text
    assert audit_of(target, victim.guid) == [], "who has no key must not be able to end the family"
    victim.take(victim.refresh())
    assert victim.post(Rest.HEARTBEAT, {}, victim.bearer).status_code == 200


def test_rejects_a_stolen_refresh_token_at_another_device(target: Target) -> None:
    """Whoever tries it with a key of his own ends his own family, as with any token that he cannot have; no other."""
    victim, thief = target.device("refresh-owner"), target.device("refresh-other")
    answer = thief.refresh(victim.refresh_token)
    assert (answer.status_code, answer.json()["error"]) == (401, "refresh_token_revoked")
    assert (len(audit_of(target, thief.guid)), audit_of(target, victim.guid)) == (1, [])
    victim.take(victim.refresh())


@pytest.mark.parametrize("first", ["thief", "device"])
def test_rejects_both_holders_once_rotation_shows_that_there_are_two(target: Target, first: str) -> None:
    """With token and key somebody is the device, until the real one comes: then both are out, and it is told."""
    victim = target.device(f"refresh-copied-{first}")
    thief = RogueDevice(victim.engine, victim.background)
    thief.claims, thief.guid, thief.refresh_token = victim.claims, victim.guid, victim.refresh_token
    one, two = (thief, victim) if first == "thief" else (victim, thief)
    admin = target.person(f"watcher-{first}", "Admin")
    with admin.socket() as browser:
        one.take(one.refresh())
        one.take(one.refresh())
        answer = two.refresh()
        assert (answer.status_code, answer.json()["error"]) == (401, "refresh_token_revoked")
        answer = one.refresh()
        assert (answer.status_code, answer.json()["error"]) == (401, "refresh_token_revoked")
        alert = {"guid": victim.guid, "alert": "refresh_token_reused"}

        def alarmed() -> bool:
            return any(
                event == OperatorEvent.DEVICE_CHANGED and alert.items() <= data.items()
                for event, data in list(browser.heard)
            )

        wait_for("the alarm in the browser", alarmed, seconds=5)
    assert len(audit_of(target, victim.guid)) == 1
    assert "two parties hold this device's tokens" in target.engine.log_text()


def test_a_lost_answer_is_no_theft(target: Target) -> None:
    victim = target.device("refresh-lost")
    lost = victim.refresh()
    assert lost.status_code == 200
    victim.take(victim.refresh())
    assert audit_of(target, victim.guid) == []


def test_rejects_replayed_proofs_also_after_a_restart_of_the_engine(target: Target) -> None:
    victim = target.device("refresh-restart")
    seen = victim.proof()
    victim.take(victim.refresh(proof=seen))
    target.engine.kill()
    target.engine.start()
    answer = victim.refresh(proof=seen)
    assert (answer.status_code, answer.json()["error"]) == (400, "dpop_replayed")
    victim.take(victim.refresh())


def test_rejects_tokens_of_a_revoked_device_at_once(target: Target) -> None:
    victim = target.device("refresh-revoked")
    with victim.online() as live:
        assert target.owner.post(f"/api/devices/{victim.guid}/revoke", json={}).status_code == 200
        wait_for("the socket to be cut", lambda: live.closed or None, seconds=5)
    answer = victim.refresh()
    assert (answer.status_code, answer.json()["error"]) == (403, "device_revoked")
    answer = victim.post(Rest.HEARTBEAT, {}, victim.bearer)
    assert (answer.status_code, answer.json()["error"]) == (403, "device_revoked")


def _jwk(key: SigningKey) -> dict[str, str]:
    from tests.fakes.enrolling_device import jwk

    return jwk(key)
