"""Real scripts in real interpreters: what they see, what they print, how they end, and that nothing is left."""

import asyncio
import contextlib
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.fakes.jobs import GUID, make_job

from borealis_agent.execution import (
    Executor,
    Interpreters,
    RunCancelled,
    interpreters_for,
    mark,
    offspring,
    starter_for,
)
from borealis_agent.role_api import JobFile, JobOutcome
from borealis_base.clock import SystemClock
from borealis_wire.events import RunContext, RunStatus, ScriptType
from borealis_wire.limits import MAX_OUTPUT_CHUNK_BYTES, MAX_RESULT_STREAM_BYTES
from borealis_wire.refusal import Refused

MakeExecutor = Callable[..., Executor]


@pytest.fixture
def make(tmp_path: Path) -> MakeExecutor:
    def build(
        *,
        interpreters: Interpreters | None = None,
        environ: dict[str, str] | None = None,
        privileged: bool = False,
        context: RunContext = RunContext.SYSTEM,
    ) -> Executor:
        executor = Executor(
            temp=tmp_path / "Temp",
            outputs=tmp_path / "output",
            clock=SystemClock(),
            interpreters=interpreters or interpreters_for(privileged=privileged),
            starter=starter_for(SystemClock()),
            context=context,
            environ={"PATH": os.environ["PATH"]} if environ is None else environ,
            privileged=privileged,
            logs=tmp_path / "Logs",
        )
        executor.prepare()
        return executor

    return build


class Watcher:
    """A sink that remembers what came, and when."""

    def __init__(self) -> None:
        self.pieces: list[tuple[str, str]] = []
        self.times: list[float] = []

    async def __call__(self, stream: str, text: str) -> None:
        self.pieces.append((stream, text))
        self.times.append(time.monotonic())

    def text(self, stream: str = "stdout") -> str:
        return "".join(text for name, text in self.pieces if name == stream)


async def run(executor: Executor, script: str | bytes, **options: object) -> JobOutcome:
    return await executor.run(make_job(script, **options), Watcher())


def alive_with(marker: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
        except OSError:
            continue
        if marker in line and state != "Z" and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def zombies_below_us() -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] == "Z" and int(fields[1]) == os.getpid():
            found.append(int(folder.name))
    return found


async def test_bash_says_what_it_printed_and_how_it_ended(make: MakeExecutor) -> None:
    outcome = await run(make(), "echo out; echo err >&2; exit 3")
    assert (outcome.status, outcome.exit_code) == (RunStatus.FAILED, 3)
    assert (outcome.stdout, outcome.stderr) == ("out\n", "err\n")
    assert outcome.started_at <= outcome.finished_at


async def test_python_is_the_agents_own_interpreter(make: MakeExecutor) -> None:
    outcome = await run(make(), "import sys; print(sys.executable)", script_type=ScriptType.PYTHON)
    assert (outcome.status, outcome.stdout.strip()) == (RunStatus.SUCCESS, sys.executable)


async def test_files_lie_beside_the_script_and_all_is_private_and_removed(make: MakeExecutor, tmp_path: Path) -> None:
    files = (JobFile("note.txt", b"from a file\n"), JobFile("script.sh", b"not the script\n"))
    outcome = await run(
        make(), 'cat note.txt "$(dirname "$0")/script.sh"; stat -c %a . note.txt "$0"; touch more; pwd', files=files
    )
    lines = outcome.stdout.splitlines()
    assert lines[:5] == ["from a file", "not the script", "700", "600", "600"]
    assert not Path(lines[5]).exists()
    assert list((tmp_path / "Temp").iterdir()) == []
    assert stat.S_IMODE((tmp_path / "Temp").stat().st_mode) == 0o700


async def test_a_folder_that_a_script_closed_is_removed_too(make: MakeExecutor, tmp_path: Path) -> None:
    await run(make(), "mkdir -p a/b; touch a/b/c; chmod 000 a/b a")
    assert list((tmp_path / "Temp").iterdir()) == []


async def test_the_environment_is_the_jobs_and_says_which_run_it_is(make: MakeExecutor) -> None:
    job = make_job('echo "$GREETING|$BOREALIS_RUN_ID|$BOREALIS_JOB_ID|$BOREALIS_DEVICE_GUID|$HOME"')
    job.order.environment["GREETING"] = "hello 'x' $(id)"  # type: ignore[index]
    outcome = await make().run(job, Watcher())
    parts = outcome.stdout.strip().split("|")
    assert parts[:4] == ["hello 'x' $(id)", job.order.run_id, "7", GUID]
    assert parts[4]


