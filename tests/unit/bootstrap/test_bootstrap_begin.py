"""What starts the agent: by the pointers, a new version on trial for as long as it has, and never worse than before.

The programs are toys; what starts them, ends them and moves the pointers is real.
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.programs.programs import REPOSITORY, wait_for

from borealis_base.trial import STARTER, Build, Update, read_update, write_update
from borealis_bootstrap import begin
from borealis_bootstrap.layout import Runtime, python_in
from borealis_bootstrap.shelf import MARKER
from borealis_bootstrap.staging import code_shelf, environment_shelf

OLD, NEW = Build("0" * 16, "env-old"), Build("1" * 16, "env-new")
ENTRY = REPOSITORY / "Data" / "Bootstrap" / "begin.py"
AGENT = """
import json, os, signal, sys, time
from pathlib import Path
here = Path(__file__).resolve()
told = Path(sys.argv[1])
with told.open("a") as file:
    told = {"version": here.parents[1].name, "pid": os.getpid(), "starter": os.environ.get("STARTER")}
    file.write(json.dumps(told) + "\\n")
"""


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    """Two versions of a toy in two environments; the pointers name the old ones."""
    found = Runtime("agent", tmp_path / "a root" / "Agent", tmp_path)
    for build in (OLD, NEW):
        program = code_shelf(found).path(build.version) / "Program"
        program.mkdir(parents=True)
        (program / "agent.py").write_text(AGENT.replace("STARTER", STARTER))
        (program.parent / MARKER).touch()
        python = python_in(environment_shelf(found).path(build.environment))
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)
        (python.parents[1] / MARKER).touch()
    found.run.mkdir()
    environment_shelf(found).point(OLD.environment)
    code_shelf(found).point(OLD.version)
    return found


def on_trial(runtime: Runtime, **changes: object) -> Path:
    path = begin.update_file(runtime)
    write_update(path, replace(Update("r", "trial", OLD, NEW), **changes))  # type: ignore[arg-type]
    return path


def start(runtime: Runtime, told: Path, *, patience: float = begin.END_SECONDS) -> "subprocess.Popen[bytes]":
    words = [str(runtime.folder), "--", str(told)]
    command = [sys.executable, "-I", "-S", "-B", str(ENTRY), *words]
    if patience != begin.END_SECONDS:
        shorter = f"import sys; sys.path[:0] = {sys.path!r}; from borealis_bootstrap import begin; "
        shorter += f"begin.END_SECONDS = {patience}; begin.run(sys.argv[1:], code=None)"
        command = [sys.executable, "-B", "-c", shorter, *words]
    return subprocess.Popen(command)


def told_in(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_it_becomes_what_the_pointers_name_in_the_same_process(runtime: Runtime, tmp_path: Path) -> None:
    process = start(runtime, tmp_path / "told")
    assert process.wait(20) == 0
    assert told_in(tmp_path / "told") == [{"version": OLD.version, "pid": process.pid, "starter": sys.executable}]


@pytest.mark.slow
def test_a_version_on_trial_is_begun_three_times_and_then_the_old_one_again(runtime: Runtime, tmp_path: Path) -> None:
    path = on_trial(runtime)
    for _ in range(5):
        assert start(runtime, tmp_path / "told").wait(20) == 0
    assert [one["version"] for one in told_in(tmp_path / "told")] == [NEW.version] * 3 + [OLD.version] * 2
    update = read_update(path)
    assert update is not None
    assert update.state == "rolled_back"
    assert begin.current(runtime) == OLD, "the pointers never moved"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs pidfd (Linux)")
def test_survives_a_version_that_stands_still_and_hears_no_signal(runtime: Runtime, tmp_path: Path) -> None:
    program = code_shelf(runtime).path(NEW.version) / "Program" / "agent.py"
    program.write_text(
        program.read_text() + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nos.kill(os.getpid(), signal.SIGSTOP)\n"
    )
    on_trial(runtime, seconds=1.0)
    process = start(runtime, tmp_path / "told", patience=0.5)
    wait_for("the new version", (tmp_path / "told").exists)
    assert process.wait(20) == -signal.SIGKILL
    assert start(runtime, tmp_path / "told").wait(20) == 0
    assert [one["version"] for one in told_in(tmp_path / "told")] == [NEW.version, OLD.version]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs pidfd (Linux)")
def test_a_version_that_proved_itself_is_left_alone(runtime: Runtime, tmp_path: Path) -> None:
    program = code_shelf(runtime).path(NEW.version) / "Program" / "agent.py"
    program.write_text(program.read_text() + "time.sleep(2.5)\n")
    path = on_trial(runtime, seconds=1.0)
    process = start(runtime, tmp_path / "told")
    wait_for("the new version", (tmp_path / "told").exists)
    found = read_update(path)
    assert found is not None
    write_update(path, replace(found, state="confirmed"))
    assert process.wait(20) == 0
    assert begin.choose(runtime) == (NEW, None)
    assert begin.current(runtime) == NEW


class Cut(BaseException):
    """kill -9, as far as a test in the same process can be that."""


def test_survives_being_killed_at_every_step_of_moving_the_pointers(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = on_trial(runtime, state="confirmed", starts=1)
    steps = [
        ("borealis_bootstrap.shelf.Shelf.point", environment_shelf(runtime).point),
        ("borealis_bootstrap.begin.code_shelf", code_shelf),
        ("borealis_bootstrap.begin.write_update", write_update),
        ("borealis_bootstrap.shelf.Shelf.prune", environment_shelf(runtime).prune),
    ]
    for name, _ in steps:
        with monkeypatch.context() as patch:

            def cut(*_arguments: object, **_named: object) -> None:
                raise Cut

            patch.setattr(name, cut)
            with pytest.raises(Cut):
                begin.settle(runtime)
        assert begin._is_there(runtime, begin.current(runtime))
        assert begin._is_there(runtime, OLD)
        assert begin._is_there(runtime, NEW)
    assert begin.choose(runtime)[0] == NEW
    found = read_update(path)
    assert found is not None
    assert found.state == "installed"


def test_survives_a_new_version_that_is_gone_or_half_there(runtime: Runtime) -> None:
    (code_shelf(runtime).path(NEW.version) / MARKER).unlink()
    path = on_trial(runtime)
    assert begin.choose(runtime) == (OLD, None)
    found = read_update(path)
    assert found is not None
    assert (found.state, found.reason) == ("rolled_back", "It is not there any more.")


def test_survives_a_disk_that_takes_nothing_and_tries_nothing_new_then(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_trial(runtime)
    become: list[list[str]] = []

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    class Became(Exception):
        pass

    def execve(_path: str, command: list[str], _environ: object) -> None:
        become.append(command)
        raise Became

    monkeypatch.setattr(begin, "write_update", full)
    monkeypatch.setattr(os, "execve", execve)
    with pytest.raises(Became):
        begin.begin(runtime, [], {})
    assert OLD.version in become[0][-1]
    assert "disk is full" in capsys.readouterr().err


def test_an_empty_runtime_is_one_sentence_and_the_status_that_calls_a_person(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert begin.run([str(tmp_path), "--"], code=ENTRY.parent) == 3
    assert capsys.readouterr().err.startswith("borealis: There is no agent in")


def test_what_runs_is_noted_where_up_looks_for_it(runtime: Runtime) -> None:
    note = runtime.run / "started.json"
    note.write_text(json.dumps({"version": OLD.version, "environment": OLD.environment, "url": "https://e", "port": 0}))
    begin._note(runtime, NEW)
    assert json.loads(note.read_text()) == {
        "version": NEW.version,
        "environment": NEW.environment,
        "url": "https://e",
        "port": 0,
    }


@pytest.mark.slow
def test_where_a_pointer_is_no_link_a_file_beside_it_follows_it(runtime: Runtime, tmp_path: Path) -> None:
    (runtime.code / "current").unlink()
    (runtime.code / "current.version").write_text(NEW.version + "\n")
    for part in ("Bootstrap", "Shared"):
        (code_shelf(runtime).path(NEW.version) / part).symlink_to(REPOSITORY / "Data" / part)
    begin.windows_entry(runtime)
    command = [sys.executable, "-I", "-S", "-B", str(runtime.code / "begin.py"), str(runtime.folder), "--"]
    assert subprocess.run([*command, str(tmp_path / "told")], check=False, timeout=20).returncode == 0
    assert [one["version"] for one in told_in(tmp_path / "told")] == [NEW.version]


@pytest.mark.slow
def test_as_a_parent_it_gives_the_childs_status_and_ends_a_trial_in_time(runtime: Runtime) -> None:
    path = begin.update_file(runtime)
    assert begin._run_child([sys.executable, "-c", "raise SystemExit(4)"], os.environ, path, None) == 4
    trial = replace(Update("r", "trial", OLD, NEW), starts=1, until=time.monotonic() + 0.2)
    write_update(path, trial)
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert begin._run_child(sleeper, os.environ, path, trial) == -signal.SIGKILL
    write_update(path, trial.ended("installed"))
    proved = [sys.executable, "-c", "import time; time.sleep(1)"]
    assert begin._run_child(proved, os.environ, path, trial) == 0
