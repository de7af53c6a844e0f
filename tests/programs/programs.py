"""The real programs, started as a user's machine would start them, for journeys, attacks and faults.

Each keeps its own folder and ports, is ended by the pid that was started, and shows its log when a test
that waits for it fails.
"""

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY / "Data"
ENGINE_PATH = os.pathsep.join(str(DATA / part) for part in ("Shared", "Engine"))
BYTECODE = str(REPOSITORY / ".borealis" / "test-bytecode")
"""Where programs keep their compiled modules: one place for all processes of a test run, and for the next run."""
Value = TypeVar("Value")


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, probe: Callable[[], Value | None], *, seconds: float = 40.0, log: Path | None = None) -> Value:
    """Ask ``probe`` until it gives something true; fail with the end of ``log`` otherwise."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError, FileNotFoundError, json.JSONDecodeError):
            value = probe()
            if value:
                return value
        time.sleep(0.05)
    tail = log.read_text(errors="replace")[-3000:] if log and log.exists() else ""
    raise AssertionError(f"waited {seconds:.0f} s for {what}\n{tail}")


def processes_with(marker: str) -> list[str]:
    """Command lines on this machine that contain ``marker``."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if marker in line:
            found.append(line)
    return found


class Program:
    """A child process with its output in a file."""

    def __init__(self, command: list[str], environment: Mapping[str, str], output: Path) -> None:
        self.command = command
        # Each start would compile everything anew, which takes longer than all that a test then does.
        self.environment = {**base_environment(), "PYTHONPYCACHEPREFIX": BYTECODE, **environment}
        self.environment.pop("PYTHONDONTWRITEBYTECODE")
        self.output = output
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start, or start again."""
        self.output.parent.mkdir(parents=True, exist_ok=True)
        with self.output.open("ab") as file:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd="/"
            )
        return self

    @property
    def pid(self) -> int:
        """The pid that we started."""
        assert self.process is not None
        return self.process.pid

    def running(self) -> bool:
        """Whether it still runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self, *, seconds: float = 15.0) -> int:
        """Ask it to end and wait; kills it, and fails, if it does not."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{self.command[1]} did not end within {seconds} s of SIGTERM") from None
        return self.process.returncode

    def kill(self) -> None:
        """``kill -9``."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


def base_environment() -> dict[str, str]:
    """What programs inherit: no Borealis setting but those a test gives."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BOREALIS_")}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1"}


class EngineProgram(Program):
    """A real Engine over TLS with SQLite in ``root``."""

    def __init__(self, root: Path, *, port: int | None = None, environment: Mapping[str, str] | None = None) -> None:
        self.root = root
        self.port = port or free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        settings = {
            "BOREALIS_ROOT": str(root),
            "BOREALIS_ENGINE_PORT": str(self.port),
            "BOREALIS_ENGINE_HOST": "127.0.0.1",
            "BOREALIS_PUBLIC_URL": self.url,
            "PYTHONPATH": ENGINE_PATH,
            **(environment or {}),
        }
        super().__init__([sys.executable, str(DATA / "Engine" / "server.py")], settings, root / "engine.out")

    def start(self) -> Self:
        """Start and wait until it answers."""
        super().start()
        try:
            wait_for("the Engine's health", self._healthy, seconds=90, log=self.output)
        except BaseException:
            self.kill()
            raise
        return self

    def _healthy(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the Engine ended: {self.output.read_text(errors='replace')[-3000:]}")
        with self.client() as client:
            return client.get("/health").status_code == 200

    @property
    def ca_file(self) -> Path:
        """The bundle that a client trusts."""
        return self.root / "Engine" / "Certificates" / "borealis-server-bundle.pem"

    def tls(self) -> ssl.SSLContext:
        """A context that trusts this Engine alone."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def client(self, token: str | None = None, **options: Any) -> httpx.Client:
        """A REST client: without ``token`` nobody."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(
            base_url=self.url, verify=self.tls(), headers=headers, timeout=70, trust_env=False, **options
        )

    def owner(self) -> httpx.Client:
        """A REST client as the Engine's owner."""
        return self.client((self.root / "Engine" / "Data" / "Secrets" / "cli.token").read_text().strip())

    def enrolment_token(self, **options: Any) -> str:
        """A new enrolment token."""
        with self.owner() as client:
            answer = client.post("/api/admin/enrollment-codes", json=options)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def log_text(self) -> str:
        """Everything the Engine logged."""
        return "\n".join(
            path.read_text(errors="replace") for path in sorted((self.root / "Engine" / "Logs").glob("*.log*"))
        )


