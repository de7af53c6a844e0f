"""The shell supervisor: restarts what crashes, never gives up, never leaves an orphan."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.programs.programs import REPOSITORY, wait_for
from tests.programs.toy import Disk, children_of, kill

from borealis_base.trial import FILE, Build, Update, write_update
from borealis_bootstrap.layout import Runtime
from borealis_bootstrap.processes import identity_of, is_alive, read_identity
from borealis_bootstrap.supervision import Started, Supervision, program_environ

SCRIPT = REPOSITORY / "Data" / "Bootstrap" / "supervise.sh"
STARTED = Started("v", "e", "https://localhost:1", 1)
QUICK = {"BOREALIS_BACKOFF_FIRST": "20", "BOREALIS_BACKOFF_LONGEST": "60", "BOREALIS_BACKOFF_ATTENTION": "60000"}

pytestmark = pytest.mark.slow


class Watched:
    """A supervision of a shell command."""

    def __init__(self, folder: Path) -> None:
        self.runtime = Runtime("agent", folder / "with spaces" / "Agent", REPOSITORY)
        self.supervision = Supervision(self.runtime)

    def start(self, script: str, **environ: str) -> None:
        self.supervision.start(
            ["/bin/sh", "-c", script], program_environ(os.environ, {**QUICK, **environ}), STARTED, script=SCRIPT
        )

    def wait_exits(self, count: int) -> None:
        wait_for(f"{count} ends", lambda: len(self.supervision.state().exits) >= count or None, seconds=10)

    @property
    def output(self) -> str:
        return self.runtime.output.read_text()

    @property
    def supervisor(self) -> int:
        identity = read_identity(self.runtime.run / "supervisor")
        assert identity is not None
        return identity.pid


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    found = Watched(tmp_path)
    yield found
    found.supervision.stop(seconds=5)


def test_what_crashes_is_started_again_and_again(watched: Watched) -> None:
    watched.start("echo up; exit 7")
    watched.wait_exits(4)
    assert {ended.status for ended in watched.supervision.state().exits} == {7}
    assert watched.output.count("up") >= 4
    assert "ended with status 7" in (watched.runtime.logs / "supervisor.log").read_text()


def test_survives_kill_9_of_the_program(watched: Watched) -> None:
    watched.start("exec sleep 60")
    first = watched.supervision.state().pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    second = wait_for(
        "another pid", lambda: (pid := watched.supervision.state().pid) not in {None, first} and pid, seconds=5
    )
    assert identity_of(second) is not None
    assert watched.supervision.state().exits[-1].status == 128 + signal.SIGKILL


def test_stopping_ends_program_and_supervisor_and_tells_the_program_first(watched: Watched) -> None:
    watched.start('trap "echo told; exit 0" TERM; echo ready; while :; do sleep 0.05; done')
    wait_for("the program's trap", lambda: watched.output == "ready\n", seconds=10)
    state = watched.supervision.state()
    supervisor = read_identity(watched.runtime.run / "supervisor")
    program = read_identity(watched.runtime.run / "program")
    assert state.state == "running"
    assert watched.supervision.stop(seconds=5) is True
    assert not is_alive(supervisor)
    assert not is_alive(program)
    assert watched.output == "ready\ntold\n"
    assert watched.supervision.state().state == "stopped"


def test_stopping_also_works_while_it_waits_to_start_again(watched: Watched) -> None:
    watched.start("exit 1", BOREALIS_BACKOFF_FIRST="60000", BOREALIS_BACKOFF_LONGEST="60000")
    watched.wait_exits(1)
    assert watched.supervision.state().state == "restarting"
    began = time.monotonic()
    assert watched.supervision.stop(seconds=5) is True
    assert time.monotonic() - began < 4
    assert len(watched.supervision.state().exits) == 1


def test_a_program_that_needs_a_person_is_not_hammered(watched: Watched) -> None:
    watched.start("echo 'The token is old. Get a fresh one.' >&2; exit 3")
    watched.wait_exits(1)
    time.sleep(0.3)
    assert watched.supervision.state().state == "attention"
    assert len(watched.supervision.state().exits) == 1


def test_what_is_to_be_started_again_at_once_is_whatever_happened_before(watched: Watched) -> None:
    count = 'n=$(cat "$0/n" 2>/dev/null || echo 0); echo $((n + 1)) >"$0/n"; '
    watched.runtime.run.mkdir(parents=True)
    slow = {"BOREALIS_BACKOFF_FIRST": "60000", "BOREALIS_BACKOFF_LONGEST": "60000"}
    watched.start(
        f'set -- ; {count} if [ "$n" -lt 3 ]; then exit 4; fi; exit 1'.replace("$0", str(watched.runtime.run)), **slow
    )
    watched.wait_exits(4)
    assert [ended.status for ended in watched.supervision.state().exits] == [4, 4, 4, 1]


def test_a_version_on_trial_that_wants_a_person_is_tried_again_soon(watched: Watched) -> None:
    watched.runtime.run.mkdir(parents=True)
    write_update(watched.runtime.run / FILE, Update("r", "trial", Build("o", "e"), Build("n", "e")))
    watched.start("exit 3")
    watched.wait_exits(3)


def test_survives_kill_9_of_the_supervisor_and_still_stops_the_program(watched: Watched) -> None:
    watched.start("exec sleep 60")
    supervisor = read_identity(watched.runtime.run / "supervisor")
    program = read_identity(watched.runtime.run / "program")
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    wait_for("to be noticed", lambda: watched.supervision.state().state == "unsupervised" or None, seconds=5)
    watched.supervision.stop(seconds=5)
    assert not is_alive(program)


def test_survives_a_signal_storm(watched: Watched) -> None:
    watched.start("exec sleep 60")
    supervisor = read_identity(watched.runtime.run / "supervisor")
    assert supervisor is not None
    for _ in range(20):
        os.kill(supervisor.pid, signal.SIGHUP)
    time.sleep(0.2)
    assert watched.supervision.state().state == "running"
    assert watched.supervision.state().exits == ()


def test_what_it_writes_is_private_and_bounded(watched: Watched) -> None:
    watched.runtime.logs.mkdir(parents=True)
    watched.runtime.output.write_text("x" * 1_100_000)
    watched.start("echo fresh; exec sleep 60")
    wait_for("its word", lambda: watched.output if watched.output == "fresh\n" else None)
    assert watched.runtime.output.stat().st_mode & 0o077 == 0
    assert (watched.runtime.logs / "agent.out.1").stat().st_size == 1_100_000


def test_the_supervisor_costs_next_to_no_memory(watched: Watched) -> None:
    watched.start("exec sleep 60")
    supervisor = read_identity(watched.runtime.run / "supervisor")
    assert supervisor is not None
    rollup = Path(f"/proc/{supervisor.pid}/smaps_rollup").read_text()
    private = sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_"))
    assert private < 1500, f"{private} kB"


def test_nothing_of_the_callers_python_reaches_the_program() -> None:
    given = {"PYTHONPATH": "/evil", "VIRTUAL_ENV": "/v", "BOREALIS_INSTALLER_CODE": "s", "HTTPS_PROXY": "p"}
    assert program_environ(given, {"X": "1"}) == {"HTTPS_PROXY": "p", "PYTHONNOUSERSITE": "1", "X": "1"}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 1}', '{"version":"v","environment":"e","url":"u","port":"x"}']
)
def test_survives_a_torn_note_of_how_it_was_started(watched: Watched, text: str) -> None:
    watched.runtime.run.mkdir(parents=True)
    (watched.runtime.run / "started.json").write_text(text)
    assert watched.supervision.started() is None
    assert watched.supervision.state().state == "stopped"


@pytest.mark.root
def test_survives_a_full_disk(tmp_path: Path) -> None:
    with Disk(tmp_path / "small", "size=64k") as disk:
        watched = Watched(disk.folder)
        watched.start("exec sleep 60")
        first = watched.supervision.state().pid
        assert first is not None
        with (disk.folder / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4096):
                pass
        kill(first)
        (second,) = wait_for(
            "another", lambda: [pid for pid in children_of(watched.supervisor) if pid != first], seconds=5
        )
        (disk.folder / "filler").unlink()
        watched.supervision.stop(seconds=5)
        assert identity_of(second) is None
