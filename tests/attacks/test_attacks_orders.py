"""Threats 8 to 10: whoever holds the Engine's TLS key (and network place) but not its signing key runs nothing.

A false Engine with the stolen certificate lets the real agent connect, and sends it every forgery there is.
"""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from tests.attacks.fake_engine import FakeEngine
from tests.attacks.forgeries import FORGERIES
from tests.attacks.forging import (
    THIEF,
    Forger,
    Payload,
    cancel_of,
    keys_statement,
    order_for,
    travelling,
)
from tests.attacks.house import House
from tests.attacks.tunnel_forging import PRIVATE_KEY, START, STOP, TunnelForger, forgeries, taken
from tests.programs.programs import wait_for

from borealis_wire.envelope import KEYS_TYPE
from borealis_wire.events import EngineEvent

pytestmark = pytest.mark.slow
JOB = EngineEvent.QUICK_JOB_RUN


@pytest.fixture(scope="module")
def ran(house: House) -> Payload:
    """A job that the real Engine sent and the agent ran, as somebody saw it go by."""
    house.settled()
    run_id = house.launch(f"{house.mark('ran')}; echo once >> '{house.loot}/../ledger'")
    assert house.run_of(run_id)["status"] == "Success"
    return house.captured(run_id)


@pytest.fixture(scope="module")
def moved(house: House, ran: Payload) -> Payload:
    """A job that the real Engine sealed for another device."""
    other = house.device("orders-other")
    body = {"script_content": house.mark("moved"), "script_type": "bash", "guids": [other.guid]}
    with house.owner as owner:
        run_id = owner.post("/api/scripts/quick_run", json=body).json()["results"][0]["run_id"]
    return house.captured(run_id)


@pytest.fixture(scope="module")
def interactive(house: House, ran: Payload) -> Payload:
    """A job that the real Engine sealed for the signed-in user's agent of this device."""
    return house.captured(house.launch(house.mark("interactive"), context="interactive"))


@pytest.fixture(scope="module")
def imposter(house: House, ran: Payload, moved: Payload, interactive: Payload) -> Iterator[FakeEngine]:
    """The false Engine, with the agent connected to it."""
    with house.imposter() as found:
        yield found
    house.settled()


@pytest.fixture(scope="module")
def forger(house: House) -> Forger:
    """Makes forgeries for this agent."""
    return Forger(house.guid, house.signing_key, house.mark)


def refused(house: House, imposter: FakeEngine, name: str, job: Any) -> str:
    """Send a job; the code it is refused with. Fails where its script ran."""
    answer = imposter.call(JOB, job)
    assert answer["status"] == "refused", f"{name} was taken: {answer}"
    assert name not in house.marks()
    return str(answer["reason"])


def test_what_the_engine_would_send_runs(house: House, imposter: FakeEngine, forger: Forger) -> None:
    """The control: the forgeries below differ from this in one point each."""
    job = forger.genuine("control")
    assert imposter.call(JOB, job) == {"status": "accepted"}
    result = imposter.result_of(job["run_id"])
    assert (result["status"], "control" in house.marks()) == ("Success", True)


@pytest.mark.parametrize("name", FORGERIES)
def test_rejects_a_job_that_is_not_what_the_engine_signed_for_us(
    house: House, imposter: FakeEngine, forger: Forger, name: str
) -> None:
    code, make = FORGERIES[name]
    job = make(forger)
    assert refused(house, imposter, name, job) == code
    if isinstance(job, dict) and job.get("run_id"):
        result = imposter.result_of(job["run_id"])
        assert (result["status"], result["reason"]) == ("Refused", code)
        assert f"run {job['run_id']} was refused" in house.agent.log_text()


def test_rejects_real_jobs_that_were_moved_or_come_again(
    house: House, imposter: FakeEngine, ran: Payload, moved: Payload, interactive: Payload
) -> None:
    assert refused(house, imposter, "moved", moved) == "wrong_device"
    assert refused(house, imposter, "interactive", interactive) == "wrong_context"
    answer = imposter.call(JOB, ran)
    assert answer == {"status": "refused", "reason": "replayed"}
    # Upstream's plain signature over the script is the Engine's own, and opens nothing.
    old_style = {name: value for name, value in ran.items() if name != "envelope"}
    assert imposter.call(JOB, {**old_style, "run_id": "new"}) == {"status": "refused", "reason": "malformed"}
    # The outside is not what counts: under another run id it is the same run.
    answer = imposter.call(JOB, {**ran, "run_id": "another", "job_id": 1, "context": {"run_id": "another"}})
    assert answer == {"status": "refused", "reason": "replayed"}
    assert (house.loot.parent / "ledger").read_text() == "once\n"


