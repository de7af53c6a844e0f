"""Role files that would harm: they hold up the agent, end it, speak for it, or belong to somebody else."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fakes.jobs import make_job
from tests.fakes.role_stage import Stage
from tests.programs.systems import ON_WINDOWS, needs_file_modes

from borealis_agent.roles.guard import RoleBlocked, patiently, time_limit
from borealis_agent.roles.health import RoleRejected
from borealis_agent.roles.probation import MAX_DEATHS, Probation
from borealis_base.tasks import Supervisor
from borealis_wire.events import ScriptType

GOOD = """
ROLE_NAME = "good"
class Role:
    def __init__(self, ctx):
        self.ctx = ctx
"""
ROLE = """
import sys, time
ROLE_NAME = "bad"
def block():
    while True:
        try:
            time.sleep(60)
        except Exception:
            pass
class Role:
    def __init__(self, ctx):
        self.ctx = ctx
        {init}
    async def register_events(self):
        {register}
    def on_config(self, roles):
        {config}
    async def handle(self, data):
        {handle}
    async def work(self):
        {work}
    async def job(self, job, sink):
        {job}
    def health_report(self):
        {health}
    def stop_all(self):
        {stop}
"""
PARTS = ("init", "register", "config", "handle", "work", "job", "health", "stop")


def role(**parts: str) -> str:
    return ROLE.format(**{part: parts.get(part, "return {}" if part == "health" else "pass") for part in PARTS})


@pytest.fixture
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    """Impatient only where a test waits for that: on a busy machine any step may take a while."""
    impatient = "block" in request.node.name or "never_comes_back" in request.node.name
    async with Supervisor() as tasks:
        made = Stage(tmp_path, tasks, patience=0.25 if impatient else None)
        made.write("role_Good.py", GOOD)
        yield made


def rejected(stage: Stage) -> dict[str, object]:
    (found,) = [item for item in stage.roles.health.report().values() if item["state"] == "rejected"]
    return found


NO_ALARM = pytest.mark.skipif(ON_WINDOWS, reason="Windows has no alarm; there the watchdog ends an agent held up")
BLOCKS = pytest.param("block()", marks=NO_ALARM)


@NO_ALARM
@pytest.mark.parametrize(
    ("text", "where"),
    [
        (role().replace("class Role", "block()\nclass Role"), "load"),
        (role(init="block()"), "bind"),
        (role(register="block()"), "register_events"),
    ],
)
async def test_rejects_role_that_never_comes_back(stage: Stage, text: str, where: str) -> None:
    stage.write("role_Bad.py", text)
    await stage.roles.load()
    assert stage.roles.names == ["good"]
    found = rejected(stage)
    assert (found["file"], found["stage"]) == ("role_Bad.py", where)
    assert "held up the agent" in str(found["reason"])


@pytest.mark.parametrize("deed", [BLOCKS, "sys.exit(1)", "raise KeyboardInterrupt"])
async def test_survives_running_role_that_holds_it_up_or_exits(stage: Stage, deed: str) -> None:
    listens = "self.ctx.sio.on('poke', self.handle); self.ctx.register_job_handler(['bash'], self.job)"
    stage.write("role_Bad.py", role(init=listens, config=deed, handle=deed, job=deed, health=deed, stop=deed))
    await stage.roles.load()
    assert stage.roles.health.report()["bad"]["state"] == "degraded"  # its own report
    await stage.roles.tell("poke", {})
    assert stage.state("bad") == "degraded"
    await stage.roles.config_arrived([{"role": "bad"}])
    handler = stage.roles.job_handler(ScriptType.BASH)
    assert handler is not None

    async def sink(_stream: str, _text: str) -> None:
        """Nobody looks."""

    with pytest.raises(RuntimeError, match="role bad"):
        await handler(make_job("x"), sink)
    await stage.roles.stop_all()
    assert stage.state("good") == "stopped"


@pytest.mark.parametrize("deed", [BLOCKS, "sys.exit(1)"])
async def test_survives_background_work_that_holds_it_up_or_exits(stage: Stage, deed: str) -> None:
    stage.write("role_Bad.py", role(init="ctx.start_task('work', self.work())", work=deed))
    await stage.roles.load()
    async with asyncio.timeout(10):
        while stage.state("bad") != "degraded":
            await asyncio.sleep(0.01)
    assert stage.state("good") == "running"


@pytest.mark.parametrize("event", ["connect_agent", "quick_job_output", "quick_job_result"])
@pytest.mark.parametrize("way", ["emit", "call"])
async def test_rejects_what_only_the_agent_itself_says(stage: Stage, event: str, way: str) -> None:
    stage.write(
        "role_Bad.py", role(handle=f"await self.ctx.sio.{way}({event!r}, data)", init="ctx.sio.on('p', self.handle)")
    )
    await stage.roles.load()
    await stage.roles.tell("p", {"run_id": "somebody else's"})
    assert stage.door.of(event) == []
    health = stage.roles.health.report()["bad"]
    assert (health["state"], health["stage"]) == ("degraded", "run")
    assert event in health["reason"]


async def test_what_a_role_did_on_its_way_up_stays_said(stage: Stage) -> None:
    stage.write("role_Bad.py", role(register="await self.ctx.sio.emit('connect_agent', {})"))
    await stage.roles.load()
    health = stage.roles.health.report()["bad"]
    assert (health["state"], health["stage"], health["file"]) == ("degraded", "run", "role_Bad.py")


ENCODINGS = {
    "latin-1": "DRINK = 'caf\u00e9'\n".encode("latin-1") + GOOD.encode(),
    "utf-16": GOOD.encode("utf-16"),
    "unknown": b"# -*- coding: nonsense -*-\n" + GOOD.encode(),
    "noise": bytes(range(256)),
}


@pytest.mark.parametrize("name", ENCODINGS)
async def test_rejects_role_file_in_another_encoding_than_it_says(stage: Stage, name: str) -> None:
    (stage.folder / "role_Bad.py").write_bytes(ENCODINGS[name])
    await stage.roles.load()
    assert stage.roles.names == ["good"]
    assert (rejected(stage)["file"], rejected(stage)["stage"]) == ("role_Bad.py", "inspect")


@pytest.mark.parametrize("kind", ["folder", *([] if ON_WINDOWS else ["fifo", "dangling", "socket"])])
async def test_rejects_what_is_no_file(stage: Stage, kind: str) -> None:
    path = stage.folder / "role_Bad.py"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "dangling":
        path.symlink_to(stage.folder / "nowhere.py")
    else:
        os.mknod(path, 0o600 | 0o140000)
    await stage.roles.load()
    assert stage.roles.names == ["good"]
    assert rejected(stage)["stage"] == "inspect"


@needs_file_modes
async def test_rejects_link_into_a_folder_that_everybody_may_write(stage: Stage, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (shared / "real.py").write_text(GOOD.replace('"good"', '"linked"'))
    (stage.folder / "role_Linked.py").symlink_to(shared / "real.py")
    await stage.roles.load()
    assert stage.roles.names == ["good"]
    assert "everybody may write" in str(rejected(stage)["reason"])
    shared.chmod(0o755)


@pytest.mark.skipif(ON_WINDOWS or os.geteuid() != 0, reason="needs root to give files away")
@pytest.mark.parametrize("what", ["link", "target", "folder of the target", "group"])
async def test_rejects_role_that_another_account_could_exchange(stage: Stage, tmp_path: Path, what: str) -> None:
    other = tmp_path / "other"
    other.mkdir()
    real, link = other / "real.py", stage.folder / "role_Linked.py"
    real.write_text(GOOD.replace('"good"', '"linked"'))
    link.symlink_to(real)
    if what == "group":
        os.chown(real, 0, 12345)
        real.chmod(0o664)
    else:
        given = {"link": link, "target": real, "folder of the target": other}[what]
        os.chown(given, 12345, -1, follow_symlinks=False)
    await stage.roles.load()
    assert stage.roles.names == ["good"]
    assert rejected(stage)["stage"] == "inspect"


KILLER = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from borealis_agent.roles.health import RoleRejected
from borealis_agent.roles.probation import Probation
import os
probation = Probation(Path({note!r}))
try:
    probation.begin(Path({role!r}))
except RoleRejected as error:
    print(error)
    sys.exit(0)
os._exit(9)
"""


