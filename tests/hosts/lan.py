"""An Engine and several devices, each in a network namespace of its own, with real WireGuard between them."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from tests.hosts.conftest import ENGINE_ADDRESS, Hosts, ip
from tests.programs.programs import AgentProgram, wait_for

PORTS = (47001, 47002)


class Lan:
    """The Engine's namespace, and a cable from it to each device. Names carry our pid; also those of the interfaces,
    because the sockets of ``wireguard-go`` are one folder for all namespaces."""

    def __init__(self) -> None:
        self.engine = f"bor{os.getpid()}E"
        self.device = ""
        self.namespaces = [self.engine]

    def __enter__(self) -> Self:
        ip("netns", "add", self.engine)
        ip("-n", self.engine, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_: object) -> None:
        for name in self.namespaces:
            subprocess.run(["ip", "netns", "del", name], check=False)

    def plug_in(self, number: int) -> str:
        """Another device on the network; gives its namespace. Its address is 192.0.2.<number>."""
        namespace, near, far = f"bor{os.getpid()}D{number}", f"ve{os.getpid()}n{number}", f"ve{os.getpid()}f{number}"
        ip("netns", "add", namespace)
        self.namespaces.append(namespace)
        ip("-n", namespace, "link", "set", "lo", "up")
        ip("link", "add", near, "netns", self.engine, "type", "veth", "peer", "name", far, "netns", namespace)
        ip("-n", self.engine, "address", "add", ENGINE_ADDRESS, "peer", f"192.0.2.{number}", "dev", near)
        ip("-n", self.engine, "link", "set", near, "up")
        ip("-n", namespace, "address", "add", f"192.0.2.{number}", "peer", ENGINE_ADDRESS, "dev", far)
        ip("-n", namespace, "link", "set", far, "up")
        return namespace

    def cable(self, number: int, state: str) -> None:
        """Pull a device's cable (``down``) or plug it in again (``up``)."""
        ip("-n", self.engine, "link", "set", f"ve{os.getpid()}n{number}", state)
        if state == "up":
            ip("-n", self.engine, "route", "replace", f"192.0.2.{number}", "dev", f"ve{os.getpid()}n{number}")

    def readdress(self, number: int, other: int, *, device: int = 0) -> None:
        """Give a device another address, as when it goes from one network to another."""
        end = device or number
        namespace, near, far = f"bor{os.getpid()}D{end}", f"ve{os.getpid()}n{end}", f"ve{os.getpid()}f{end}"
        # In this order: the second address on the same way would go with the first.
        ip("-n", namespace, "address", "del", f"192.0.2.{number}", "peer", ENGINE_ADDRESS, "dev", far)
        ip("-n", namespace, "address", "add", f"192.0.2.{other}", "peer", ENGINE_ADDRESS, "dev", far)
        ip("-n", self.engine, "route", "replace", f"192.0.2.{other}", "dev", near)


