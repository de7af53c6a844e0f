"""What crosses a real network: enrolment, a run, and a cable that is pulled."""

import subprocess
import sys
import time

import pytest
from tests.hosts.conftest import DEVICE_ADDRESS, ENGINE_ADDRESS, Hosts
from tests.programs.programs import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.root, pytest.mark.timeout(240)]


def bring_online(hosts: Hosts) -> str:
    """Enrol the device and wait for its session; gives its name."""
    _, code = hosts.cli("codes", "create", "--uses", "1", "--json")
    agent = hosts.start_agent(code["token"])

    def knock() -> str | None:
        approvals = hosts.cli("approvals", "--json")[1]["approvals"]
        return approvals[0]["approval_reference"] if approvals else None

    reference = wait_for("the device to knock", knock, log=agent.output)
    approval = hosts.cli("approvals", "--json")[1]["approvals"][0]
    assert approval["peer_address"] == DEVICE_ADDRESS
    hosts.cli("approve", reference)
    return wait_for("the device", lambda: online(hosts), seconds=40, log=agent.logs / "agent.log")


def online(hosts: Hosts) -> str | None:
    """The name of the one device if it is online."""
    devices = hosts.cli("devices", "--json")[1]["devices"]
    return devices[0]["hostname"] if devices and devices[0]["presence"]["contexts"] else None


def test_enrolment_and_a_run_cross_the_network(hosts: Hosts) -> None:
    name = bring_online(hosts)
    _, answer = hosts.cli("run", "--device", name, "--type", "bash", "ip -o addr show", "--wait", "--json")
    assert DEVICE_ADDRESS in answer["runs"][0]["stdout"]


def test_survives_a_pulled_cable_without_losing_the_result(hosts: Hosts) -> None:
    name = bring_online(hosts)
    _, started = hosts.cli("run", "--device", name, "--type", "bash", "sleep 3; echo whole", "--json")
    run_id = started["results"][0]["run_id"]
    time.sleep(1)
    hosts.cable.cut()
    time.sleep(8)
    hosts.cable.mend()

    def ended() -> dict[str, object] | None:
        runs = hosts.cli("activity", name, "--json")[1]["runs"]
        return next((run for run in runs if run["run_id"] == run_id and run["status"] == "Success"), None)

    run = wait_for("the result", ended, seconds=90)
    assert run["stdout"] == "whole\n"


def test_rejects_the_owners_token_from_another_host(hosts: Hosts) -> None:
    """It is for the Engine's own machine: copied to another one it opens nothing, whatever headers go with it."""
    token = (hosts.engine.root / "Engine" / "Data" / "Secrets" / "cli.token").read_text().strip()
    code = (
        "import httpx, sys\n"
        "for extra in ({}, {'X-Forwarded-For': '127.0.0.1'}, {'X-Real-IP': '::1'}, {'Host': 'localhost:5000'}):\n"
        "    answer = httpx.get(sys.argv[1] + '/api/devices', verify=sys.argv[2],\n"
        "                       headers={'Authorization': 'Bearer ' + sys.argv[3], **extra})\n"
        "    print(answer.status_code)\n"
    )
    words = [sys.executable, "-c", code, f"https://{ENGINE_ADDRESS}:5000", str(hosts.engine.ca_file), token]
    for host, statuses in ((hosts.cable.device, ["401"] * 4), (hosts.cable.engine, ["401"] * 4)):
        done = subprocess.run(["ip", "netns", "exec", host, *words], capture_output=True, text=True, check=False)
        assert done.stdout.split() == statuses, done.stdout + done.stderr
    assert hosts.cli("devices", "--json")[0] == 0, "on the machine itself it is good"
