"""Drop-in roles: every way to be one, every way to fail, and that no failure reaches another (contract 7)."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fakes.jobs import make_job
from tests.fakes.role_stage import Stage
from tests.programs.systems import needs_file_modes

from borealis_base.tasks import Supervisor
from borealis_wire.events import ScriptType


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with Supervisor() as tasks:
        yield Stage(tmp_path, tasks)


PLAIN = """
    ROLE_NAME = {name!r}
    ROLE_CONTEXTS = ["system"]
    seen = []

    class Role:
        def __init__(self, ctx):
            self.ctx = ctx
            ctx.config.data[ROLE_NAME] = self
            self.seen = []

        def register_events(self):
            self.seen.append("register_events")

        def on_config(self, roles):
            self.seen.append(("on_config", roles))

        def stop_all(self):
            self.seen.append("stop_all")
"""

UPSTREAM = """
    import asyncio
    ROLE_NAME = "screenshot_like"
    ROLE_CONTEXTS = ["interactive", "system"]

    class Role:
        def __init__(self, ctx):
            self.ctx = ctx
            self.tasks = {}
            ctx.config.data["upstream"] = self
            self.heard = []

        def register_events(self):
            @self.ctx.sio.on("quick_job_run")
            async def _on_job(payload):
                self.heard.append(payload)
                result = {"job_id": payload["job_id"], "status": "Success", "mine": 1}
                await self.ctx.sio.emit("quick_job_result", result)

            @self.ctx.sio.on("list_agent_windows")
            async def _list(data):
                await self.ctx.sio.emit("agent_window_list", {"agent_id": self.ctx.agent_id, "windows": []})

        async def on_config(self, roles_cfg):
            client = self.ctx.hooks["http_client"]()
            self.url = self.ctx.hooks["get_server_url"]()
            self.ctx.hooks["log_agent"]("hello", fname="screens.log")
            self.ctx.hooks["send_service_control"]({"type": "screenshot_config", "interval_ms": 5})
            await client.ensure_authenticated()
            self.mode = (self.ctx.service_mode, self.ctx.hooks["service_mode"])

        async def stop_all(self):
            self.heard.append("stopped")