def test_what_stands_beside_the_envelope_is_not_believed(house: House, imposter: FakeEngine, forger: Forger) -> None:
    """A changed variable, environment, time-out, type or context outside of it changes nothing."""
    script = f'{house.mark("beside")}; echo "$GREETING $greeting"'
    said = {"GREETING": "hello", "greeting": "hello"}
    order = travelling(order_for(house.guid, script, environment=said), script, forger.engine)
    lies = {
        **order,
        "script_type": "python",
        "environment": {"GREETING": "forged", "greeting": "forged", "PATH": "/nowhere"},
        "variables": [{"name": "greeting", "value": "forged"}],
        "timeout_seconds": 1,
        "run_mode": "current_user",
        "target_hostname": "another",
        "admin_user": "root",
        "context": {"run_id": "other", "scheduled_job_id": 1},
        "signature": "",
        "sig_alg": "none",
        "signing_key": THIEF.public.spki_base64,
        "script_path": "../../x",
    }
    assert imposter.call(JOB, lies) == {"status": "accepted"}
    result = imposter.result_of(order["run_id"])
    assert (result["status"], result["job_id"], result["stdout"]) == ("Success", order["job_id"], "hello hello\n")


def test_rejects_a_run_twice_however_fast(house: House, imposter: FakeEngine, forger: Forger) -> None:
    job = forger.genuine("twice")
    for _ in range(5):
        imposter.emit(JOB, job)
    answers = [imposter.call(JOB, job) for _ in range(5)]
    assert answers == [{"status": "refused", "reason": "replayed"}] * 5

    def ended() -> list[Payload]:
        return [r for r in imposter.results if r["run_id"] == job["run_id"] and r["status"] != "Refused"]

    wait_for("the one result", ended)
    assert len(ended()) == 1


def test_rejects_cancels_that_are_not_for_this_run(house: House, imposter: FakeEngine, forger: Forger) -> None:
    script = f"sleep 30; {house.mark('cancelled')}"
    order = order_for(house.guid, script, timeout_seconds=60)
    job = travelling(order, script, forger.engine)
    assert imposter.call(JOB, job) == {"status": "accepted"}
    real = cancel_of(order.run_id, house.guid, forger.engine)
    forgeries: list[Any] = [
        {"run_id": order.run_id},
        {"run_id": order.run_id, "envelope": None},
        cancel_of(order.run_id, house.guid, THIEF),
        {**real, "envelope": {**real["envelope"], "signatures": []}},
        {**cancel_of("another-run", house.guid, forger.engine), "run_id": order.run_id},
        cancel_of(order.run_id, str(uuid.uuid4()).upper(), forger.engine),
        cancel_of(order.run_id, house.guid, forger.engine, issued_at=time.time() - 1000, lasts=10),
        cancel_of(order.run_id, house.guid, forger.engine, issued_at=time.time() + 1000),
        job,
        {**real, "envelope": {**real["envelope"], "payloadType": "application/vnd.borealis.job+json"}},
        order.run_id,
        None,
    ]
    for forgery in forgeries:
        imposter.call(EngineEvent.QUICK_JOB_CANCEL, forgery)
    time.sleep(0.3)
    assert [r for r in imposter.results if r["run_id"] == order.run_id] == [], "a forged cancel ended the run"
    imposter.call(EngineEvent.QUICK_JOB_CANCEL, real)
    assert imposter.result_of(order.run_id)["status"] == "Cancelled"
    # The same cancel again, and to a run that came after it: it names another run, and does nothing.
    after = forger.genuine("after-cancel")
    assert imposter.call(JOB, after) == {"status": "accepted"}
    imposter.call(EngineEvent.QUICK_JOB_CANCEL, {**real, "run_id": after["run_id"]})
    assert imposter.result_of(after["run_id"])["status"] == "Success"
    assert "cancelled" not in house.marks()