async def test_rejects_secrets_and_steering_from_the_agents_own_environment(make: MakeExecutor) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "BOREALIS_INSTALLER_CODE": "abcd-efgh",
        "PYTHONPATH": "/nowhere",
        "LD_PRELOAD": "/nowhere/evil.so",
        "DISPLAY": ":7",
    }
    outcome = await run(make(environ=environ), "env")
    assert "abcd-efgh" not in outcome.stdout
    assert "nowhere" not in outcome.stdout
    assert "DISPLAY=:7" in outcome.stdout


async def test_rejects_path_of_whoever_started_a_privileged_agent(make: MakeExecutor, tmp_path: Path) -> None:
    trap = tmp_path / "bin"
    trap.mkdir()
    for name in ("bash", "hostname"):
        (trap / name).write_text("#!/bin/sh\necho trapped\n")
        (trap / name).chmod(0o755)
    environ = {"PATH": f"{trap}:{os.environ['PATH']}", "BASH_ENV": str(trap / "bash"), "HOME": str(trap)}
    outcome = await run(make(environ=environ, privileged=True), "hostname; echo $PATH; echo $HOME")
    assert "trapped" not in outcome.stdout
    assert str(tmp_path) not in outcome.stdout


async def test_a_script_writes_files_with_the_usual_mode(make: MakeExecutor) -> None:
    before = os.umask(0o077)
    try:
        outcome = await run(make(), "umask")
    finally:
        os.umask(before)
    assert outcome.stdout.strip() == "0022"


@pytest.mark.slow
@pytest.mark.parametrize("hide", ["setsid sleep {m} &", "(sleep {m} &)", "env -i setsid sh -c 'sleep {m} & wait' &"])
async def test_survives_nothing_of_a_run_that_times_out(make: MakeExecutor, hide: str) -> None:
    marker = f"61{os.getpid()}.{abs(hash(hide)) % 1000}"
    script = f"{hide.format(m=marker)}\nsleep 0.1; sleep {marker}"
    outcome = await run(make(), script, timeout=1)
    assert outcome.status == RunStatus.TIMED_OUT
    assert outcome.exit_code is None
    assert alive_with(f"sleep {marker}") == []
    assert zombies_below_us() == []