class AgentProgram(Program):
    """A real agent in ``root``."""

    def __init__(
        self, root: Path, *arguments: str, environment: Mapping[str, str] | None = None, system: bool = True
    ) -> None:
        self.root = root
        settings = {"BOREALIS_ROOT": str(root), **(environment or {})}
        flags = ["--system-service"] if system else []
        entry = str(DATA / "Agent" / "agent.py")
        super().__init__([sys.executable, entry, *flags, *arguments], settings, root / "agent.out")

    @property
    def logs(self) -> Path:
        """The agent's log folder."""
        return self.root / "Agent" / "Logs"

    def log_text(self) -> str:
        """Everything the agent logged and printed."""
        files = [self.output, *sorted(self.logs.rglob("*.log*"))]
        return "\n".join(path.read_text(errors="replace") for path in files if path.exists())

    @property
    def guid(self) -> str:
        """The GUID it was given."""
        return (self.root / "Agent" / "Borealis" / "Settings" / "Agent_GUID.txt").read_text().strip()


def pending_approvals(client: httpx.Client) -> list[dict[str, Any]]:
    """The devices that wait for an operator."""
    answer = client.get("/api/admin/device-approvals")
    assert answer.status_code == 200, answer.text
    approvals: list[dict[str, Any]] = answer.json()["approvals"]
    return approvals


def enrol(engine: EngineProgram, agent: AgentProgram) -> str:
    """Start ``agent``, approve it, wait until it is online; gives its GUID."""
    agent.start()
    with engine.owner() as client:
        approval = wait_for(
            "the device to knock", lambda: next(iter(pending_approvals(client)), None), log=agent.output
        )
        answer = client.post(f"/api/admin/device-approvals/{approval['approval_reference']}/approve", json={})
        assert answer.status_code == 200, answer.text
    return wait_online(engine, agent)


def wait_online(engine: EngineProgram, agent: AgentProgram, *, seconds: float = 40.0) -> str:
    """Wait until the agent has a live session; gives its GUID."""

    def probe() -> str | None:
        guid = agent.guid
        with engine.owner() as client:
            answer = client.get(f"/api/devices/{guid}")
        return guid if answer.status_code == 200 and answer.json()["presence"]["contexts"] else None

    return wait_for("the device to be online", probe, seconds=seconds, log=agent.logs / "agent.log")


def run_script(client: httpx.Client, script: str, *, wait: float = 60.0, **options: Any) -> list[dict[str, Any]]:
    """Run ``script`` and wait for its end; ``options`` as in the REST body. Gives the run objects."""
    body = {"script_content": script, "script_type": "bash", "all": True, **options}
    if {"hostnames", "guids", "sites"} & set(options):
        del body["all"]
    answer = client.post("/api/scripts/quick_run", json=body)
    assert answer.status_code == 200, answer.text
    return [wait_run(client, result["run_id"], seconds=wait) for result in answer.json()["results"]]


def wait_run(client: httpx.Client, run_id: str, *, seconds: float = 60.0) -> dict[str, Any]:
    """Long-poll one run until it has ended."""
    deadline = time.monotonic() + seconds
    while True:
        answer = client.get(f"/api/runs/{run_id}", params={"wait": 5})
        assert answer.status_code == 200, answer.text
        run: dict[str, Any] = answer.json()
        if run["status"] not in {"Pending", "Running"}:
            return run
        assert time.monotonic() < deadline, f"run still {run['status']} after {seconds} s"