"""


async def test_a_plain_file_is_a_role_and_lives_through_its_hooks(stage: Stage) -> None:
    stage.write("role_Plain.py", PLAIN.format(name="plain"))
    await stage.roles.load()
    role = stage.config.data["plain"]
    await stage.roles.config_arrived([{"role": "plain", "node_id": "1"}])
    await stage.roles.stop_all()
    assert role.seen == ["register_events", ("on_config", [{"role": "plain", "node_id": "1"}]), "stop_all"]
    assert stage.state("plain") == "stopped"
    assert role.ctx.agent_id == "HOST_GUID_SYSTEM"


async def test_an_upstream_style_role_runs_unchanged(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stage.write("role_Upstream.py", UPSTREAM)
    await stage.roles.load()
    role = stage.config.data["upstream"]
    assert stage.roles.hears("quick_job_run")
    await stage.roles.tell("quick_job_run", {"job_id": 5})
    await stage.roles.tell("list_agent_windows", {"agent_id": "x"})
    await stage.roles.config_arrived([{"role": "screenshot_like"}])
    assert role.heard == [{"job_id": 5}]
    assert stage.told == [{"job_id": 5, "status": "Success", "mine": 1}]
    assert stage.door.of("agent_window_list") == [{"agent_id": "HOST_GUID_SYSTEM", "windows": []}]
    assert role.url == stage.http.base_url
    assert role.mode == ("system", "system")
    assert "hello" in (stage.paths.logs / "screens.log").read_text()


async def test_an_empty_configuration_stops_what_was_configured_and_only_then(stage: Stage) -> None:
    stage.write("role_Plain.py", PLAIN.format(name="plain"))
    await stage.roles.load()
    role = stage.config.data["plain"]
    await stage.roles.config_arrived([])
    assert role.seen == ["register_events", ("on_config", [])]
    await stage.roles.config_arrived([{"role": "x"}])
    await stage.roles.config_arrived([])
    assert role.seen[-2:] == ["stop_all", ("on_config", [])]


BROKEN: dict[str, tuple[str, str]] = {
    "syntax": ("def (:", "inspect"),
    "no_name": ("class Role:\n    pass", "inspect"),
    "no_class": ("ROLE_NAME = 'no_class'", "inspect"),
    "bad_context": ("ROLE_NAME = 'bad_context'\nROLE_CONTEXTS = ['root']\nclass Role:\n    pass", "inspect"),
    "bad_name": ("ROLE_NAME = 7\nclass Role:\n    pass", "inspect"),
    "nul": ("ROLE_NAME = 'nul'\nclass Role: pass\n\0", "inspect"),
    "dots": ("ROLE_NAME = '...'\nclass Role: pass", "inspect"),
    "long": ("ROLE_NAME = 'x' * 65\nclass Role: pass", "load"),
    "interrupts": ("ROLE_NAME = 'interrupts'\nclass Role: pass\nraise KeyboardInterrupt", "load"),
    "imports": ("import does_not_exist\nROLE_NAME = 'imports'\nclass Role:\n    pass", "load"),
    "exits": ("import sys\nROLE_NAME = 'exits'\nclass Role:\n    pass\nsys.exit(3)", "load"),
    "ctor": ("ROLE_NAME = 'ctor'\nclass Role:\n    def __init__(self, ctx):\n        raise ValueError('no')", "bind"),
    "ctor_exits": (
        "import sys\nROLE_NAME = 'c'\nclass Role:\n    def __init__(self, ctx):\n        sys.exit()",
        "bind",
    ),
    "register_exits": (
        "import sys\nROLE_NAME = 'r'\nclass Role:\n    def __init__(self, ctx): pass\n"
        "    async def register_events(self):\n        sys.exit(4)",
        "register_events",
    ),
    "args": ("ROLE_NAME = 'args'\nclass Role:\n    pass", "bind"),
    "events": (
        "ROLE_NAME = 'events'\nclass Role:\n    def __init__(self, ctx):\n        ctx.sio.on('x', print)\n"
        "    async def register_events(self):\n        raise RuntimeError('no events')",
        "register_events",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_role_is_rejected_by_file_stage_and_reason_and_takes_none_with_it(
    stage: Stage, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    text, expected_stage = BROKEN[name]
    stage.write("role_A.py", PLAIN.format(name="before"))
    (stage.folder / "role_Broken.py").write_text(text)
    stage.write("role_Z.py", PLAIN.format(name="after"))
    await stage.roles.load()
    assert stage.roles.names == ["before", "after"]
    rejected = [health for health in stage.roles.health.report().values() if health["state"] == "rejected"]
    assert [(item["file"], item["stage"]) for item in rejected] == [("role_Broken.py", expected_stage)]
    assert rejected[0]["reason"]
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert any("role_Broken.py" in record.getMessage() for record in errors)
    assert not stage.roles.hears("x")


async def test_rejects_second_file_with_a_name_that_is_taken(stage: Stage) -> None:
    stage.write("role_A.py", PLAIN.format(name="same"))
    stage.write("role_B.py", PLAIN.format(name="same"))
    await stage.roles.load()
    assert stage.roles.names == ["same"]
    assert stage.state("same") == "running"
    (rejected,) = [item for item in stage.roles.health.report().values() if item["state"] == "rejected"]
    assert (rejected["file"], rejected["stage"]) == ("role_B.py", "bind")
    assert "role_A.py" in rejected["reason"]


async def test_roles_of_the_other_context_are_not_even_run(stage: Stage) -> None:
    stage.write("role_Other.py", "ROLE_NAME='o'\nROLE_CONTEXTS=['interactive']\nclass Role: pass\nraise SystemError")
    await stage.roles.load()
    assert stage.roles.names == []
    assert stage.roles.health.report() == {}


async def test_without_contexts_a_role_is_for_both(stage: Stage) -> None:
    stage.write("role_Both.py", PLAIN.format(name="both").replace('    ROLE_CONTEXTS = ["system"]\n', ""))
    await stage.roles.load()
    assert stage.roles.names == ["both"]


async def test_other_files_are_no_roles(stage: Stage) -> None:
    stage.write("helper.py", "raise SystemError")
    stage.write("role_notes.txt", "x")
    stage.write("ROLE_Loud.PY", PLAIN.format(name="loud"))
    await stage.roles.load()
    assert stage.roles.names in (["loud"], [])  # a suffix in capitals may not be importable; it must not fail
    assert all(item["state"] in {"running", "rejected"} for item in stage.roles.health.report().values())


@needs_file_modes
@pytest.mark.parametrize(("owner", "mode"), [(12345, 0o644), (0, 0o666)])
async def test_rejects_role_file_that_another_account_may_write(
    stage: Stage, owner: int, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    stage.write("role_Plain.py", PLAIN.format(name="plain"))
    path = stage.folder / "role_Plain.py"
    path.chmod(mode)
    if owner:
        if os.geteuid() != 0:
            pytest.skip("needs root to give a file away")
        os.chown(path, owner, -1)
    await stage.roles.load()
    assert stage.roles.names == []
    (rejected,) = stage.roles.health.report().values()
    assert rejected["stage"] == "inspect"


async def test_a_listener_that_fails_shows_in_health_and_stops_no_other(stage: Stage) -> None:
    stage.write(
        "role_A.py",
        """
        ROLE_NAME = "a"
        class Role:
            def __init__(self, ctx):
                @ctx.sio.on("ping_roles")
                def heard(data):
                    raise KeyError("lost")
        """,
    )
    stage.write(
        "role_B.py",
        """
        ROLE_NAME = "b"
        class Role:
            def __init__(self, ctx):
                ctx.sio.on("ping_roles", self.heard)
            async def heard(self, data):
                return {"got": data}
        """,
    )
    await stage.roles.load()
    assert await stage.roles.tell("ping_roles", 1) == {"got": 1}
    assert stage.state("a") == "degraded"
    assert stage.state("b") == "running"


async def test_a_background_task_that_fails_shows_in_health_and_others_end_with_their_role(stage: Stage) -> None:
    stage.write(
        "role_T.py",
        """
        import asyncio
        ROLE_NAME = "t"
        class Role:
            def __init__(self, ctx):
                ctx.start_task("fails", self.fails())
                ctx.config.data["task"] = ctx.start_task("lasts", asyncio.sleep(1000))
            async def fails(self):
                raise RuntimeError("broke")
        """,
    )
    await stage.roles.load()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert stage.state("t") == "degraded"
    await stage.roles.stop_all()
    await asyncio.sleep(0)
    assert stage.config.data["task"].cancelled()


async def test_a_device_that_is_shut_out_tells_the_roles_that_want_to_hear_it(stage: Stage) -> None:
    for name in ("bad", "good"):
        stage.write(
            f"role_{name}.py",
            f"""
            ROLE_NAME = "{name}"
            class Role:
                def __init__(self, ctx):
                    ctx.config.data["{name}"] = self.heard = []
                async def shut_out(self, reason):
                    self.heard.append(reason)
                    assert ROLE_NAME == "good"
            """,
        )
    stage.write("role_Zplain.py", PLAIN.format(name="plain"))
    await stage.roles.load()
    await stage.roles.shut_out("revoked")
    assert (stage.config.data["bad"], stage.config.data["good"]) == (["revoked"], ["revoked"])
    assert (stage.state("bad"), stage.state("good"), stage.state("plain")) == ("degraded", "running", "running")


async def test_a_role_that_does_not_stop_is_left_behind(stage: Stage) -> None:
    stage.write(
        "role_Slow.py",
        """
        import asyncio
        ROLE_NAME = "slow"
        class Role:
            def __init__(self, ctx): pass
            async def stop_all(self):
                await asyncio.sleep(1000)
        """,
    )
    stage.write("role_Zplain.py", PLAIN.format(name="plain"))
    await stage.roles.load()
    await stage.roles.stop_all(seconds=0.05)
    assert stage.config.data["plain"].seen[-1] == "stop_all"
    assert stage.roles.names == []


async def test_job_handlers_go_to_the_first_role_that_asks(stage: Stage) -> None:
    for name in ("a", "b"):
        stage.write(
            f"role_{name}.py",
            f"""
            ROLE_NAME = {name!r}
            class Role:
                def __init__(self, ctx):
                    self.ctx = ctx
                    ctx.register_job_handler(["bash"], self.run)
                async def run(self, job, sink):
                    self.ctx.config.data["ran"] = {name!r}
                    return await self.ctx.execution.run(job, sink)
            """,
        )
    await stage.roles.load()
    handler = stage.roles.job_handler(ScriptType.BASH)
    assert handler is not None
    pieces: list[tuple[str, str]] = []

    async def sink(stream: str, text: str) -> None:
        pieces.append((stream, text))

    outcome = await handler(make_job("echo"), sink)
    assert (stage.config.data["ran"], outcome.stdout, pieces) == ("a", "echo", [("stdout", "live")])
    assert stage.roles.job_handler(ScriptType.BATCH) is None


async def test_a_health_report_is_added_and_a_broken_one_survives(stage: Stage) -> None:
    for name, body in (("good", "return {'last': 5}"), ("bad", "raise RuntimeError('x')"), ("odd", "return None")):
        stage.write(
            f"role_{name}.py",
            f"""
            ROLE_NAME = {name!r}
            class Role:
                def __init__(self, ctx): pass
                def health_report(self):
                    {body}
            """,
        )
    await stage.roles.load()
    report = stage.roles.health.report()
    assert report["good"] == {"state": "running", "file": "role_good.py", "last": 5}
    assert report["bad"]["state"] == report["odd"]["state"] == "degraded"


async def test_a_role_gets_no_way_to_connect_or_disconnect(stage: Stage) -> None:
    stage.write("role_Plain.py", PLAIN.format(name="plain"))
    await stage.roles.load()
    sio = stage.config.data["plain"].ctx.sio
    assert not hasattr(sio, "connect")
    assert not hasattr(sio, "disconnect")
    assert sio.connected is True


@pytest.mark.parametrize("method", ["emit", "call"])
async def test_results_of_jobs_never_go_past_the_outbox(stage: Stage, method: str) -> None:
    stage.write("role_Plain.py", PLAIN.format(name="plain"))
    await stage.roles.load()
    sio = stage.config.data["plain"].ctx.sio
    await getattr(sio, method)("quick_job_result", {"mine": True})
    assert stage.told == [{"mine": True}]
    assert stage.door.calls == []


async def test_emitting_without_a_socket_is_no_error_and_calling_is_a_time_out(stage: Stage) -> None:
    stage.write("role_Plain.py", PLAIN.format(name="plain"))
    await stage.roles.load()
    sio = stage.config.data["plain"].ctx.sio
    stage.door.connected = False
    await sio.emit("macro_status", {"a": 1})
    with pytest.raises(TimeoutError):
        await sio.call("macro_status", {"a": 1})
