"""Playbooks by REST: options sealed and kept, the vault password for the device alone, recaps within one's sites."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.engine_rest import Caller, Rest, open_rest
from tests.fakes.fake_randomness import FakeRandomness

from borealis_engine.devices import DeviceAuth
from borealis_engine.operators.permissions import OperatorRole
from borealis_wire import base64s
from borealis_wire.keys import SigningKey
from borealis_wire.orders import JobOrder, parse_job
from borealis_wire.playbooks import PlaybookOptions
from borealis_wire.secrets import open_secret

SECRET = "open sesame 7351"
OPTIONS = {"check": True, "diff": True, "tags": ["web"], "skip_tags": [], "limit": "all"}
RECAP = {
    "hosts": {"localhost": {"ok": 1, "changed": 1}},
    "tasks": [{"play": "p", "name": "n", "action": "a", "hosts": {"localhost": {"result": "changed"}}}],
    "text": "PLAY RECAP",
    "check": True,
}


@dataclass
class Story:
    """A device in Oslo, and its Admin."""

    rest: Rest
    admin: Caller
    oslo: int
    device: DeviceAuth

    async def start(self, **members: Any) -> dict[str, Any]:
        """Start a playbook; the device's part of it."""
        body = {"script_content": "- hosts: all\n", "guids": [self.device.guid], **members}
        answer = await self.admin.post("/api/ansible/quick_run", body)
        assert answer.status == 200, answer.json()
        return {**answer.json()["results"][0], "job": answer.json()["job_id"]}

    async def fetched(self) -> dict[str, Any]:
        """What the device gets when it asks for work."""
        answer = await self.rest.device(self.device).post("/api/agent/script/request", {"guid": self.device.guid})
        (job,) = answer.json()["jobs"]
        return dict(job)


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    async with open_rest(tmp_path / "Engine") as rest:
        admin = rest.signed_in(await rest.people.set_up())
        oslo = int((await admin.post("/api/sites", {"name": "Oslo"})).json()["id"])
        yield Story(rest, admin, oslo, await rest.add_device("north", site_id=oslo))


def order_in(job: dict[str, Any]) -> JobOrder:
    return parse_job(base64s.decode(job["envelope"]["payload"]))


async def test_options_are_in_the_order_and_in_what_was_asked(story: Story) -> None:
    started = await story.start(playbook=OPTIONS, variable_values={"who": "Ada"})
    order = order_in(await story.fetched())
    assert order.playbook == PlaybookOptions(check=True, diff=True, tags=("web",), limit="all")
    assert order.variables == ({"name": "who", "type": "string", "value": "Ada"},)
    content = (await story.admin.get(f"/api/jobs/{started['job']}/content")).json()
    assert content["playbook"] == OPTIONS


async def test_a_vault_password_is_for_the_device_alone(story: Story, tmp_path: Path) -> None:
    started = await story.start(vault_password=SECRET)
    job = await story.fetched()
    key = SigningKey.from_seed(FakeRandomness("north").token_bytes(32))
    assert open_secret(order_in(job).secrets["vault_password"], key) == SECRET
    for address in (f"/api/jobs/{started['job']}/content", f"/api/runs/{started['run_id']}", "/api/audit"):
        assert SECRET.encode() not in (await story.admin.get(address)).body
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


async def test_a_recap_is_kept_and_seen_within_ones_sites(story: Story) -> None:
    started = await story.start()
    place = f"/api/runs/{started['run_id']}/recap"
    assert (await story.admin.get(place)).code == "recap_not_found"
    job = await story.fetched()
    result = {"run_id": job["run_id"], "job_id": job["job_id"], "status": "Success", "recap": RECAP}
    device = story.rest.device(story.device)
    for _ in range(2):  # a repeat changes nothing
        assert (await device.post("/api/agent/script/result", result)).status == 200
    found = (await story.admin.get(place)).json()
    assert (found["hostname"], found["status"], found["recap_text"]) == ("north", "Success", "PLAY RECAP")
    assert found["recap_json"]["tasks"][0]["results"][0]["result"] == "changed"
    assert found["activity_job_id"] == started["job_id"]
    listed = (await story.admin.get("/api/ansible/recaps?device=north")).json()["recaps"]
    assert [one["run_id"] for one in listed] == [started["run_id"]]

    elsewhere = int((await story.admin.post("/api/sites", {"name": "Rome"})).json()["id"])
    other = await story.rest.person("rita", OperatorRole.OPERATOR, sites=frozenset({elsewhere}))
    assert (await other.get(place)).code == "recap_not_found"
    assert (await other.get("/api/ansible/recaps")).json() == {"recaps": [], "next": None}
    assert (await story.admin.delete("/api/device/activity/north")).json()["deleted"] == 1
    assert (await story.admin.get(place)).code == "recap_not_found"


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"script_type": "bash"}, "unsupported_script_type"),
        ({"context": "interactive"}, "invalid_context"),
        ({"playbook": {"limit": "@/etc/shadow"}}, "invalid_playbook"),
        ({"playbook": {"tags": ["a,b"]}}, "invalid_playbook"),
        ({"vault_password": "a\nb"}, "invalid_vault_password"),
        ({"playbook": {"forks": 3}}, "invalid_request"),
    ],
)
async def test_rejects_playbooks_that_cannot_be_run_as_asked(story: Story, members: dict[str, Any], code: str) -> None:
    body = {"script_content": "- hosts: all\n", "guids": [story.device.guid], **members}
    answer = await story.admin.post("/api/ansible/quick_run", body)
    assert (answer.status, answer.code) == (400, code)


async def test_rejects_a_viewer(story: Story) -> None:
    viewer = await story.rest.person("vera", OperatorRole.VIEWER)
    body = {"script_content": "- hosts: all\n", "guids": [story.device.guid]}
    assert (await viewer.post("/api/ansible/quick_run", body)).status == 403