@pytest.mark.slow
async def test_survives_nothing_of_a_run_where_the_system_allows_no_marks(
    make: MakeExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def no_marks(_number: int) -> Iterator[bool]:
        yield False

    monkeypatch.setattr(mark, "marking", no_marks)
    marker = f"69{os.getpid()}.5"
    script = f"setsid sleep {marker} & (sleep {marker} &) ; sleep {marker}"
    outcome = await run(make(), script, timeout=1)
    assert outcome.status == RunStatus.TIMED_OUT
    assert alive_with(f"sleep {marker}") == []
    assert (await run(make(), "echo fine")).stdout == "fine\n"


@pytest.mark.slow
async def test_survives_no_process_that_ignores_being_asked(make: MakeExecutor) -> None:
    marker = f"62{os.getpid()}.5"
    loop = f"while true; do sleep {marker}; done"
    script = f"trap '' TERM HUP INT; (trap '' TERM; {loop}) & {loop}"
    outcome = await run(make(), script, timeout=1)
    assert outcome.status == RunStatus.TIMED_OUT
    assert alive_with(marker) == []


@pytest.mark.slow
async def test_a_script_may_clean_up_when_it_is_asked_to_end(make: MakeExecutor) -> None:
    outcome = await run(
        make(), "trap 'echo cleaned; exit 0' TERM; echo begun; while true; do sleep 0.05; done", timeout=1
    )
    assert outcome.stdout == "begun\ncleaned\n"
    assert outcome.status == RunStatus.TIMED_OUT


@pytest.mark.slow
async def test_cancelling_ends_the_tree_and_keeps_what_was_printed(make: MakeExecutor) -> None:
    marker = f"63{os.getpid()}.5"
    watcher = Watcher()
    executor = make()
    task = asyncio.get_running_loop().create_task(
        executor.run(make_job(f"echo begun; setsid sleep {marker} & sleep {marker}"), watcher)
    )
    while not watcher.pieces:
        await asyncio.sleep(0.01)
    assert len(alive_with(f"sleep {marker}")) == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as raised:
        await task
    assert isinstance(raised.value, RunCancelled)
    assert raised.value.outcome.status == RunStatus.CANCELLED
    assert raised.value.outcome.stdout == "begun\n"
    assert alive_with(f"sleep {marker}") == []


@pytest.mark.slow
@pytest.mark.parametrize("deaf", ["", "trap '' TERM;"], ids=["asked", "killed"])
async def test_an_ended_script_begins_nothing_more(
    make: MakeExecutor, tmp_path: Path, deaf: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = offspring.members
    monkeypatch.setattr(offspring, "members", lambda run: sorted(found(run), reverse=True))  # the worst order
    after = tmp_path / "after"
    script = f"{deaf} for n in $(seq 40); do (sleep 61; echo more >> {after}) & done; echo begun; wait"
    watcher = Watcher()
    task = asyncio.get_running_loop().create_task(make().run(make_job(script), watcher))
    while not watcher.pieces:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(RunCancelled):
        await task
    assert not after.exists(), after.read_text()


@pytest.mark.slow
async def test_two_cancels_do_not_leave_half_a_tree(make: MakeExecutor) -> None:
    marker = f"64{os.getpid()}.5"
    watcher = Watcher()
    task = asyncio.get_running_loop().create_task(
        make().run(make_job(f"trap '' TERM; echo begun; sleep {marker}; sleep {marker}"), watcher)
    )
    while not watcher.pieces:
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert alive_with(f"sleep {marker}") == []


@pytest.mark.slow
async def test_one_runs_end_leaves_another_runs_processes_alone(make: MakeExecutor) -> None:
    marker = f"65{os.getpid()}"
    executor = make()
    async with asyncio.TaskGroup() as group:
        other = group.create_task(
            executor.run(make_job(f"env -i setsid sleep {marker}.1 & sleep 2; echo whole"), Watcher())
        )
        await asyncio.sleep(0.3)
        outcome = await run(executor, f"setsid sleep {marker}.2 & sleep {marker}.2", timeout=1)
        assert outcome.status == RunStatus.TIMED_OUT
        assert len(alive_with(f"sleep {marker}.1")) == 1
        assert alive_with(f"sleep {marker}.2") == []
    assert other.result().stdout == "whole\n"


@pytest.mark.slow
async def test_background_jobs_that_hold_the_output_do_not_hold_the_result(make: MakeExecutor) -> None:
    marker = f"66{os.getpid()}.5"
    began = time.monotonic()
    outcome = await run(make(), f"sleep {marker} & setsid sleep {marker} & echo done")
    assert outcome.status == RunStatus.SUCCESS
    assert outcome.stdout == "done\n"
    assert time.monotonic() - began < 10
    assert alive_with(f"sleep {marker}") == []
    assert zombies_below_us() == []


@pytest.mark.slow
async def test_a_quiet_background_job_ends_with_its_script_and_a_daemon_does_not(make: MakeExecutor) -> None:
    marker = f"67{os.getpid()}"
    quiet = ">/dev/null 2>&1 </dev/null &"
    outcome = await run(make(), f"sleep {marker}.1 {quiet} setsid sleep {marker}.2 {quiet} sleep 0.2; echo done")
    daemons = alive_with(f"sleep {marker}.2")
    try:
        assert outcome.stdout == "done\n"
        assert alive_with(f"sleep {marker}.1") == []
        assert len(daemons) == 1
    finally:
        for pid in daemons:
            os.kill(pid, 9)
            os.waitpid(pid, 0)


@pytest.mark.slow
async def test_output_comes_while_the_script_runs(make: MakeExecutor) -> None:
    watcher = Watcher()
    began = time.monotonic()
    outcome = await make().run(make_job("echo first; echo oops >&2; sleep 1.5; echo last"), watcher)
    assert watcher.text() == "first\n"
    assert watcher.text("stderr") == "oops\n"
    assert watcher.times[0] - began < 1.2
    assert outcome.stdout == "first\nlast\n"


@pytest.mark.slow
async def test_characters_are_whole_whatever_the_pieces(make: MakeExecutor) -> None:
    script = r"for i in 1 2 3; do printf '\xe2\x82'; sleep 0.1; printf '\xac'; sleep 0.1; done; printf '\xff.'"
    watcher = Watcher()
    outcome = await make().run(make_job(script), watcher)
    assert outcome.stdout == "€€€\N{REPLACEMENT CHARACTER}."
    assert "\N{REPLACEMENT CHARACTER}" not in watcher.text()


@pytest.mark.slow
async def test_survives_output_without_end(make: MakeExecutor, tmp_path: Path) -> None:
    watcher = Watcher()
    job = make_job("yes borealis | head -c 5000000; echo >&2 small")
    outcome = await make().run(job, watcher)
    assert outcome.status == RunStatus.SUCCESS
    assert len(outcome.stdout.encode()) < MAX_RESULT_STREAM_BYTES + 300
    assert "5000000 bytes in all" in outcome.stdout[-200:]
    assert outcome.stderr == "small\n"
    whole = (tmp_path / "output" / f"{job.order.run_id}.stdout").read_bytes()
    assert whole == (b"borealis\n" * 600_000)[:5_000_000]
    assert all(len(text.encode()) <= MAX_OUTPUT_CHUNK_BYTES for _, text in watcher.pieces)


@pytest.mark.slow
async def test_a_slow_watcher_slows_the_script_and_loses_nothing(make: MakeExecutor) -> None:
    seen: list[str] = []

    async def slow(_stream: str, text: str) -> None:
        await asyncio.sleep(0.02)
        seen.append(text)

    outcome = await make().run(make_job("for i in $(seq 1 90000); do echo $i; done; sleep 1"), slow)
    assert outcome.stdout == "".join(f"{n}\n" for n in range(1, 90001))
    assert "".join(seen) == outcome.stdout


async def test_a_watcher_that_fails_costs_nothing(make: MakeExecutor) -> None:
    async def broken(_stream: str, _text: str) -> None:
        raise RuntimeError("nobody there")

    outcome = await make().run(make_job("echo one; sleep 0.15; echo two"), broken)
    assert outcome.stdout == "one\ntwo\n"


async def test_rejects_type_whose_interpreter_is_missing(make: MakeExecutor, tmp_path: Path) -> None:
    executor = make(interpreters=Interpreters(given={ScriptType.POWERSHELL: None}))
    with pytest.raises(Refused) as raised:
        await run(executor, "Get-Date", script_type=ScriptType.POWERSHELL)
    assert raised.value.code == "interpreter_missing"
    assert list((tmp_path / "Temp").iterdir()) == []


@pytest.mark.parametrize("coding", ["utf-8", "utf-16-le"])
async def test_powershell_is_started_as_upstream_starts_it(make: MakeExecutor, tmp_path: Path, coding: str) -> None:
    stand_in = tmp_path / "pwsh"
    text = "Grüße €\r\n".encode(coding)
    mark = b"\xff\xfe" if coding == "utf-16-le" else b""
    stand_in.write_text(
        f"#!{sys.executable}\nimport sys, os\n"
        f"sys.stdout.buffer.write({mark + text!r})\n"
        "sys.stderr.write(repr(sys.argv[1:-1]) + os.path.basename(sys.argv[-1]) + open(sys.argv[-1]).read())\n"
        "sys.exit(4)\n"
    )
    stand_in.chmod(0o755)
    flags = ("-ExecutionPolicy", "Bypass", "-NoProfile", "-File")
    executor = make(interpreters=Interpreters(given={ScriptType.POWERSHELL: (str(stand_in), *flags)}))
    outcome = await run(executor, "Write-Host hi", script_type=ScriptType.POWERSHELL)
    assert (outcome.status, outcome.exit_code) == (RunStatus.FAILED, 4)
    assert outcome.stdout == "Grüße €\r\n"
    assert outcome.stderr == f"{list(flags)!r}script.ps1Write-Host hi"


async def test_an_end_by_signal_is_said(make: MakeExecutor) -> None:
    outcome = await run(make(), "kill -SEGV $$")
    assert (outcome.status, outcome.exit_code, outcome.reason) == (RunStatus.FAILED, 139, "ended by signal 11")


async def test_a_script_that_cannot_start_leaves_nothing(make: MakeExecutor, tmp_path: Path) -> None:
    executor = make(interpreters=Interpreters(given={ScriptType.BASH: ("/nonexistent/bash",)}))
    with pytest.raises(FileNotFoundError):
        await run(executor, "true")
    assert list((tmp_path / "Temp").iterdir()) == []


def test_what_an_earlier_life_left_is_removed_and_links_are_not_followed(make: MakeExecutor, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    temp = tmp_path / "Temp"
    (temp / "sj_old").mkdir(parents=True)
    (temp / "sj_old" / "script.sh").write_text("x")
    (temp / "link").symlink_to(outside)

    async def build() -> None:
        make()

    asyncio.run(build())
    assert list(temp.iterdir()) == []
    assert (outside / "kept").exists()


async def test_many_runs_at_once_all_tell_their_own(make: MakeExecutor) -> None:
    executor = make()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(executor, f"echo {n}")) for n in range(12)]
    assert [task.result().stdout for task in tasks] == [f"{n}\n" for n in range(12)]
    assert zombies_below_us() == []


@pytest.mark.slow
async def test_survives_no_script_of_an_earlier_life(make: MakeExecutor) -> None:
    marker = f"68{os.getpid()}.5"
    environ = {**os.environ, "BOREALIS_RUN_ID": f"run-{marker}"}
    script = ["bash", "-c", f"setsid sleep {marker} & exec sleep {marker}"]
    left = subprocess.Popen(script, env=environ, start_new_session=True)
    other = subprocess.Popen(["sleep", f"{marker}9"], env={**os.environ, "BOREALIS_RUN_ID": "another"})
    try:
        while len(alive_with(f"sleep {marker}")) < 3:
            await asyncio.sleep(0.01)
        reaping = asyncio.get_running_loop().run_in_executor(None, left.wait)
        await make().end_remains([f"run-{marker}"])
        await reaping
        assert alive_with(f"sleep {marker}") == [other.pid]
    finally:
        other.kill()
        other.wait()
