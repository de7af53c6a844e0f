"""The newcomer's way, as it is typed: ``up``, a script, ``down``, ``up`` again; then a second machine.

Real environments, real programs, a root with spaces. The tests of this file are one story and run in order.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.programs.programs import REPOSITORY, base_environment, free_port, wait_for
from tests.programs.toy import kill, processes_with

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Installation:
    """``Borealis.sh`` of this checkout with a root and a port of its own."""

    def __init__(self, root: Path, port: int) -> None:
        self.root = root
        self.first_words = ""
        self.environ = {
            **base_environment(),
            "BOREALIS_ROOT": str(root),
            "BOREALIS_ENGINE_PORT": str(port),
            "BOREALIS_ENGINE_HOST": "127.0.0.1",
            "BOREALIS_PYTHON": sys.executable,
        }

    def borealis(self, *arguments: str, status: int | None = 0) -> str:
        """Run ``Borealis.sh``, see that it ends with ``status``, and give its standard output."""
        done = subprocess.run(
            [str(REPOSITORY / "Borealis.sh"), *arguments],
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        assert status is None or done.returncode == status, f"{done.stdout}\n{done.stderr}\n{self.log_ends()}"
        return done.stdout

    def status(self) -> dict[str, Any]:
        """What ``status --json`` says."""
        found: dict[str, Any] = json.loads(self.borealis("status", "--json"))
        return found

    def cli(self, *arguments: str, status: int | None = 0) -> dict[str, Any]:
        """The REST answer that ``cli … --json`` prints."""
        found: dict[str, Any] = json.loads(self.borealis("cli", *arguments, "--json", status=status))
        return found

    def run_script(self, script: str, *options: str, status: int | None = 0) -> dict[str, Any]:
        """Run a script on all devices of which there is one, and give its run."""
        (found,) = self.cli("run", "--all", *options, script, "--wait", status=status)["runs"]
        run: dict[str, Any] = found
        return run

    def log_ends(self) -> str:
        """The ends of all logs, for a test that fails."""
        files = sorted(self.root.glob("*/Logs/*.*"))
        return "\n".join(f"--- {file}\n{file.read_text(errors='replace')[-1500:]}" for file in files)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation that ``up --detach`` brought up from nothing."""
    found = Installation(tmp_path_factory.mktemp("up") / "my root", free_port())
    try:
        found.first_words = found.borealis("up", "--detach")
        yield found
    finally:
        found.borealis("down", status=None)


def test_up_ends_with_the_true_output_of_a_signed_script(home: Installation) -> None:
    words = home.first_words
    assert f"on {socket.gethostname()}" in words
    assert "/setup#" in words
    status = home.status()
    assert (status["engine"]["healthy"], status["agent"]["connected"]) == (True, True)
    assert status["engine"]["version"]


def test_the_line_that_up_recommends_works(home: Installation) -> None:
    run = home.run_script("id -un; hostname", "--type", "bash")
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout
    assert (run["status"], run["exit_code"]) == ("Success", 0)
    assert run["stdout"] == user + subprocess.run(["hostname"], capture_output=True, text=True, check=True).stdout
    assert run["guid"] == home.status()["agent"]["guid"]


def test_python_failure_and_time_out_are_told_as_they_are(home: Installation) -> None:
    assert home.run_script("print(6 * 7)", "--type", "python")["stdout"] == "42\n"
    failed = home.run_script("exit 3", "--type", "bash", status=None)
    assert (failed["status"], failed["exit_code"]) == ("Failed", 3)
    marker = f"60.{os.getpid()}"
    late = home.run_script(f"sleep {marker}", "--type", "bash", "--timeout", "1", status=None)
    assert late["status"] == "Timed Out"
    wait_for("no process to be left", lambda: not processes_with(f"sleep {marker}") or None, seconds=5)


def test_nothing_secret_is_in_a_command_line_or_an_install_log(home: Installation) -> None:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert f"https://localhost:{home.environ['BOREALIS_ENGINE_PORT']}#" not in listed
    secret = (home.root / "Engine" / "Data" / "Secrets" / "setup.link").read_text().strip().partition("#")[2]
    logs = "".join(path.read_text(errors="replace") for path in home.root.glob("*/Logs/**/*") if path.is_file())
    assert secret not in logs


def test_down_and_up_again_is_the_same_device_with_the_same_history(home: Installation) -> None:
    guid, before = home.status()["agent"]["guid"], home.cli("activity")
    home.borealis("down")
    assert processes_with(str(home.root)) == []
    home.borealis("up", "--detach")
    assert home.status()["agent"]["guid"] == guid
    assert home.cli("approvals")["approvals"] == []
    known = json.dumps(home.cli("activity"))
    assert all(str(run["run_id"]) in known for run in next(iter(before.values())))


def test_survives_kill_9_of_both_programs(home: Installation) -> None:
    status = home.status()
    kill(status["agent"]["pid"])
    kill(status["engine"]["pid"])

    def back() -> bool | None:
        now = home.status()
        new = {now["agent"]["pid"], now["engine"]["pid"]}.isdisjoint({status["agent"]["pid"], status["engine"]["pid"]})
        return True if new and now["engine"]["healthy"] and now["agent"]["connected"] else None

    wait_for("both to be back", back, seconds=60)
    assert home.run_script("echo back", "--type", "bash")["stdout"] == "back\n"


def test_a_second_machine_waits_is_approved_and_answers(home: Installation, tmp_path: Path) -> None:
    other = Installation(tmp_path / "second machine", 1)
    token = home.cli("codes", "create")["token"]
    program = subprocess.Popen(
        [str(REPOSITORY / "Borealis.sh"), "agent", "--enrollment-code", token],
        env=other.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        approval = wait_for("the knock", lambda: next(iter(home.cli("approvals")["approvals"]), None), seconds=120)
        assert approval["ssl_key_fingerprint_claimed"] == other.status()["agent"]["fingerprint"]
        home.borealis("cli", "approve", approval["approval_reference"], "--coexist")

        def both_online() -> list[Mapping[str, Any]] | None:
            devices: list[Mapping[str, Any]] = home.cli("devices")["devices"]
            return devices if [d["presence"]["online"] for d in devices] == [True, True] else None

        wait_for("both online", both_online, seconds=60)
        runs = home.cli("run", "--all", "--type", "bash", "echo here", "--wait")["runs"]
        assert [run["stdout"] for run in runs] == ["here\n", "here\n"]
    finally:
        os.killpg(program.pid, signal.SIGINT)
        output, _ = program.communicate(timeout=60)
    assert program.returncode == 0, output
    assert processes_with(str(other.root)) == []


def test_purge_leaves_nothing(home: Installation) -> None:
    home.borealis("uninstall", "--purge")
    assert not home.root.exists()
    assert processes_with(str(home.root)) == []
