"""An operator at a shell of a real agent: size, colours, UTF-8, Ctrl-C, exit status, and what a crash leaves."""

import asyncio
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from typing import Any

import pytest
from tests.programs.local import local_pair
from tests.programs.programs import (
    DATA,
    AgentProgram,
    EngineProgram,
    base_environment,
    enrol,
    processes_with,
    wait_for,
    wait_online,
)
from tests.programs.shells import Desk, Shell, desk_at

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="the terminal is a POSIX one")]
PROMPT = re.compile(r"[#$] \Z")


@dataclass
class Pair:
    engine: EngineProgram
    agent: AgentProgram
    guid: str


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """One Engine and one agent for all of these; each test leaves them as it found them."""
    with tempfile.TemporaryDirectory(prefix="borealis-shell-") as folder:
        engine, agent = local_pair(Path(folder))
        try:
            yield Pair(engine, agent, enrol(engine, agent))
        finally:
            agent.stop()
            engine.stop()


async def at_prompt(desk: Desk, pair: Pair, **asked: object) -> Shell:
    """A new shell, with a short prompt."""
    shell = Shell(desk, pair.guid)
    opened = await shell.open(**asked)
    assert opened.get("status") == "ok", opened
    await shell.until(lambda text: PROMPT.search(text) is not None)
    await shell.type("PS1='> '; bind 'set enable-bracketed-paste off' 2>/dev/null\r")
    await shell.until("\r> ")
    return shell


async def test_a_shell_is_a_real_terminal(pair: Pair) -> None:
    async with desk_at(pair.engine) as desk:
        shell = await at_prompt(desk, pair, cols=100, rows=30)
        await shell.type("stty size\r")
        assert "30 100" in await shell.until("\n> ")
        await shell.resize(132, 43)
        await shell.type("stty size\r")
        assert "43 132" in await shell.until("\n> ")
        # Two bytes of one character, with time between them, are one character on the screen.
        await shell.type("printf '\\xc3'; sleep 0.2; printf '\\xbc%s\\n' ber\r")
        assert "\u00fcber" in await shell.until("\n> ")
        await shell.type("ls --color=always -d /\r")
        assert "\x1b[01;34m/" in await shell.until("\n> ")
        await shell.type("echo $TERM $LANG; cat /dev/tty\r")
        await shell.until("xterm-256color")
        await shell.type("\u00e4\u20ac\r")
        await shell.until("\u00e4\u20ac\r\n\u00e4\u20ac\r\n")
        await shell.type("\x03")
        await shell.until("^C")
        await shell.type("exit 7\r")
        closed = await shell.until_closed()
        assert (closed["status"], closed["reason"], closed["lost"]) == (7, "", False)

    def ended() -> dict[str, Any] | None:
        found: list[dict[str, Any]] = client.get("/api/runs", params={"kind": "shell", "device": pair.guid}).json()[
            "runs"
        ]
        return next((row for row in found if row["exit_code"] == 7), None)

    with pair.engine.owner() as client:
        row = await asyncio.to_thread(wait_for, "the shell among the device's activity", ended)
        assert (row["status"], row["script_name"], row["ran_as_user"]) == ("Completed", "Remote shell", getuser())
        recording = client.get(f"/api/recordings/{row['run_id']}").json()
    assert (recording["status"], recording["guid"], recording["username"]) == (7, pair.guid, row["created_by"])


async def test_ctrl_c_ends_a_flood_and_the_flood_waits_for_a_slow_browser(pair: Pair) -> None:
    async with desk_at(pair.engine) as desk:
        shell, other = await at_prompt(desk, pair), await at_prompt(desk, pair)
        shell.hold = asyncio.Event()
        await shell.type("yes | head -c 30000000\r")
        await shell.until("y\r\ny\r\n")
        # While one browser reads nothing, a neighbour's shell answers.
        await other.type("echo quick$((1+1))\r")
        await other.until("quick2")
        stood = len(shell.text)
        assert stood < 1_000_000
        shell.hold.set()
        await shell.until(lambda text: len(text) > stood + 500_000)
        await shell.type("\x03")
        await shell.until("^C")
        await shell.until("> ")
        await shell.type("echo still$((1+1))\r")
        await shell.until("still2")
        for one in (shell, other):
            await one.close()


