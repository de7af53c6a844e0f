"""Macros from the operator to a real window: Engine, the user's agent, an X server, and what was typed there."""

import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.journeys.test_journey_screenshot import has_ended, machine
from tests.journeys.test_journey_signed_in_user import Machine, User, ground, user
from tests.programs.desktop import SERVER, Desktop
from tests.programs.programs import DATA, base_environment, wait_for, wait_run

__all__ = ["ground", "machine", "user"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to have a second user"),
    pytest.mark.skipif(SERVER is None, reason="needs Xvfb"),
]
WINDOW = Path(__file__).parents[1] / "programs" / "typed.py"
MODIFIERS = range(0xFFE1, 0xFFEF)
NAMED = {0xFF0D: "\n", 0xFF09: "\t"}


@dataclass
class Window:
    """A window of the user's, and what it says was typed into it."""

    program: Any
    said: list[dict[str, Any]] = field(default_factory=list)

    def hear(self) -> None:
        for line in self.program.stdout:
            self.said.append(json.loads(line))

    def tell(self, line: str) -> None:
        """Have it do something, and wait until it has."""
        count = self.said.count({"done": line})
        self.program.stdin.write(f"{line}\n")
        self.program.stdin.flush()
        wait_for(f"the window to {line}", lambda: self.said.count({"done": line}) > count)

    @property
    def keys(self) -> list[int]:
        """The keysyms of all keys that went down but modifiers."""
        return [one["key"] for one in list(self.said) if one.get("key", MODIFIERS[0]) not in MODIFIERS]

    @property
    def text(self) -> str:
        return "".join(NAMED.get(key) or chr(key & 0xFFFFFF) for key in self.keys)

    @property
    def downs(self) -> int:
        return sum("key" in one for one in list(self.said)) - sum("up" in one for one in list(self.said))


