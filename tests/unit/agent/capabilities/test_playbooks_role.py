"""The playbook role: what it hands to the execution, and what it makes of the end."""

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.role_context import FakeAgent, FakeExecution

import rolecheck
from borealis_agent.role_api import JobOutcome, VerifiedJob
from borealis_agent.roles.loading import forget_role, load_role
from borealis_playbooks import launch
from borealis_wire.events import RunStatus, ScriptType
from borealis_wire.playbooks import PlaybookOptions
from vector_material import order

PATH = rolecheck.ROLES / "role_PlaybookExec_SYSTEM.py"


class Playing(FakeExecution):
    """Leaves a recap as the child does, and ends as it is told."""

    def __init__(self, recap: Path, end: JobOutcome | BaseException) -> None:
        super().__init__()
        self.recap = recap
        self.end = end
        self.given: dict[str, Any] = {}

    async def run(self, job: VerifiedJob, output: Any, **given: Any) -> JobOutcome:
        self.given = given
        launch.keep_recap(
            self.recap, {"hosts": {}, "tasks": [{"name": "t", "hosts": {"h": {"result": "failed", "message": "m"}}}]}
        )
        if isinstance(self.end, BaseException):
            raise self.end
        return self.end


def made(tmp_path: Path, end: JobOutcome | BaseException) -> tuple[Any, Playing, VerifiedJob]:
    agent = FakeAgent(tmp_path)
    told = dataclasses.replace(
        order(script_type=ScriptType.ANSIBLE),
        playbook=PlaybookOptions(check=True, tags=("web",)),
        variables=({"name": "Log Level", "type": "number", "value": 3},),
        secrets={"vault_password": "sealed"},
    )
    folders = launch.PlaybookFolders(tmp_path)
    playing = Playing(folders.recap(told.run_id), end)
    ctx = dataclasses.replace(agent.ctx, execution=playing, open_secret=lambda sealed: f"{sealed}, opened")
    role = load_role(PATH).Role(ctx)
    forget_role(PATH)
    return role, playing, VerifiedJob(told, b"- hosts: all\n", (), "key")


async def quiet(stream: str, text: str) -> None:
    """Nobody watches."""


def outcome(status: RunStatus) -> JobOutcome:
    return JobOutcome(status, 2, "", "", 1.0, 2.0)


async def test_the_child_is_told_in_a_file_and_never_on_its_command_line(tmp_path: Path) -> None:
    role, playing, job = made(tmp_path, outcome(RunStatus.SUCCESS))
    await role.run_job(job, quiet)
    (file,) = playing.given["files"]
    told = json.loads(file.data)
    assert told["options"] == {"check": True, "diff": False, "tags": ["web"], "skip_tags": [], "limit": ""}
    assert told["variables"] == {"Log_Level": 3}
    assert told["vault_password"] == "sealed, opened"
    assert "opened" not in " ".join(playing.given["command"])


async def test_a_failure_has_the_recap_and_says_why(tmp_path: Path) -> None:
    role, playing, job = made(tmp_path, outcome(RunStatus.FAILED))
    ended = await role.run_job(job, quiet)
    assert ended.reason == "'t' failed on h: m"
    assert ended.recap["tasks"][0]["name"] == "t"
    assert not playing.recap.exists()


async def test_a_cancelled_run_still_brings_its_recap(tmp_path: Path) -> None:
    cancelled = asyncio.CancelledError()
    cancelled.outcome = outcome(RunStatus.CANCELLED)  # type: ignore[attr-defined]
    role, playing, job = made(tmp_path, cancelled)
    with pytest.raises(asyncio.CancelledError) as caught:
        await role.run_job(job, quiet)
    assert caught.value.outcome.recap["tasks"]  # type: ignore[attr-defined]
    assert not playing.recap.exists()


async def test_a_secret_for_another_key_ends_the_run_before_it_begins(tmp_path: Path) -> None:
    role, playing, job = made(tmp_path, outcome(RunStatus.SUCCESS))
    role.ctx = FakeAgent(tmp_path).ctx
    ended = await role.run_job(job, quiet)
    assert ended.status is RunStatus.FAILED
    assert "vault password" in ended.reason
    assert playing.given == {}


async def test_on_windows_it_says_that_it_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    role, playing, job = made(tmp_path, outcome(RunStatus.SUCCESS))
    monkeypatch.setattr("sys.platform", "win32")
    ended = await role.run_job(job, quiet)
    assert ended.status is RunStatus.FAILED
    assert "does not run on Windows" in ended.reason
    assert "does not run on Windows" in role.health_report()["reason"]
    assert playing.given == {}


def test_what_an_earlier_life_left_is_removed(tmp_path: Path) -> None:
    folders = launch.PlaybookFolders(tmp_path)
    folders.prune()
    launch.keep_recap(folders.recap("../../x"), {"hosts": {}})
    assert folders.recap("../../x").parent == folders.recaps
    folders.prune()
    assert list(folders.recaps.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'"' + b"x" * launch.MAX_RECAP_BYTES + b'"'])
def test_survives_a_recap_that_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(content)
    assert launch.take_recap(path) == {}
    assert launch.take_recap(path) == {}
