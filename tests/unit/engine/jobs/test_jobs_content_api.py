"""What a job's script was, over REST: for those who may start scripts, and who see one of its devices."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fakes.engine_rest import Rest, open_rest

from borealis_engine.operators.permissions import Permission


@pytest.fixture
async def rest(tmp_path: Path) -> AsyncIterator[Rest]:
    async with open_rest(tmp_path / "Engine") as opened:
        yield opened


async def test_content_is_what_was_asked_without_the_variables_in_the_environment(rest: Rest) -> None:
    ada = rest.signed_in(await rest.people.set_up())
    device = await rest.add_device()
    wanted = {
        "guids": [device.guid],
        "script_type": "bash",
        "script_content": "echo $WHO",
        "variables": [{"name": "who", "type": "string", "value": "Ada"}],
        "environment": {"PLACE": "here"},
        "files": [{"file_name": "a.txt", "data": "aGk="}],
    }
    started = await ada.post("/api/scripts/quick_run", wanted)
    assert started.status == 200, started
    path = f"/api/jobs/{started.json()['job_id']}/content"
    content = (await ada.get(path)).json()
    assert content["script"] == "echo $WHO"
    assert content["variables"] == [{"name": "who", "type": "string", "value": "Ada"}]
    assert content["environment"] == {"PLACE": "here"}
    assert [(file["file_name"], file["size"], file["data"]) for file in content["files"]] == [("a.txt", 2, "aGk=")]
    reader = await rest.token("ada", Permission.RUNS_READ)
    assert (await reader.get(path)).status == 403
    assert (await ada.get("/api/jobs/nothing/content")).code == "job_not_found"