async def test_a_shell_is_taken_up_again_with_nothing_lost_and_nothing_twice(pair: Pair) -> None:
    async with desk_at(pair.engine) as first:
        shell = await at_prompt(first, pair)
        await shell.type("for i in $(seq 1 40); do echo line-$i; sleep 0.05; done; echo done-$((40+2))\r")
        await shell.until("line-3\r\n")
        text, seen = shell.text, shell.seq
    async with desk_at(pair.engine) as second:
        again = Shell(second, pair.guid, shell.session_id)
        assert (await again.open(seen=seen))["status"] == "ok"
        text += await again.until("done-42")
        assert re.findall(r"line-(\d+)\r\n", text) == [str(number) for number in range(4, 41)]
        await again.type("echo alive$((1+1))\r")
        await again.until("alive2")
        await again.close()
    with pair.engine.owner() as client:
        entries = client.get("/api/audit", params={"target": pair.guid}).json()["entries"]
    assert {"shell.open", "shell.return"} <= {entry["action"] for entry in entries}


async def test_closing_a_shell_ends_what_runs_in_it(pair: Pair) -> None:
    mark = f"61{os.getpid()}"
    async with desk_at(pair.engine) as desk:
        shell = await at_prompt(desk, pair)
        await shell.type(f"sleep {mark} & setsid sleep {mark}1 & sleep {mark}2\r")
        await asyncio.to_thread(wait_for, "three sleepers", lambda: len(processes_with(f"sleep {mark}")) == 3)
        await shell.close()
        await asyncio.to_thread(wait_for, "nothing left", lambda: not processes_with(f"sleep {mark}"))


class CommandLine:
    """``borealis shell`` in a terminal of its own."""

    def __init__(self, pair: Pair, *words: str) -> None:
        self.master, slave = os.openpty()
        self.resize(111, 40)
        path = os.pathsep.join(str(DATA / part) for part in ("Shared", "Engine/cli"))
        environment = {**base_environment(), "BOREALIS_ROOT": str(pair.engine.root), "PYTHONPATH": path}
        environment = {name: text for name, text in environment.items() if name not in {"COLUMNS", "LINES"}}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "borealis_cli", "shell", pair.guid, *words],
            env=environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.text = ""

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def until(self, wanted: str) -> None:
        deadline = time.monotonic() + 30
        while wanted not in self.text:
            assert time.monotonic() < deadline, f"{wanted!r} in {self.text!r}"
            if select.select([self.master], [], [], 0.2)[0]:
                self.text += os.read(self.master, 65536).decode(errors="replace")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


def test_the_command_line_is_a_terminal_with_its_size_and_the_shells_status(pair: Pair) -> None:
    line = CommandLine(pair)
    try:
        line.until("# " if os.geteuid() == 0 else "$ ")
        line.type("stty size; PS1='> '\r")
        line.until("40 111")
        line.resize(90, 25)
        line.process.send_signal(signal.SIGWINCH)
        line.type("stty size; echo \u00fc$((40+2)); sleep 1000\r")
        line.until("25 90")
        line.until("\u00fc42")
        line.type("\x03")
        line.until("^C")
        line.type("exit 9\r")
        assert line.process.wait(30) == 9
    finally:
        line.close()


async def test_survives_nothing_of_a_shell_when_the_agent_is_killed(pair: Pair) -> None:
    mark = f"62{os.getpid()}"
    async with desk_at(pair.engine) as desk:
        shell = await at_prompt(desk, pair)
        await shell.type(f"nohup setsid sleep {mark} >/dev/null 2>&1 & nohup sleep {mark}1\r")
        await asyncio.to_thread(wait_for, "two sleepers", lambda: len(processes_with(f"sleep {mark}")) == 2)
        pair.agent.kill()
        await asyncio.to_thread(wait_for, "nothing left", lambda: not processes_with(f"sleep {mark}"))
        assert (await shell.until_closed())["lost"] is True
        pair.agent.start()
        await asyncio.to_thread(wait_online, pair.engine, pair.agent)
        answer = await shell.open(seen=shell.seq)
        assert answer["error"] == "shell_gone"
