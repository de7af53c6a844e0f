"""Two hosts on one machine: an Engine and a device in network namespaces of their own, joined by a cable."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from tests.programs.programs import DATA, AgentProgram, EngineProgram, Program, base_environment, wait_for

ENGINE_ADDRESS = "192.0.2.1"
DEVICE_ADDRESS = "192.0.2.2"


def ip(*arguments: str) -> None:
    """Run ``ip`` and fail with what it says."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"


class Cable:
    """Two namespaces and the veth pair between them; names carry our pid, so that runs never collide."""

    def __init__(self) -> None:
        self.engine, self.device = f"bor{os.getpid()}e", f"bor{os.getpid()}d"
        self._ends = (f"be{os.getpid()}", f"bd{os.getpid()}")

    def __enter__(self) -> Self:
        for name in (self.engine, self.device):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        left, right = self._ends
        ip("link", "add", left, "netns", self.engine, "type", "veth", "peer", "name", right, "netns", self.device)
        for name, end, address in ((self.engine, left, ENGINE_ADDRESS), (self.device, right, DEVICE_ADDRESS)):
            ip("-n", name, "addr", "add", f"{address}/30", "dev", end)
            ip("-n", name, "link", "set", end, "up")
        return self

    def __exit__(self, *_: object) -> None:
        for name in (self.engine, self.device):
            subprocess.run(["ip", "netns", "del", name], check=False)

    def cut(self) -> None:
        """Pull the cable: packets vanish, nobody is told."""
        ip("-n", self.engine, "link", "set", self._ends[0], "down")

    def mend(self) -> None:
        """Plug it in again."""
        ip("-n", self.engine, "link", "set", self._ends[0], "up")


class Hosts:
    """A real Engine and a real agent, one on each end."""

    def __init__(self, cable: Cable, root: Path) -> None:
        self.cable = cable
        address = f"https://{ENGINE_ADDRESS}:5000"
        environment = {"BOREALIS_ENGINE_HOST": "0.0.0.0", "BOREALIS_PUBLIC_URL": address}
        self.engine = EngineProgram(root / "engine", port=5000, environment=environment)
        self.engine.command = ["ip", "netns", "exec", cable.engine, *self.engine.command]
        self.agent: AgentProgram | None = None
        self.root = root

    def start_engine(self) -> None:
        """Start the Engine in its namespace and wait for it."""
        Program.start(self.engine)
        started = lambda: self.cli("server", "--json", check=False)[0] == 0  # noqa: E731
        wait_for("the Engine", started, seconds=60, log=self.engine.output)

    def start_agent(self, token: str) -> AgentProgram:
        """Start an agent in the other namespace."""
        self.agent = AgentProgram(self.root / "agent", "--installer-code", token)
        self.agent.command = ["ip", "netns", "exec", self.cable.device, *self.agent.command]
        return self.agent.start()

    def cli(self, *arguments: str, check: bool = True) -> tuple[int, Any]:
        """Run ``borealis`` beside the Engine; gives exit status and parsed JSON."""
        paths = os.pathsep.join(str(DATA / part) for part in ("Shared", "Engine", "Engine/cli"))
        environment = {**base_environment(), "PYTHONPATH": paths, "BOREALIS_ROOT": str(self.engine.root)}
        done = subprocess.run(
            ["ip", "netns", "exec", self.cable.engine, sys.executable, "-m", "borealis_cli", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.returncode, json.loads(done.stdout) if done.stdout.strip().startswith("{") else done.stdout

    def stop(self) -> None:
        """End both."""
        if self.agent:
            self.agent.stop()
        self.engine.stop()


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    """Engine and device on two hosts; the Engine runs."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("needs root and iproute2 to make network namespaces")
    with Cable() as cable:
        both = Hosts(cable, tmp_path)
        try:
            both.start_engine()
            yield both
        finally:
            both.stop()