def test_rejects_new_signing_keys_that_no_trusted_key_vouches_for(
    house: House, imposter: FakeEngine, forger: Forger
) -> None:
    path = house.agent.root / "Agent" / "Borealis" / "Certificates" / "Agent" / "Trusted_Server_Cert" / "trust.json"
    before = path.read_bytes()
    forged = keys_statement(THIEF, THIEF, forger.engine)
    as_engine = json.loads(json.dumps(forged))
    as_engine["envelope"]["signatures"][0]["keyid"] = forger.engine.public.key_id
    job = forger.genuine("statement")
    for statement in (
        forged,
        as_engine,
        {"envelope": {**forged["envelope"], "signatures": []}},
        {"envelope": {**job["envelope"], "payloadType": KEYS_TYPE}},
        {"keys": [{"key_id": THIEF.public.key_id, "public_key": THIEF.public.spki_base64}], "revoked": []},
        THIEF.public.spki_base64,
        None,
    ):
        imposter.call(EngineEvent.SIGNING_KEYS_CHANGED, statement)
    assert path.read_bytes() == before
    assert refused(house, imposter, "vouched", forger.by_thief("vouched")) == "unknown_key"


def test_upstreams_name_takes_the_same_envelope(house: House, imposter: FakeEngine, forger: Forger) -> None:
    job = forger.genuine("upstreams-name")
    assert imposter.call(EngineEvent.ANSIBLE_PLAYBOOK_RUN, job) == {"status": "accepted"}
    wait_for("its mark", lambda: "upstreams-name" in house.marks() or None)


def test_rejects_every_other_event_that_could_run_something(house: House, imposter: FakeEngine, forger: Forger) -> None:
    job = forger.by_thief("other-event")
    for event in (EngineEvent.VPN_TUNNEL_START, EngineEvent.VPN_TUNNEL_STOP):
        assert imposter.call(event, {**forger.genuine("other-event"), "command": house.mark("other-event")}) == {
            "status": "refused",
            "reason": "unsupported_type",
        }
    assert imposter.call(EngineEvent.ANSIBLE_PLAYBOOK_RUN, job) == {"status": "refused", "reason": "unknown_key"}
    mark = house.mark("other-event")
    for name in ("exec", "run", "shell", "quick_job_run_now", "script_run", "update", "restart", "eval", "connect"):
        imposter.emit(name, {"script_content": mark, "command": mark, "code": mark})
    roles = [{"role": "script_exec_system", "command": mark, "path": f"{house.loot}/x.py", "module": mark}]
    imposter.emit(EngineEvent.AGENT_CONFIG, {"roles": roles})
    imposter.emit(EngineEvent.AGENT_CONFIG, {"roles": mark})
    assert imposter.call(JOB, forger.genuine("still-there")) == {"status": "accepted"}
    wait_for("the agent to be well", lambda: "still-there" in house.marks() or None)
    assert "other-event" not in house.marks()


def test_rejects_every_tunnel_order_that_is_not_what_the_engine_signed_for_us(
    house: House, imposter: FakeEngine, forger: Forger
) -> None:
    tunnels = TunnelForger(house.guid, forger.engine)
    refusals = {name: imposter.call(event, order) for name, (event, _, order) in forgeries(tunnels).items()}
    assert refusals == {
        name: {"status": "refused", "reason": code} for name, (_, code, _) in forgeries(tunnels).items()
    }
    # What stands beside the envelope is not believed, and no key is taken from it.
    lies = {
        "client_private_key": PRIVATE_KEY,
        "allowed_ips": "0.0.0.0/0",
        "endpoint": "192.0.2.66:1",
        "allowed_ports": [],
    }
    start, stop = {**tunnels.sealed(tunnels.start()), **lies}, tunnels.sealed(tunnels.stop())
    try:
        for event, order in ((START, start), (STOP, stop)):
            assert taken(imposter, event, order)
            assert imposter.call(event, order) == {"status": "refused", "reason": "replayed"}
            assert imposter.call(event, {**order, "tunnel_id": "another"}) == {
                "status": "refused",
                "reason": "replayed",
            }
    finally:
        agent = house.agent.root / "Agent"
        assert not list(agent.rglob("WireGuard/*.conf")), "nothing was brought up"
        for path in agent.rglob("*"):
            assert not path.is_file() or PRIVATE_KEY.encode() not in path.read_bytes(), path


def test_nothing_forged_has_run(house: House, imposter: FakeEngine) -> None:
    """The marks of all of the above: only those of what was as the Engine would send it."""
    genuine = {"ran", "control", "beside", "twice", "after-cancel", "still-there"}
    assert genuine <= house.marks()
    assert house.marks() & {*FORGERIES, "moved", "interactive", "other-event", "cancelled", "vouched"} == set()
