"""Upstream's events for playbooks: they take the envelopes of jobs and cancels, and nothing else."""

import base64
import uuid
from collections.abc import Iterator

import pytest
from tests.attacks.fake_engine import FakeEngine
from tests.attacks.forging import THIEF, Forger, Payload, cancel_of, order_for, travelling
from tests.attacks.house import House
from tests.programs.ansible_env import lend_ansible
from tests.programs.programs import wait_for

from borealis_wire.events import EngineEvent, ScriptType

pytestmark = pytest.mark.slow
JOB = EngineEvent.QUICK_JOB_RUN


@pytest.fixture(scope="module")
def ran(house: House) -> Payload:
    """A job of the real Engine's: the agent has pinned its keys, and they are known here."""
    house.settled()
    run_id = house.launch(house.mark("playbooks-ran"))
    assert house.run_of(run_id)["status"] == "Success"
    return house.captured(run_id)


@pytest.fixture(scope="module")
def imposter(house: House, ran: Payload) -> Iterator[FakeEngine]:
    """The false Engine, with the agent connected to it."""
    with house.imposter() as found:
        yield found
    house.settled()


@pytest.fixture(scope="module")
def forger(house: House) -> Forger:
    """Makes forgeries for this agent."""
    return Forger(house.guid, house.signing_key, house.mark)


def test_a_playbook_runs_and_ends_by_upstreams_names(house: House, imposter: FakeEngine, forger: Forger) -> None:
    lend_ansible(house.agent.root)
    tasks = (
        f"    - shell: {house.mark('upstreams-playbook')}\n    - shell: sleep 600\n    - shell: {house.mark('late')}\n"
    )
    script = f"- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}"
    order = order_for(house.guid, script, timeout_seconds=120, script_type=ScriptType.ANSIBLE)
    job = travelling(order, script, forger.engine)
    assert imposter.call(EngineEvent.ANSIBLE_PLAYBOOK_RUN, job) == {"status": "accepted"}
    wait_for("its first task", lambda: "upstreams-playbook" in house.marks() or None, seconds=90)
    real = cancel_of(order.run_id, house.guid, forger.engine)
    imposter.call(EngineEvent.ANSIBLE_PLAYBOOK_CANCEL, {"run_id": order.run_id})
    imposter.call(EngineEvent.ANSIBLE_PLAYBOOK_CANCEL, cancel_of(order.run_id, house.guid, THIEF))
    imposter.call(EngineEvent.ANSIBLE_PLAYBOOK_CANCEL, cancel_of("another-run", house.guid, forger.engine))
    assert [r for r in imposter.results if r["run_id"] == order.run_id] == [], "a forged cancel ended the playbook"
    imposter.call(EngineEvent.ANSIBLE_PLAYBOOK_CANCEL, real)
    assert imposter.result_of(order.run_id)["status"] == "Cancelled"
    assert "late" not in house.marks()


def test_rejects_upstreams_playbook_events_without_an_envelope(
    house: House, imposter: FakeEngine, forger: Forger
) -> None:
    """As upstream's Engine sends them: the playbook in the open, its signature computed and left out."""
    playbook = f"- hosts: all\n  gather_facts: false\n  tasks: [{{shell: {house.mark('in-the-open')}}}]\n"
    plain = {
        "run_id": uuid.uuid4().hex,
        "target_hostname": "anywhere",
        "playbook_name": "site.yml",
        "playbook_content": base64.b64encode(playbook.encode()).decode(),
        "playbook_encoding": "base64",
        "connection": "local",
        "variable_values": {},
    }
    for payload in (plain, {**plain, "envelope": None}, {**forger.by_thief("in-the-open"), **plain}):
        answer = imposter.call(EngineEvent.ANSIBLE_PLAYBOOK_RUN, payload)
        assert answer["status"] == "refused", payload
    assert imposter.call(JOB, forger.genuine("after-the-open-ones")) == {"status": "accepted"}
    wait_for("what is genuine", lambda: "after-the-open-ones" in house.marks() or None)
    assert "in-the-open" not in house.marks()