@dataclass
class Scene:
    """Everything, with the screen of the signed-in user."""

    machine: Machine
    desktop: Desktop
    client: httpx.Client
    guid: str
    program: str

    def window(self, title: str) -> Window:
        python, packages = self.machine.user.python
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.machine.user.home), "PYTHONPATH": packages}
        found = Window(self.desktop.show([python, self.program, title], environment))
        threading.Thread(target=found.hear, daemon=True).start()
        return found

    def start(self, seconds: int = 60, **settings: Any) -> str:
        body = {"guid": self.guid, "settings": settings, "timeout_seconds": seconds}
        answer = self.client.post("/api/macros", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["run"]["run_id"])

    def change(self, run_id: str, **changes: Any) -> dict[str, Any]:
        answer = self.client.post(f"/api/runs/{run_id}/macro", json=changes)
        assert answer.status_code == 200, answer.text
        return wait_run(self.client, answer.json()["run"]["run_id"])

    def running(self, run_id: str) -> None:
        wait_for("the macro", lambda: self.client.get(f"/api/runs/{run_id}").json()["status"] == "Running")

    def stop(self, run_id: str) -> dict[str, Any]:
        assert self.client.post(f"/api/runs/{run_id}/cancel").status_code == 200
        return wait_run(self.client, run_id)

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """``borealis macro …`` as the Engine's owner."""
        environment = {
            **base_environment(),
            "BOREALIS_ROOT": str(self.machine.engine.root),
            "PYTHONPATH": os.pathsep.join(str(DATA / part) for part in ("Shared", "Engine/cli")),
        }
        command = [sys.executable, "-m", "borealis_cli", "macro", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    def hands(self) -> list[psutil.Process]:
        """What types now."""
        return [child for child in psutil.Process(self.machine.agent.pid).children() if is_hand(child)]

    def characters(self) -> str:
        """The characters that the keyboard has now."""
        python, packages = self.machine.user.python
        code = (
            "from Xlib import display; s = display.Display(); "
            "print([k for row in s.get_keyboard_mapping(8, 248) for k in row if 0x20 < k < 0x100])"
        )
        command = self.machine.user.command(python, "-c", code)
        environment = {**self.desktop.environment, "PYTHONPATH": packages, "PATH": os.environ["PATH"]}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return "".join(map(chr, json.loads(done.stdout)))


def is_hand(process: psutil.Process) -> bool:
    try:
        return "macro.hand" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def scene(machine: Machine, ground: Path, user: User) -> Iterator[Scene]:
    """All tests share the screen; each has windows of its own."""
    (ground / "typed.py").write_text(WINDOW.read_text())
    folder = ground / "x-macro"
    folder.mkdir(mode=0o755)
    with (
        Desktop(folder, user.command, owner=(user.uid, user.gid)) as desktop,
        machine.engine.owner() as client,
    ):
        (device,) = client.get("/api/devices").json()["devices"]
        wait_for(
            "the user's agent",
            lambda: "interactive" in client.get(f"/api/devices/{device['guid']}").json()["presence"]["contexts"],
            log=machine.agent.output,
        )
        yield Scene(machine, desktop, client, device["guid"], str(ground / "typed.py"))


TEXT = "Straße 42: „Grün“ kostet 5 €!\tSo?\n"


def test_a_text_arrives_as_it_was_written(scene: Scene) -> None:
    notes, other = scene.window("Notes of the day"), scene.window("Something else")
    other.tell("focus")
    run = wait_run(scene.client, scene.start(macro_type="text", text=TEXT, window_title="notes of"))
    assert (run["status"], run["exit_code"]) == ("Success", 0), run
    wait_for("the text", lambda: notes.text == TEXT)
    assert other.text == ""
    assert run["stdout"] == f"typed {len(TEXT)} characters\nit typed 1 time\n"
    said = scene.client.get("/api/audit", params={"limit": 5}).json()
    assert said["entries"][0]["detail"]["script"] == "Macro: text, Run Once"
    assert "Grün" not in json.dumps(said, ensure_ascii=False) + scene.machine.agent.log_text()
    wait_for("the hand to rest", lambda: not scene.hands())


def test_waits_vary_within_their_bounds_and_a_change_counts_at_once(scene: Scene) -> None:
    window = scene.window("Varying")
    run_id = scene.start(
        macro_type="keypress", key="a", operation_mode="Continuous", window_title="Varying",
        randomize_interval=True, random_min=60, random_max=240,
    )  # fmt: skip
    wait_for("keys", lambda: len(window.text) > 12)
    done = scene.change(run_id, randomize_interval=False, interval_ms=3_600_000)
    assert (done["status"], done["stdout"]) == (
        "Success",
        f"changed interval_ms, randomize_interval of macro {run_id}\n",
    )
    times = [one["time"] for one in window.said if one.get("key") == ord("a")]
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert min(waits) >= 55, waits
    assert max(waits) - min(waits) > 40, waits
    assert len({round(wait / 5) for wait in waits}) > 4, "no two in five are the same by chance"
    count = len(window.text)
    assert scene.change(run_id, macro_type="text", text="Ü!", interval_ms=50)["status"] == "Success"
    wait_for("the new text", lambda: "Ü!Ü!Ü!" in window.text)
    assert set(window.text[:count]) == {"a"}
    paused = scene.change(run_id, active=False)
    assert paused["status"] == "Success"
    run = scene.stop(run_id)
    assert run["status"] == "Cancelled"
    assert "rests until it is active again" in run["stdout"]
    length = len(window.text)
    assert f"it typed {count + (length - count) // 2} times" in run["stdout"]
    late = scene.client.post(f"/api/runs/{run_id}/macro", json={"interval_ms": 60})
    assert (late.status_code, late.json()["error"]) == (409, "macro_not_running")
    wait_for("the hand's end", lambda: not scene.hands())
    assert window.downs == 0


def test_a_trigger_sets_it_off(scene: Scene) -> None:
    window = scene.window("Triggered")
    run_id = scene.start(
        macro_type="keypress", key="Ctrl+Shift+t", operation_mode="Trigger-Once", window_title="Triggered"
    )
    scene.running(run_id)
    told = scene.command("trigger", run_id)
    assert (told.returncode, told.stderr) == (0, "")
    wait_for("the key", lambda: ord("T") in window.keys)
    assert [one["state"] for one in window.said if one.get("key") == ord("T")] == [5]
    assert scene.change(run_id, trigger=1)["status"] == "Success"
    wait_for("the key again", lambda: window.keys.count(ord("T")) == 2)
    changes = {"operation_mode": "Trigger-Continuous", "key": "x", "interval_ms": 50}
    assert scene.change(run_id, **changes)["status"] == "Success"
    assert scene.change(run_id, trigger=1)["status"] == "Success"
    wait_for("keys", lambda: window.keys.count(ord("x")) > 3)
    assert scene.change(run_id, trigger=0)["status"] == "Success"
    count = window.keys.count(ord("x"))
    assert scene.change(run_id, operation_mode="Run Once", key="End")["status"] == "Success"
    run = wait_run(scene.client, run_id)
    assert run["status"] == "Success", run
    assert window.keys.count(ord("x")) == count
    assert window.keys[-1] == 0xFF57
    assert "waits for its trigger" in run["stdout"]


def test_rejects_another_window_as_its_own(scene: Scene) -> None:
    window, other = scene.window("Mine"), scene.window("Yours")
    run_id = scene.start(
        macro_type="text", text="secret", operation_mode="Continuous", interval_ms=50, window_title="Mine"
    )
    wait_for("the text", lambda: "secretsecret" in window.text)
    other.tell("focus")
    run = wait_run(scene.client, run_id)
    assert (run["status"], run["exit_code"]) == ("Failed", 1)
    assert "does not have the focus any more" in run["reason"]
    assert other.text == ""
    missing = scene.command("start", scene.guid, "--text", "x", "--window", "no such", "--wait")
    assert missing.returncode == 1
    assert "There is no window with 'no such' in its title." in missing.stderr
    assert other.text == ""


def test_its_time_ends_it(scene: Scene) -> None:
    window = scene.window("For a while")
    settings = {"macro_type": "keypress", "key": "b", "operation_mode": "Continuous", "window_title": "a while"}
    run = wait_run(scene.client, scene.start(seconds=3, interval_ms=100, **settings))
    assert (run["status"], run["reason"]) == ("Timed Out", "its time of 3 s was over")
    assert 3 <= len(window.text) <= 31


def test_survives_the_agents_death_in_the_middle_of_a_text(scene: Scene) -> None:
    window, agent = scene.window("Long"), scene.machine.agent
    text = "Aé" * 2000
    run_id = scene.start(macro_type="text", text=text, window_title="Long")
    wait_for("the text's beginning", lambda: len(window.text) > 50)
    (hand,) = scene.hands()
    agent.kill()
    wait_for("the orphan's end", lambda: has_ended(hand), seconds=10)
    length = len(window.text)
    assert length < len(text)
    assert window.text == text[:length]
    wait_for("the last key's end", lambda: window.downs == 0)
    assert "é" not in scene.characters(), "the keyboard is as it was"
    agent.start()
    run = wait_run(scene.client, run_id)
    assert (run["status"], run["reason"]) == ("Interrupted", "the agent or the machine ended while the script ran")
    again = wait_run(scene.client, scene.start(macro_type="text", text="again", window_title="Long"))
    assert again["status"] == "Success"
    wait_for("the new text", lambda: window.text[length:] == "again")
