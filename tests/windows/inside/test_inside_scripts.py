"""Real scripts in Windows' own ``cmd`` and in the agent's Python; run there by ``test_windows_units.py``."""

import asyncio
import ctypes
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fakes.jobs import make_job

from borealis_agent.execution import Executor, Interpreters, RunCancelled, interpreters_for, starter_for
from borealis_agent.execution.interpreters import find_interpreter
from borealis_agent.platform import machine
from borealis_agent.role_api import JobFile, JobOutcome
from borealis_base.clock import SystemClock
from borealis_wire.events import RunContext, RunStatus, ScriptType
from borealis_wire.refusal import Refused

pytestmark = pytest.mark.skipif(sys.platform != "win32", reason="run on Windows by test_windows_units.py")

SLEEPER = (
    f"\"{sys.executable}\" -I -S -c \"import os, time; open(r'{{file}}', 'w').write(str(os.getpid())); time.sleep(99)\""
)
TREE = '@echo off\r\nstart /b "" {first}\r\necho begun\r\n{second}\r\n'
MakeExecutor = Callable[..., Executor]


@pytest.fixture
def make(tmp_path: Path) -> MakeExecutor:
    def build(*, interpreters: Interpreters | None = None, environ: dict[str, str] | None = None) -> Executor:
        executor = Executor(
            temp=tmp_path / "Temp",
            outputs=tmp_path / "output",
            clock=SystemClock(),
            interpreters=interpreters or interpreters_for(privileged=True),
            starter=starter_for(SystemClock()),
            context=RunContext.SYSTEM,
            environ=environ,
            privileged=True,
            logs=tmp_path / "Logs",
        )
        executor.prepare()
        return executor

    return build


class Watcher:
    """A sink that remembers what came."""

    def __init__(self) -> None:
        self.stdout = ""

    async def __call__(self, stream: str, text: str) -> None:
        if stream == "stdout":
            self.stdout += text


async def run(executor: Executor, script: str | bytes, **options: object) -> JobOutcome:
    options.setdefault("script_type", ScriptType.BATCH)
    return await executor.run(make_job(script, **options), Watcher())


def tree(folder: Path) -> tuple[str, list[Path]]:
    """A batch script that starts a sleeper beside it and waits for another; where each writes its process id."""
    files = [folder / "first", folder / "second"]
    first, second = (SLEEPER.format(file=file) for file in files)
    return TREE.format(first=first, second=second), files


async def pids_in(files: list[Path]) -> list[int]:
    """The process ids, once they are written."""
    async with asyncio.timeout(30):
        while not all(file.exists() and file.read_text() for file in files):
            await asyncio.sleep(0.02)
    return [int(file.read_text()) for file in files]


async def gone(pids: list[int]) -> None:
    """Wait until no such process is left."""
    async with asyncio.timeout(15):
        while any(machine.process_exists(pid) for pid in pids):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        ("@echo off\r\nexit /b 0", RunStatus.SUCCESS, 0),
        ("@exit 7", RunStatus.FAILED, 7),
        ("@exit /b 3", RunStatus.FAILED, 3),
        ("@no-such-program-here", RunStatus.FAILED, None),
    ],
)
async def test_the_exit_code_is_the_scripts(
    make: MakeExecutor, script: str, status: RunStatus, code: int | None
) -> None:
    outcome = await run(make(), script)
    assert outcome.status is status
    assert outcome.exit_code == code or (code is None and outcome.exit_code)


async def test_both_streams_environment_and_files_arrive(make: MakeExecutor, tmp_path: Path) -> None:
    script = "@echo off\r\necho %COLOUR% %BOREALIS_RUN_CONTEXT%\r\ntype note.txt\r\necho %CD%\r\necho bad>&2\r\n"
    job = make_job(script, script_type=ScriptType.BATCH, environment={"COLOUR": "deep blue"})
    outcome = await make().run(job, Watcher(), files=[JobFile("note.txt", b"from a file\r\n")])
    colour, note, folder = outcome.stdout.splitlines()
    assert (colour.strip(), note.strip(), outcome.stderr.strip()) == ("deep blue system", "from a file", "bad")
    assert Path(folder).parent == tmp_path / "Temp"
    assert list((tmp_path / "Temp").iterdir()) == [], "nothing is left of a run"


async def test_the_folder_of_a_run_goes_although_its_script_made_files(make: MakeExecutor, tmp_path: Path) -> None:
    await run(make(), "@mkdir deep\r\n@echo x> deep\\file\r\n@attrib +r deep\\file\r\n")
    assert list((tmp_path / "Temp").iterdir()) == []


async def test_output_is_read_as_utf8_and_else_in_the_consoles_code_page(make: MakeExecutor) -> None:
    text = "\u00fc\u00e4\u20ac"
    outcome = await run(
        make(), f"import sys; sys.stdout.buffer.write({text.encode()!r})", script_type=ScriptType.PYTHON
    )
    assert outcome.stdout == text
    page = f"cp{ctypes.windll.kernel32.GetOEMCP()}"
    oem = "\u00e9\u00f1".encode(page)
    outcome = await run(make(), f"import sys; sys.stdout.buffer.write({oem!r})", script_type=ScriptType.PYTHON)
    assert outcome.stdout == "\u00e9\u00f1"