class TunnelHosts(Hosts):
    """The real programs on a :class:`Lan`."""

    def __init__(self, lan: Lan, root: Path, *, idle_seconds: int) -> None:
        super().__init__(lan, root)  # type: ignore[arg-type]
        self.lan = lan
        self.interface = f"we{os.getpid()}"
        self.agents: dict[int, AgentProgram] = {}
        self.guids: dict[int, str] = {}
        self._tokens: dict[str, str] = {}
        self._idle_seconds = idle_seconds

    def start_engine(self, *, idle_seconds: int = 0) -> None:
        """Start it, with another idle time from now on where one is given."""
        self._idle_seconds = idle_seconds or self._idle_seconds
        self.engine.environment |= {
            "BOREALIS_WIREGUARD_INTERFACE": self.interface,
            "BOREALIS_WIREGUARD_IDLE_SECONDS": str(self._idle_seconds),
        }
        super().start_engine()

    def adapter(self, number: int) -> str:
        """The name of a device's interface."""
        return f"wd{os.getpid()}n{number}"

    def namespace(self, number: int) -> str:
        """Where a device lives."""
        return f"bor{os.getpid()}D{number}"

    def join(self, number: int) -> str:
        """A device with an agent, enrolled and online; gives its GUID."""
        namespace = self.lan.plug_in(number)
        _, code = self.cli("codes", "create", "--uses", "1", "--json")
        agent = AgentProgram(
            self.root / f"agent{number}",
            "--installer-code",
            code["token"],
            environment={"BOREALIS_WIREGUARD_ADAPTER": self.adapter(number)},
        )
        agent.command = ["ip", "netns", "exec", namespace, *agent.command]
        self.agents[number] = agent.start()

        def knock() -> str | None:
            approvals = self.cli("approvals", "--json")[1]["approvals"]
            return approvals[0]["approval_reference"] if approvals else None

        reference = wait_for("the device to knock", knock, log=agent.output)
        others = [one["guid"] for one in self.cli("devices", "--json")[1]["devices"]]
        self.cli("approve", reference, *(["--coexist"] if others else []))
        return wait_for("the device", lambda: self.online(agent), seconds=40, log=agent.logs / "agent.log")

    def online(self, agent: AgentProgram) -> str | None:
        """The GUID of an agent that is online."""
        devices = self.cli("devices", "--json")[1]["devices"]
        return next((one["guid"] for one in devices if one["guid"] == agent.guid and one["presence"]["contexts"]), None)

    def rest(self, method: str, path: str, body: Any = None, *, token: str = "") -> tuple[int, Any]:
        """Call the Engine's REST door from its own machine, as its owner or with a token."""
        token = token or (self.engine.root / "Engine" / "Data" / "Secrets" / "cli.token").read_text().strip()
        code = (
            "import httpx, sys, json\n"
            "method, url, ca, token, body = sys.argv[1:]\n"
            "answer = httpx.request(method, url, verify=ca, timeout=60, trust_env=False, json=json.loads(body),\n"
            "                       headers={'Authorization': 'Bearer ' + token})\n"
            "print(answer.status_code, answer.text)\n"
        )
        words = [method, f"https://127.0.0.1:5000{path}", str(self.engine.ca_file), token, json.dumps(body)]
        done = run_in(self.lan.engine, sys.executable, "-c", code, *words)
        assert done.returncode == 0, done.stderr
        status, _, text = done.stdout.partition(" ")
        return int(status), json.loads(text)

    def operator(self, name: str) -> str:
        """A token of an operator, who is made where there is none."""
        if name not in self._tokens:
            password = "a long sentence of mine"
            status, answer = self.rest(
                "POST", "/api/users", {"username": name, "password": password, "role": "Operator", "sites": None}
            )
            assert status == 201, answer
            code = (
                "import httpx, sys\n"
                "url, ca, name, password = sys.argv[1:]\n"
                "with httpx.Client(base_url=url, verify=ca, trust_env=False, headers={'Origin': url}) as client:\n"
                "    said = client.post('/api/auth/login', json={'username': name, 'password': password}).json()\n"
                "    headers = {'X-Borealis-CSRF': said['csrf']}\n"
                "    body = {'name': 'test', 'scopes': ['tunnels.use']}\n"
                "    print(client.post('/api/tokens', json=body, headers=headers).json()['token'])\n"
            )
            words = [f"https://{ENGINE_ADDRESS}:5000", str(self.engine.ca_file), name, password]
            done = run_in(self.lan.engine, sys.executable, "-c", code, *words)
            assert done.returncode == 0, done.stderr
            self._tokens[name] = done.stdout.strip()
        return self._tokens[name]

    def connect(self, guid: str, *, token: str = "") -> dict[str, Any]:
        """Bring a tunnel up."""
        status, answer = self.rest("POST", "/api/tunnel/connect", {"agent_id": guid}, token=token)
        assert status == 200, (answer, self.engine.log_text()[-3000:])
        return dict(answer)

    def status(self, guid: str) -> dict[str, Any]:
        """A tunnel as the Engine sees it."""
        return dict(self.rest("GET", f"/api/tunnel/status?agent_id={guid}")[1])

    def disconnect_all(self) -> None:
        """No device has a tunnel, and each has taken its end down."""
        for tunnel in self.rest("GET", "/api/tunnel/active")[1]["tunnels"]:
            self.rest("DELETE", f"/api/tunnel/disconnect?agent_id={tunnel['guid']}&everybody=true")
        for number in self.agents:
            wait_for("the device's end to go", lambda number=number: not self.has_interface(number), seconds=60)  # type: ignore[misc]

    def links(self) -> str:
        """The interfaces of the Engine's machine."""
        return run_in(self.lan.engine, "ip", "link").stdout

    def pid_of_agent(self, number: int) -> int:
        """Of the agent itself: ``ip netns exec`` becomes what it starts."""
        return self.agents[number].pid

    def tunnel_log(self, number: int) -> str:
        """What a device's agent wrote of its tunnels."""
        return (self.agents[number].logs / "VPN_Tunnel" / "tunnel.log").read_text()

    def has_interface(self, number: int) -> bool:
        """Whether a device's end is there."""
        done = run_in(self.namespace(number), "ip", "link", "show", "dev", self.adapter(number))
        return done.returncode == 0

    def stop(self) -> None:
        """End all of them."""
        for agent in self.agents.values():
            with contextlib.suppress(AssertionError):
                agent.stop()
        self.engine.stop()


def run_in(namespace: str, *command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a namespace to its end."""
    return subprocess.run(
        ["ip", "netns", "exec", namespace, *command], capture_output=True, text=True, check=False, timeout=60
    )


@contextlib.contextmanager
def serve(namespace: str, address: str, ports: tuple[int, ...] = PORTS) -> Iterator[None]:
    """Listen in a namespace; whoever connects is told the port."""
    code = (
        "import socket, sys, threading\n"
        "def serve(listener, port):\n"
        "    while True:\n"
        "        taken, _ = listener.accept(); taken.sendall(b'port %d' % port); taken.close()\n"
        "listeners = {int(port): socket.create_server((sys.argv[1], int(port))) for port in sys.argv[2:]}\n"
        "for port, listener in listeners.items(): threading.Thread(target=serve, args=(listener, port)).start()\n"
        "print('ready', flush=True)\n"
    )
    words = [sys.executable, "-c", code, address, *map(str, ports)]
    with subprocess.Popen(["ip", "netns", "exec", namespace, *words], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()


def reaches(namespace: str, address: str, port: int, *, seconds: float = 2.0) -> bool:
    """Whether a TCP connection from a namespace gets through."""
    code = (
        "import socket, sys\n"
        "with socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])) as line:\n"
        "    assert line.recv(64) == b'port %d' % int(sys.argv[2])\n"
    )
    return run_in(namespace, sys.executable, "-c", code, address, str(port), str(seconds)).returncode == 0
