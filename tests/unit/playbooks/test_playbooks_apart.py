"""Setting a process apart, for root and for anybody: what it can reach afterwards, and that it ends with its parent."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.programs.programs import DATA, processes_with, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.root]
PYTHON = "/usr/bin/python3"
PROGRAM = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from borealis_playbooks import apart
apart.die_with_parent()
apart.enter_namespaces()
child = os.fork()
if child == 0:
    apart.die_with_parent()  # what drops its rights forgets this, so it is a process more
    child = os.fork()
    if child == 0:
        apart.move_in(Path(sys.argv[2]), [Path(sys.argv[3])])
        apart.drop_rights()
        os.execve("/bin/sh", ["sh", "-c", sys.argv[4]], {"PATH": "/usr/bin:/bin"})
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture
def ground() -> Iterator[Path]:
    """A folder that everybody enters, with a secret of everybody's, what is needed, and the code."""
    folder = Path(tempfile.mkdtemp(prefix="borealis-apart-"))
    folder.chmod(0o755)
    (folder / "secret").write_text("tell nobody")
    (folder / "needed").mkdir()
    (folder / "needed" / "file").write_text("of use\n")
    shutil.copytree(DATA / "Shared" / "borealis_playbooks", folder / "code" / "borealis_playbooks")
    (folder / "mountpoint").mkdir()
    (folder / "mountpoint").chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def command(ground: Path, account: str, script: str) -> list[str]:
    before = [] if account == "root" else ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    arguments = [str(ground / name) for name in ("code", "mountpoint", "needed")]
    return [*before, PYTHON, "-I", "-c", PROGRAM, *arguments, script]


@pytest.mark.parametrize("account", ["root", "nobody"])
def test_it_reaches_what_it_needs_and_nothing_else(ground: Path, account: str) -> None:
    script = (
        f"id -un; cat {ground}/needed/file; cat {ground}/secret; echo x > {ground}/needed/new; echo x > /usr/new;"
        " ls /home /root; ls /proc | grep -c '^[0-9]'; pwd; echo mine > mine && cat mine;"
        " echo x > /dev/shm/x && echo shm;"
        " grep -E 'NoNewPrivs|CapEff|CapBnd' /proc/self/status"
    )
    done = subprocess.run(command(ground, account, script), capture_output=True, text=True, check=False, timeout=30)
    lines = done.stdout.splitlines()
    assert lines[:2] == ["nobody", "of use"], done
    assert "tell nobody" not in done.stdout
    assert done.stderr.count("Read-only file system") == 2, done.stderr
    assert done.stderr.count("No such file or directory") >= 2
    count, where, own, shm = lines[2:6]
    assert int(count) <= 5
    assert (where, own, shm) == ("/run/play", "mine", "shm")
    assert any(line.split() == ["CapEff:", "0000000000000000"] for line in lines)
    assert any(line.split() == ["NoNewPrivs:", "1"] for line in lines)
    assert list((ground / "mountpoint").iterdir()) == [], "what it wrote is nobody else's, and gone"


def test_survives_nothing_of_it_when_its_parent_is_killed(ground: Path) -> None:
    marker = f"4{os.getpid()}.125"
    process = subprocess.Popen(command(ground, "root", f"setsid sleep {marker} & sleep {marker}; true"))
    wait_for("the sleeps", lambda: len(processes_with(f"sleep {marker}")) >= 3, seconds=20)
    process.kill()
    process.wait(10)
    wait_for("them to be gone", lambda: not processes_with(f"sleep {marker}"), seconds=3)