def test_survives_file_that_ends_the_process_after_some_starts(tmp_path: Path) -> None:
    path, note = tmp_path / "role_Killer.py", tmp_path / "Roles" / "starting.json"
    path.write_text("import os\nos._exit(9)\n")
    code = KILLER.format(path=sys.path, note=str(note), role=str(path))
    ends = [subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True) for _ in range(4)]
    assert [end.returncode for end in ends] == [9] * MAX_DEATHS + [0]
    assert "role_Killer.py was rejected at load" in ends[-1].stdout
    path.write_text("# mended\n")
    assert Probation(note).begin(path)


def test_what_came_up_is_not_held_against_a_file(tmp_path: Path) -> None:
    path = tmp_path / "role_Good.py"
    path.write_text(GOOD)
    for _ in range(MAX_DEATHS + 2):
        probation = Probation(tmp_path / "starting.json")
        probation.passed(probation.begin(path))
        probation.end()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": "y"}', "\udcff"])
def test_survives_torn_note_of_starts(tmp_path: Path, text: str) -> None:
    note, path = tmp_path / "starting.json", tmp_path / "role_Good.py"
    note.write_bytes(text.encode("utf-8", "surrogateescape"))
    path.write_text(GOOD)
    assert Probation(note).begin(path)


def test_rejects_file_that_is_gone_meanwhile(tmp_path: Path) -> None:
    with pytest.raises(RoleRejected):
        Probation(tmp_path / "starting.json").begin(tmp_path / "role_Gone.py")


@NO_ALARM
def test_a_limit_gives_the_alarm_back_to_whoever_had_it() -> None:
    rang: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _frame: rang.append(number))
    left = signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(RoleBlocked), time_limit(0.02):
            time.sleep(30)
        deadline = time.monotonic() + 10
        while not rang and time.monotonic() < deadline:
            time.sleep(0.01)
        assert rang
    finally:
        signal.setitimer(signal.ITIMER_REAL, *left)
        signal.signal(signal.SIGALRM, before)


async def test_waiting_is_no_blocking_and_cancellation_is_heard() -> None:
    heard: list[str] = []

    async def waits() -> str:
        try:
            await asyncio.sleep(0.15)
        except asyncio.CancelledError:
            heard.append("cancelled")
            raise
        return "done"

    assert await patiently(waits(), 0.05) == "done"
    async with Supervisor() as tasks:
        task = tasks.start("waits", patiently(waits(), 5))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
    assert heard == ["cancelled"]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await patiently(asyncio.sleep(5), 1)