async def test_python_is_the_agents_own(make: MakeExecutor) -> None:
    outcome = await run(make(), "import sys; print(sys.executable)", script_type=ScriptType.PYTHON)
    assert outcome.stdout.strip() == sys.executable


async def test_output_comes_while_the_script_runs(make: MakeExecutor, tmp_path: Path) -> None:
    go, watcher = tmp_path / "go", Watcher()
    script = f"import os, time\nprint('first')\nwhile not os.path.exists({str(go)!r}): time.sleep(0.02)\nprint('last')"
    running = asyncio.get_running_loop().create_task(
        make().run(make_job(script, script_type=ScriptType.PYTHON), watcher)
    )
    async with asyncio.timeout(30):
        while not watcher.stdout:
            await asyncio.sleep(0.02)
    assert watcher.stdout == "first\r\n"
    go.touch()
    assert (await running).stdout == "first\r\nlast\r\n"


async def test_a_time_out_ends_the_whole_tree(make: MakeExecutor, tmp_path: Path) -> None:
    script, files = tree(tmp_path)
    outcome = await run(make(), script, timeout=12)
    assert (outcome.status, outcome.stdout.strip()) == (RunStatus.TIMED_OUT, "begun")
    await gone(await pids_in(files))


async def test_a_cancel_ends_the_whole_tree(make: MakeExecutor, tmp_path: Path) -> None:
    script, files = tree(tmp_path)
    running = asyncio.get_running_loop().create_task(run(make(), script))
    pids = await pids_in(files)
    running.cancel()
    with pytest.raises(RunCancelled) as raised:
        await running
    assert raised.value.outcome.stdout.strip() == "begun"
    await gone(pids)


async def test_what_a_script_leaves_behind_ends_with_it(make: MakeExecutor, tmp_path: Path) -> None:
    left = tmp_path / "left"
    began = time.monotonic()
    script = (
        "import os, subprocess, sys, time\n"
        f"code = \"import os, time; open('{left.as_posix()}', 'w').write(str(os.getpid())); time.sleep(99)\"\n"
        "subprocess.Popen([sys.executable, '-I', '-S', '-c', code])\n"
        f"while not os.path.exists('{left.as_posix()}'): time.sleep(0.02)\n"
        "print('done')\n"
    )
    outcome = await run(make(), script, script_type=ScriptType.PYTHON)
    assert (outcome.status, outcome.stdout.strip()) == (RunStatus.SUCCESS, "done")
    assert time.monotonic() - began < 60
    await gone(await pids_in([left]))


async def test_a_missing_interpreter_is_a_refusal(make: MakeExecutor) -> None:
    with pytest.raises(Refused) as raised:
        await run(make(environ={"PATH": ""}), "echo", script_type=ScriptType.BASH)
    assert raised.value.code == "interpreter_missing"


def test_powershell_is_looked_for_under_both_names(tmp_path: Path) -> None:
    for name in ("powershell.exe", "pwsh.exe"):  # the newer one is preferred
        (tmp_path / name).write_bytes(b"MZ")
        command = find_interpreter(ScriptType.POWERSHELL, str(tmp_path))
        assert command is not None
        assert Path(command[0]).name.lower() == name
        assert command[-1] == "-File"


async def test_powershell_gets_its_script_as_a_file_with_a_mark(make: MakeExecutor, tmp_path: Path) -> None:
    """By a stand-in that keeps what it is given. No PowerShell runs here: see Docs/windows.md."""
    recorder = tmp_path / "recorder.py"
    recorder.write_text(
        "import pathlib, sys\n"
        "if sys.argv[-2] == '-Command': sys.exit(print(5))\n"
        "data = pathlib.Path(sys.argv[-1]).read_bytes()\n"
        "print(sys.argv[1:-1], pathlib.Path(sys.argv[-1]).suffix, data)\n"
    )
    command = (sys.executable, "-s", str(recorder), "-NoProfile", "-File")
    executor = make(interpreters=Interpreters(given={ScriptType.POWERSHELL: command}))
    outcome = await run(executor, "Write-Output '\u00fc'", script_type=ScriptType.POWERSHELL)
    said = ["-NoProfile", "-File"], ".ps1", b"\xef\xbb\xbfWrite-Output '\xc3\xbc'"
    assert outcome.stdout.strip() == f"{said[0]} {said[1]} {said[2]}"


async def test_rejects_a_powershell_that_runs_nothing_and_says_that_all_went_well(make: MakeExecutor) -> None:
    """As wine's own does, by the name that Windows looks for."""
    assert find_interpreter(ScriptType.POWERSHELL, None) is not None
    with pytest.raises(Refused) as raised:
        await run(make(), "Write-Output hi", script_type=ScriptType.POWERSHELL)
    assert raised.value.code == "interpreter_missing"
    assert "no working PowerShell" in str(raised.value)


async def test_rejects_a_powershell_that_is_no_program(make: MakeExecutor, tmp_path: Path) -> None:
    (tmp_path / "pwsh.exe").write_bytes(b"")
    executor = make(interpreters=Interpreters(str(tmp_path)))
    with pytest.raises(Refused, match="no working PowerShell"):
        await run(executor, "Write-Output hi", script_type=ScriptType.POWERSHELL)
