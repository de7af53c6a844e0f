"""Macros by REST: a run with rights, audit and a seal; changes of one that runs, and of nothing else."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.engine_rest import Caller, Rest, open_rest

from borealis_engine.devices import DeviceAuth
from borealis_engine.operators.permissions import OperatorRole
from borealis_wire.macro import MacroChange, MacroStart, OperationMode, parse_macro

KEY = {"macro_type": "keypress", "key": "F5", "operation_mode": "Continuous"}


@dataclass
class Story:
    """A device in a site, and who may do what."""

    rest: Rest
    admin: Caller
    oslo: int
    device: DeviceAuth

    async def start(self, settings: dict[str, Any] | None = None, **members: Any) -> Any:
        body = {"guid": self.device.guid, "settings": settings or KEY, **members}
        return await self.admin.post("/api/macros", body)

    async def running(self, user: str = "") -> str:
        """A macro that the device has taken; this user's agent, if named."""
        run_id = str((await self.start()).json()["run"]["run_id"])
        activity = self.rest.services.jobs.history._activity
        run = activity.live(run_id)
        assert run is not None
        run.ran_as_user = user
        await activity.mark_sent(run)
        activity.accepted(run)
        await activity.flush()
        return run_id


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    async with open_rest(tmp_path / "Engine") as rest:
        admin = rest.signed_in(await rest.people.set_up())
        oslo = int((await admin.post("/api/sites", {"name": "Oslo"})).json()["id"])
        yield Story(rest, admin, oslo, await rest.add_device("north", site_id=oslo))


async def script_of(story: Story, job_id: str) -> bytes:
    content = (await story.admin.get(f"/api/jobs/{job_id}/content")).json()
    return str(content["script"]).encode()


async def test_a_macro_is_a_run_in_the_users_session(story: Story) -> None:
    answer = await story.start({"macro_type": "text", "text": "hush", "window_title": "Mail"}, timeout_seconds=90)
    assert answer.status == 200, answer
    ordered = answer.json()
    run = (await story.admin.get(f"/api/runs/{ordered['run']['run_id']}")).json()
    assert (run["script_name"], run["script_type"], run["context"]) == ("Macro: text, Run Once", "macro", "interactive")
    assert run["expires_at"] - run["created_at"] == 300
    job = (await story.admin.get(f"/api/jobs/{ordered['job_id']}")).json()["job"]
    assert job["timeout_seconds"] == 90
    order = parse_macro(await script_of(story, ordered["job_id"]))
    assert isinstance(order, MacroStart)
    assert (order.settings.text, order.settings.window_title) == ("hush", "Mail")
    entry = (await story.admin.get("/api/audit")).json()["entries"][0]
    assert (entry["action"], entry["target"], entry["detail"]["type"]) == ("run.start", story.device.guid, "macro")
    assert "hush" not in json.dumps(entry)


async def test_a_change_is_a_run_of_its_own(story: Story) -> None:
    run_id = await story.running()
    answer = await story.admin.post(f"/api/runs/{run_id}/macro", {"trigger": 1, "operation_mode": "Trigger-Once"})
    assert answer.status == 200, answer
    order = parse_macro(await script_of(story, answer.json()["job_id"]))
    assert order == MacroChange(run_id, {"trigger": 1, "operation_mode": OperationMode.TRIGGER_ONCE.value})
    run = (await story.admin.get(f"/api/runs/{answer.json()['run']['run_id']}")).json()
    assert (run["script_name"], run["context"]) == ("Macro: change operation_mode, trigger", "interactive")
    assert run["expires_at"] - run["created_at"] == 60


async def test_a_macro_is_for_the_user_who_is_named_and_a_change_for_whoever_runs_it(story: Story) -> None:
    run_id = (await story.start(run_as_user=" ada ")).json()["run"]["run_id"]
    assert (await story.admin.get(f"/api/runs/{run_id}")).json()["run_as_user"] == "ada"
    answer = await story.start(run_as_user="a\nb")
    assert (answer.status, answer.code) == (400, "invalid_user")
    run_id = await story.running("grace")
    change = (await story.admin.post(f"/api/runs/{run_id}/macro", {"trigger": 1})).json()["run"]["run_id"]
    assert (await story.admin.get(f"/api/runs/{change}")).json()["run_as_user"] == "grace"


