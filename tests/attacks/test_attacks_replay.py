"""Threat 10: what ran once does not run again: after a restart, after the journal was compacted, by any way in."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from tests.attacks.fake_engine import FakeEngine
from tests.attacks.forging import THIEF, Forger, Payload, cancel_of, keys_statement
from tests.attacks.house import House
from tests.attacks.tunnel_forging import START, STOP, TunnelForger, taken
from tests.programs.programs import wait_for

from borealis_agent.outbox.record_log import frame
from borealis_wire.events import EngineEvent, Rest

pytestmark = pytest.mark.slow
JOB = EngineEvent.QUICK_JOB_RUN


@pytest.fixture(scope="module")
def ran(house: House, rotated: dict[str, Any]) -> Payload:
    """A job that ran, with a long life left."""
    run_id = house.launch(f"echo ran >> '{house.loot.parent}/replay-ledger'", expires_in_seconds=86_400)
    assert house.run_of(run_id)["status"] == "Success"
    return house.captured(run_id)


@pytest.fixture(scope="module")
def rotated(house: House) -> dict[str, Any]:
    """The statement of a rotation that the agent has followed; the key before it is revoked by now."""
    house.settled()
    old = house.signing_key
    with house.owner as owner:
        assert owner.post("/api/server/signing-key/rotate", json={"revoke_old": True}).status_code == 200
    trust = house.agent.root / "Agent" / "Borealis" / "Certificates" / "Agent" / "Trusted_Server_Cert" / "trust.json"
    wait_for("the agent to follow", lambda: old.public.key_id in json.loads(trust.read_bytes())["revoked"] or None)
    folder = house.engine.root / "Engine" / "Certificates" / "Code-Signing"
    statement = json.loads((folder / "key-statements.json").read_bytes())["statements"][-1]
    return {"statement": {"envelope": statement}, "old_key": old, "trust": trust}


@pytest.fixture(scope="module")
def imposter(house: House, ran: Payload) -> Iterator[FakeEngine]:
    """The false Engine, with the agent connected to it."""
    with house.imposter() as found:
        yield found
    house.readmitted()  # the last test made it enrol again


def runs(house: House) -> list[str]:
    """How often the script really ran."""
    return (house.loot.parent / "replay-ledger").read_text().split()


def restart(house: House, imposter: FakeEngine) -> None:
    """End the agent by force, start it, and wait until it is back at the false Engine."""
    house.agent.kill()
    wait_for("the line to drop", lambda: not imposter.session or None, seconds=60)
    house.agent.start()
    imposter.wait_session(log=house.agent.logs / "agent.log")


def test_rejects_a_replay_now_and_after_a_restart(house: House, imposter: FakeEngine, ran: Payload) -> None:
    assert imposter.call(JOB, ran) == {"status": "refused", "reason": "replayed"}
    tunnels = TunnelForger(house.guid, house.signing_key)
    orders = {START: tunnels.sealed(tunnels.start()), STOP: tunnels.sealed(tunnels.stop())}
    has_tunnels = bool(imposter.hellos[-1].get("wireguard_public_key"))
    assert not has_tunnels or all(taken(imposter, event, order) for event, order in orders.items())
    restart(house, imposter)
    assert imposter.call(JOB, ran) == {"status": "refused", "reason": "replayed"}
    for event, order in orders.items() if has_tunnels else ():
        assert imposter.call(event, order) == {"status": "refused", "reason": "replayed"}
    assert runs(house) == ["ran"]


def test_rejects_a_replay_after_the_journal_was_compacted(house: House, imposter: FakeEngine, ran: Payload) -> None:
    """Thousands of ids of orders that are over make the journal rewrite itself; the one that lives on is kept."""
    journal = house.agent.root / "Agent" / "Spool" / "journal"
    house.agent.kill()
    over = time.time() - 86_400
    records = (json.dumps({"k": "kept", "run": str(uuid.uuid4()), "ends": over}).encode() for _ in range(6000))
    with journal.open("ab") as file:
        file.writelines(frame(record) for record in records)
    before = journal.stat().st_size
    wait_for("the line to drop", lambda: not imposter.session or None, seconds=60)
    house.agent.start()
    imposter.wait_session(log=house.agent.logs / "agent.log")
    forger = Forger(house.guid, house.signing_key, house.mark)
    assert imposter.call(JOB, forger.genuine("compacting")) == {"status": "accepted"}
    wait_for("a smaller journal", lambda: journal.stat().st_size < before / 10 or None, seconds=10)
    assert imposter.call(JOB, ran) == {"status": "refused", "reason": "replayed"}
    restart(house, imposter)
    assert imposter.call(JOB, ran) == {"status": "refused", "reason": "replayed"}
    assert runs(house) == ["ran"]


def test_rejects_a_replay_after_the_journal_was_lost(house: House, imposter: FakeEngine, ran: Payload) -> None:
    """Nobody can tell any more what began: all orders from before are refused, newer ones are not."""
    house.agent.kill()
    for name in ("journal", "outbox"):
        (house.agent.root / "Agent" / "Spool" / name).unlink(missing_ok=True)
    wait_for("the line to drop", lambda: not imposter.session or None, seconds=60)
    house.agent.start()
    imposter.wait_session(log=house.agent.logs / "agent.log")
    assert imposter.call(JOB, ran) == {"status": "refused", "reason": "expired"}
    assert "Orders issued before now are refused" in house.agent.log_text()
    later = Forger(house.guid, house.signing_key, house.mark).genuine(
        "after-the-loss", issued_at=time.time() + 119, expires_at=time.time() + 600
    )
    answer = imposter.call(JOB, later)
    assert answer in ({"status": "accepted"}, {"status": "refused", "reason": "expired"})
    assert runs(house) == ["ran"]


def test_rejects_old_statements_and_orders_of_a_revoked_key(
    house: House, imposter: FakeEngine, rotated: dict[str, Any]
) -> None:
    """Rotation is one way: the old statement brings nothing back, and the old key, stolen since, signs nothing."""
    before = rotated["trust"].read_bytes()
    old = rotated["old_key"]
    imposter.call(EngineEvent.SIGNING_KEYS_CHANGED, rotated["statement"])
    imposter.call(EngineEvent.SIGNING_KEYS_CHANGED, keys_statement(old, old, THIEF))
    assert rotated["trust"].read_bytes() == before
    job = Forger(house.guid, old, house.mark).genuine("revoked-key")
    assert imposter.call(JOB, job) == {"status": "refused", "reason": "unknown_key"}
    imposter.call(EngineEvent.QUICK_JOB_CANCEL, cancel_of(job["run_id"], house.guid, old))
    assert "revoked-key" not in house.marks()


def test_rejects_a_new_identity_and_polled_jobs_from_whoever_holds_the_tls_key(
    house: House, imposter: FakeEngine, ran: Payload
) -> None:
    """It ends the device's tokens and offers an enrolment with a signing key of its own; and jobs by polling."""
    trust = house.agent.root / "Agent" / "Borealis" / "Certificates" / "Agent" / "Trusted_Server_Cert" / "trust.json"
    guid, pinned = house.agent.guid, json.loads(trust.read_bytes())["signing_keys"]
    forger = Forger(house.guid, house.signing_key, house.mark)
    jobs = [forger.by_thief("polled"), ran, forger.changed_member("polled-changed", "timeout_seconds", 1)]
    public = THIEF.public
    imposter.answers[Rest.SCRIPT_REQUEST] = lambda _: (
        200,
        {"status": "work", "poll_after_ms": 1000, "jobs": jobs, "signing_key": public.spki_base64},
    )
    imposter.lets_in = False
    house.agent.kill()
    house.agent.start()
    wait_for("a poll", lambda: Rest.SCRIPT_REQUEST in imposter.paths() or None, seconds=60)
    told = {job["run_id"] for job in jobs}
    wait_for("the refusals", lambda: told <= {r["run_id"] for r in _told(imposter)} or None, seconds=20)
    reasons = {result["run_id"]: result["reason"] for result in _told(imposter)}
    assert [reasons[job["run_id"]] for job in jobs][::2] == ["unknown_key", "bad_signature"]
    assert reasons[ran["run_id"]] in {"replayed", "expired"}

    def refuse(_: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return 401, {"error": "refresh_token_revoked", "detail": "revoked"}

    def pending(_: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return 200, {
            "status": "pending",
            "approval_reference": "reference",
            "server_nonce": "A" * 43 + "=",
            "poll_after_ms": 1000,
            "server_certificate": "",
            "signing_key": public.spki_base64,
        }

    def approved(_: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return 200, {
            "status": "approved",
            "guid": str(uuid.uuid4()).upper(),
            "access_token": "forged",
            "expires_in": 900,
            "refresh_token": "forged",
            "token_type": "Bearer",
            "server_certificate": "",
            "signing_key": public.spki_base64,
            "signing_keys": [{"key_id": public.key_id, "public_key": public.spki_base64}],
        }

    imposter.answers.update({Rest.TOKEN_REFRESH: refuse, Rest.ENROLL_REQUEST: pending, Rest.ENROLL_POLL: approved})
    imposter.answers[Rest.SCRIPT_REQUEST] = imposter.answers[Rest.HEARTBEAT] = lambda _: (
        401,
        {"error": "token_expired", "detail": "expired"},
    )
    words = "the Engine names other signing keys than this device has pinned"
    wait_for("the refusal", lambda: words in house.agent.log_text() or None, seconds=90, log=house.agent.output)
    assert (house.agent.guid, json.loads(trust.read_bytes())["signing_keys"]) == (guid, pinned)
    assert not house.marks() & {"polled", "polled-changed"}
    assert house.agent.running()


def _told(imposter: FakeEngine) -> list[dict[str, Any]]:
    return [*imposter.results, *(body for path, body in imposter.calls if path == Rest.SCRIPT_RESULT)]
