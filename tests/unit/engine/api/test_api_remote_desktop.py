"""Remote desktop by REST: what a device said, and orders that are sealed, recorded, audited, within one's rights."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.engine_rest import Caller, Rest, open_rest

from borealis_agent.capabilities.remote_desktop.order import DesktopOrder, parse_order
from borealis_engine.devices import DeviceAuth
from borealis_engine.operators.permissions import OperatorRole
from borealis_wire.events import RunContext
from borealis_wire.messages import Details


@dataclass
class Story:
    """Two devices in two sites, and who may do what."""

    rest: Rest
    admin: Caller
    oslo: int
    device: DeviceAuth

    @property
    def place(self) -> str:
        """The address of the device's remote desktop."""
        return f"/api/devices/{self.device.guid}/remote_desktop"

    async def said(self, section: Any) -> None:
        """The device reports."""
        message = Details(details={"remote_desktop": section}, complete=["remote_desktop"])
        await self.rest.services.devices.details(self.device.guid, RunContext.SYSTEM, message, "127.0.0.1")


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    async with open_rest(tmp_path / "Engine") as rest:
        admin = rest.signed_in(await rest.people.set_up())
        oslo = int((await admin.post("/api/sites", {"name": "Oslo"})).json()["id"])
        yield Story(rest, admin, oslo, await rest.add_device("north", site_id=oslo))


async def test_nothing_is_known_before_the_device_says_it(story: Story) -> None:
    answer = await story.admin.get(story.place)
    assert answer.status == 200
    assert (answer.json()["known"], answer.json()["hostname"]) == (False, "north")


async def test_what_the_device_said_is_shown_and_the_last_word_counts(story: Story) -> None:
    await story.said({"ready": True, "reach": "network", "listening": ["0.0.0.0"], "changes": ["started xrdp"]})
    await story.said({"ready": False, "reach": "nobody", "problems": ["xrdp is not installed"]})
    view = (await story.admin.get(story.place)).json()
    assert view["known"]
    assert view["report"]["problems"] == ["xrdp is not installed"]
    assert view["report"]["changes"] == []  # nothing of an earlier report shines through


@pytest.mark.parametrize("section", [["x"], {"reach": "the moon"}, {"ready": "yes"}, {"changes": [{"a": 1}]}])
async def test_rejects_what_is_no_report(story: Story, section: Any) -> None:
    await story.said(section)
    answer = await story.admin.get(story.place)
    assert (answer.status, answer.json()["known"]) == (200, False)


@pytest.mark.parametrize(
    ("way", "body", "order", "name"),
    [
        ("prepare", {}, DesktopOrder("prepare", False), "Remote desktop: prepare"),
        (
            "prepare",
            {"open_network": True},
            DesktopOrder("prepare", True),
            "Remote desktop: prepare, open to the network",
        ),
        ("undo", {}, DesktopOrder("undo", False), "Remote desktop: undo"),
        ("look", {}, DesktopOrder("look", False), "Remote desktop: look"),
    ],
)
async def test_an_order_is_a_run_with_rights_audit_and_a_seal(
    story: Story, way: str, body: dict[str, Any], order: DesktopOrder, name: str
) -> None:
    answer = await story.admin.post(f"{story.place}/{way}", body)
    assert answer.status == 200, answer
    ordered = answer.json()
    run = (await story.admin.get(f"/api/runs/{ordered['run']['run_id']}")).json()
    assert (run["script_name"], run["script_type"], run["context"]) == (name, "remote_desktop", "system")
    content = (await story.admin.get(f"/api/jobs/{ordered['job_id']}/content")).json()
    assert parse_order(content["script"].encode()) == order
    entry = (await story.admin.get("/api/audit")).json()["entries"][0]
    assert (entry["action"], entry["target"]) == ("run.start", story.device.guid)
    assert entry["detail"]["type"] == "remote_desktop"


async def test_rejects_members_that_are_not_known(story: Story) -> None:
    answer = await story.admin.post(f"{story.place}/prepare", {"open_network": True, "reboot": True})
    assert answer.status == 400
    assert (await story.admin.get("/api/runs")).json()["runs"] == []


async def test_rejects_viewers_and_people_of_other_sites(story: Story) -> None:
    viewer = await story.rest.person("vera", OperatorRole.VIEWER)
    assert (await viewer.get(story.place)).status == 200
    away = int((await story.admin.post("/api/sites", {"name": "Lima"})).json()["id"])
    stranger = await story.rest.person("lima", OperatorRole.OPERATOR, sites=frozenset({away}))
    assert (await stranger.get(story.place)).status == 404
    for way in ("prepare", "undo", "look"):
        assert (await viewer.post(f"{story.place}/{way}")).status == 403
        assert (await stranger.post(f"{story.place}/{way}")).status == 404
    assert (await story.admin.get("/api/runs")).json()["runs"] == []


async def test_rejects_order_that_comes_as_a_script(story: Story) -> None:
    script = base64.b64encode(json.dumps({"action": "prepare"}).encode()).decode()
    body = {"script_content_base64": script, "script_type": "remote_desktop", "guids": [story.device.guid]}
    answer = await story.admin.post("/api/scripts/quick_run", body)
    assert (answer.status, answer.code) == (400, "unsupported_script_type")


async def test_rejects_device_that_may_do_nothing(story: Story) -> None:
    assert (await story.admin.post(f"/api/devices/{story.device.guid}/quarantine")).status == 200
    answer = await story.admin.post(f"{story.place}/prepare")
    assert (answer.status, answer.code) == (403, "device_quarantined")