async def test_rejects_changes_of_what_does_not_run_or_is_no_macro(story: Story) -> None:
    waiting = (await story.start()).json()["run"]["run_id"]
    answer = await story.admin.post(f"/api/runs/{waiting}/macro", {"trigger": 1})
    assert (answer.status, answer.code) == (409, "macro_not_running")
    assert (await story.admin.post(f"/api/runs/{waiting}/cancel")).status == 200
    answer = await story.admin.post(f"/api/runs/{waiting}/macro", {"trigger": 1})
    assert (answer.status, answer.code) == (409, "macro_not_running")
    body = {"script_content": "true", "script_type": "bash", "guids": [story.device.guid]}
    script = (await story.admin.post("/api/scripts/quick_run", body)).json()["results"][0]["run_id"]
    answer = await story.admin.post(f"/api/runs/{script}/macro", {"trigger": 1})
    assert (answer.status, answer.code) == (400, "not_a_macro")
    answer = await story.admin.post("/api/runs/nothing/macro", {"trigger": 1})
    assert (answer.status, answer.code) == (404, "run_not_found")


async def test_rejects_a_change_of_a_change(story: Story) -> None:
    run_id = await story.running()
    changing = (await story.admin.post(f"/api/runs/{run_id}/macro", {"trigger": 1})).json()["run"]["run_id"]
    answer = await story.admin.post(f"/api/runs/{changing}/macro", {"trigger": 1})
    assert (answer.status, answer.code) == (400, "not_a_macro")


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"macro_type": "keypress"}, "invalid_macro"),
        ({"macro_type": "keypress", "key": "F99"}, "invalid_macro"),
        ({"macro_type": "text", "text": "\a"}, "invalid_macro"),
        ({**KEY, "random_min": 900, "random_max": 800}, "invalid_macro"),
        ({**KEY, "interval_ms": 10}, "invalid_request"),
        ({**KEY, "node_id": "n1"}, "invalid_request"),
        ({"key": "a"}, "invalid_request"),
    ],
)
async def test_rejects_settings_that_are_no_macro(story: Story, settings: dict[str, Any], code: str) -> None:
    answer = await story.start(settings)
    assert (answer.status, answer.code) == (400, code)
    assert (await story.admin.get("/api/runs")).json()["runs"] == []


async def test_rejects_times_without_end(story: Story) -> None:
    for seconds in (0, 86_401):
        assert (await story.start(timeout_seconds=seconds)).status == 400


async def test_rejects_viewers_and_people_of_other_sites(story: Story) -> None:
    run_id = await story.running()
    viewer = await story.rest.person("vera", OperatorRole.VIEWER)
    away = int((await story.admin.post("/api/sites", {"name": "Lima"})).json()["id"])
    stranger = await story.rest.person("lima", OperatorRole.OPERATOR, sites=frozenset({away}))
    body = {"guid": story.device.guid, "settings": KEY}
    for caller, status in ((viewer, 403), (stranger, 404)):
        assert (await caller.post("/api/macros", body)).status == status
        assert (await caller.post(f"/api/runs/{run_id}/macro", {"trigger": 1})).status == status
    assert len((await story.admin.get("/api/runs")).json()["runs"]) == 1


async def test_rejects_macro_that_comes_as_a_script(story: Story) -> None:
    script = base64.b64encode(json.dumps({"action": "start", "settings": KEY}).encode()).decode()
    body = {"script_content_base64": script, "script_type": "macro", "guids": [story.device.guid]}
    answer = await story.admin.post("/api/scripts/quick_run", body)
    assert (answer.status, answer.code) == (400, "unsupported_script_type")
