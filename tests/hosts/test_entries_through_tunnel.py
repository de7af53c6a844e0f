"""Forwards, files and desktops by the real programs, through a real WireGuard tunnel: what passes, what does not."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.hosts.lan import Lan, TunnelHosts, run_in
from tests.programs.desktops import MISSING, a_person
from tests.programs.forwards import Forwarding, forwarding
from tests.programs.programs import DATA, base_environment, wait_for
from tests.programs.xrdp import AVAILABLE as RDP_AVAILABLE
from tests.programs.xrdp import Xrdp

pytestmark = [pytest.mark.slow, pytest.mark.root, pytest.mark.timeout(400)]
PORT = 47004
MIB = 1024 * 1024
CUT_SECONDS = 60

SERVER = """
import socket, sys, threading
def serve(taken):
    try:
        with taken:
            while data := taken.recv(65536): taken.sendall(data)
    except OSError: pass
listener = socket.create_server((sys.argv[1], 0))
print(listener.getsockname()[1], flush=True)
while True: threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
"""Says back what it hears, to the end."""

WHOLE = """
import hashlib, socket, sys, threading
sent = bytes(range(256)) * 4096 * int(sys.argv[2])
with socket.create_connection(('127.0.0.1', int(sys.argv[1])), 30) as line:
    def say():
        line.sendall(sent); line.shutdown(socket.SHUT_WR)
    threading.Thread(target=say).start()
    heard = hashlib.sha256()
    while data := line.recv(65536): heard.update(data)
print(heard.digest() == hashlib.sha256(sent).digest())
"""
"""Sends so many MiB and hears them again."""

TALK = """
import socket, sys
with socket.create_connection(('127.0.0.1', int(sys.argv[1])), 30) as line, line.makefile('rb') as heard:
    for word in sys.stdin:
        line.sendall(word.encode()); print(heard.readline().decode(), end='', flush=True)
"""
"""One connection that says each line that it is given, and prints what comes back."""

DESKTOP = """
import httpx, json, ssl, sys
from websockets.sync.client import connect
ca, token, guid, user = sys.argv[1:]
head = {'Authorization': 'Bearer ' + token}
answer = httpx.post('https://127.0.0.1:5000/api/desktop/session', verify=ca, trust_env=False, timeout=60, headers=head,
                    json={'agent_id': guid, 'kind': 'own', 'user': user})
ticket = answer.json()
url = f"wss://127.0.0.1:5000{ticket['path']}?token={ticket['token']}"
tls = ssl.create_default_context(cafile=ca)
with connect(url, ssl=tls, additional_headers=head, proxy=None, compression=None, open_timeout=30) as line:
    while (said := json.loads(line.recv(90)))['event'] not in ('opened', 'closed'): pass
    print(said)
    if said['event'] == 'opened':
        print(line.recv(30)); line.send(b'RFB 003.008\\n'); print(line.recv(30))
"""
"""Begins a desktop of its own and says hello to it."""

RDP = """
import httpx, json, ssl, sys
from websockets.sync.client import connect
ca, token, guid, user, password = sys.argv[1:]
head = {'Authorization': 'Bearer ' + token}
with httpx.Client(base_url='https://127.0.0.1:5000', verify=ca, trust_env=False, timeout=60, headers=head) as engine:
    engine.post('/api/tunnel/connect', json={'agent_id': guid})
    asked = {'agent_id': guid, 'protocol': 'rdp', 'username': user, 'password': password, 'width': 800, 'height': 600}
    answer = engine.post('/api/rdp/session', json=asked)
print(answer.status_code, answer.text)
if answer.status_code == 200:
    url = f"wss://127.0.0.1:5000/api/rdp/stream?token={answer.json()['token']}"
    tls = ssl.create_default_context(cafile=ca)
    with connect(url, ssl=tls, additional_headers=head, proxy=None, compression=None, open_timeout=30) as line:
        while (said := json.loads(line.recv(90)))['event'] not in ('opened', 'closed'): pass
        print(said)
        if said['event'] == 'opened':
            print(line.recv(30))
"""
"""Signs in to a device's desktop by RDP."""


@pytest.fixture(scope="module")
def lan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TunnelHosts]:
    """An Engine and two devices."""
    needed = ("ip", "wg", "nft", "wireguard-go")
    if os.geteuid() != 0 or not all(shutil.which(name) for name in needed):
        pytest.skip(f"needs root and the programs {', '.join(needed)}")
    with Lan() as network:
        found = TunnelHosts(network, tmp_path_factory.mktemp("entries"), idle_seconds=600)
        try:
            found.start_engine()
            found.guids |= {2: found.join(2), 3: found.join(3)}
            yield found
        finally:
            found.stop()


@pytest.fixture
def hosts(lan: TunnelHosts) -> Iterator[TunnelHosts]:
    """The same for every test, without a tunnel."""
    lan.disconnect_all()
    yield lan
    lan.disconnect_all()


@contextlib.contextmanager
def echo(hosts: TunnelHosts, address: str = "127.0.0.1") -> Iterator[int]:
    """A server of device 2; gives its port."""
    command = ["ip", "netns", "exec", hosts.namespace(2), sys.executable, "-c", SERVER, address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def to(hosts: TunnelHosts, *specs: str) -> "contextlib.AbstractContextManager[Forwarding]":
    """``borealis forward`` on the Engine's machine, to device 2."""
    return forwarding(hosts.engine.root, hosts.guids[2], *specs, before=("ip", "netns", "exec", hosts.lan.engine))


def comes_whole(hosts: TunnelHosts, port: int, mebibytes: int = 8) -> bool:
    done = run_in(hosts.lan.engine, sys.executable, "-c", WHOLE, str(port), str(mebibytes))
    return done.stdout.strip() == "True"


class Talk:
    """One connection through a forward."""

    def __init__(self, hosts: TunnelHosts, port: int) -> None:
        command = ["ip", "netns", "exec", hosts.lan.engine, sys.executable, "-c", TALK, str(port)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)

    def says(self, word: str) -> str:
        """Say it; gives what comes back, empty where the connection is over."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{word}\n")
            self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def __enter__(self) -> "Talk":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def allow(hosts: TunnelHosts, ports: list[int] | None) -> None:
    status, answer = hosts.rest("PUT", f"/api/device/vpn_config/{hosts.guids[2]}", {"allowed_ports": ports})
    assert status == 200, answer


def test_a_forward_brings_the_tunnel_up_and_carries_everything(hosts: TunnelHosts) -> None:
    guid = hosts.guids[2]
    assert hosts.status(guid)["status"] == "down"
    with echo(hosts) as inside, echo(hosts, "192.0.2.2") as beside:
        specs = (f"0:127.0.0.1:{inside}", f"0:192.0.2.2:{beside}")
        with to(hosts, *specs) as program:
            for port in program.ports(2):
                assert comes_whole(hosts, port), program.err

            def went_through_it() -> bool:
                tunnel = hosts.status(guid)
                return bool(tunnel["status"] == "up" and tunnel["received"] > 16 * MIB < tunnel["sent"])

            wait_for("the bytes in WireGuard's own count", went_through_it, seconds=60)
            tunnel = hosts.status(guid)
            address = str(tunnel["virtual_ip"]).removesuffix("/32")
            listening = run_in(hosts.namespace(2), "ss", "-Hltn", f"sport = :{PORT}").stdout.split()
            assert listening[3:4] == [f"{address}:{PORT}"], listening
            with Talk(hosts, port) as talk:
                assert talk.says("here") == "here"
                # Whoever takes the tunnel away takes the forward with it, and is no riddle to who had it.
                hosts.rest("DELETE", f"/api/tunnel/disconnect?agent_id={guid}&everybody=true")
                assert talk.says("there") == ""
            assert program.ended() == 1
            assert "The tunnel to the device was closed." in program.err


def test_a_port_that_is_closed_closes_forwards_and_opens_them_again(hosts: TunnelHosts) -> None:
    with echo(hosts) as target:
        allow(hosts, [47002])
        try:
            with to(hosts, f"0:127.0.0.1:{target}") as program:
                assert program.ended() == 1
                assert "not on the device's list of allowed ports" in program.err
            allow(hosts, [PORT])
            with to(hosts, f"0:127.0.0.1:{target}") as program:
                (port,) = program.ports()
                with Talk(hosts, port) as talk:
                    assert talk.says("open") == "open"
                    allow(hosts, [47002])
                    assert talk.says("closed") == ""
        finally:
            allow(hosts, None)


def test_rejects_what_is_in_the_tunnel_as_a_target(hosts: TunnelHosts) -> None:
    hosts.connect(hosts.guids[3])
    other = str(hosts.status(hosts.guids[3])["virtual_ip"]).removesuffix("/32")
    own = str(hosts.connect(hosts.guids[2])["virtual_ip"]).removesuffix("/32")
    targets = {"10.255.0.1:5000": "(not_allowed)", f"{own}:47002": "(not_allowed)", f"{own}:{PORT}": "(not_allowed)"}
    # Another device's address is no way from here: nothing but the Engine's is routed into the tunnel.
    targets |= {f"{other}:47002": "(unreachable)", "192.0.2.1:5000": "(not_allowed)", "169.254.169.254:80": "(not_"}
    for target, word in targets.items():
        with to(hosts, f"0:{target}") as program:
            assert not comes_whole(hosts, program.ports()[0], 1)
            wait_for(f"a no to {target}", lambda word=word, program=program: word in program.err)  # type: ignore[misc]


def test_survives_a_network_that_is_cut_for_a_minute_and_another_address(hosts: TunnelHosts) -> None:
    """The same connection goes on: nobody at its ends has to know."""
    with echo(hosts) as target, to(hosts, f"0:127.0.0.1:{target}") as program:
        (port,) = program.ports()
        with Talk(hosts, port) as talk:
            assert talk.says("before") == "before"
            hosts.lan.cable(2, "down")
            time.sleep(CUT_SECONDS)
            hosts.lan.cable(2, "up")
            assert talk.says("after") == "after"
            hosts.lan.readdress(2, 9)
            try:
                assert talk.says("elsewhere") == "elsewhere"
            finally:
                hosts.lan.readdress(9, 2, device=2)
            assert talk.says("back") == "back"
            wait_for("the device to be online", lambda: hosts.online(hosts.agents[2]), seconds=90)


def test_survives_kill_9_of_agent_and_engine(hosts: TunnelHosts) -> None:
    with echo(hosts) as target, to(hosts, f"0:127.0.0.1:{target}") as program:
        (port,) = program.ports()
        with Talk(hosts, port) as talk:
            assert talk.says("one") == "one"
            hosts.agents[2].kill()
            assert talk.says("lost") == ""
        hosts.agents[2].start()
        wait_for("a connection by the new agent", lambda: comes_whole(hosts, port, 1), seconds=90)
        with Talk(hosts, port) as talk:
            assert talk.says("two") == "two"
            hosts.engine.kill()
            assert talk.says("lost") == ""
        hosts.start_engine()
        program.ports(2)
        wait_for("a connection by the new Engine", lambda: comes_whole(hosts, port, 1), seconds=90)
    assert program.out.count("leads to") == 2


def listens_on(hosts: TunnelHosts, port: int) -> list[str]:
    """Addresses of device 2 that take connections on a port."""
    lines = run_in(hosts.namespace(2), "ss", "-Hltn", f"sport = :{port}").stdout.splitlines()
    return [line.split()[3].rpartition(":")[0] for line in lines]


def copying(hosts: TunnelHosts, *words: str) -> "subprocess.Popen[str]":
    """``borealis cp`` on the Engine's machine."""
    path = os.pathsep.join(str(DATA / part) for part in ("Shared", "Engine/cli"))
    environment = {**base_environment(), "BOREALIS_ROOT": str(hosts.engine.root), "PYTHONPATH": path}
    command = ["ip", "netns", "exec", hosts.lan.engine, sys.executable, "-m", "borealis_cli", "cp", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def copied(hosts: TunnelHosts, *words: str) -> "subprocess.CompletedProcess[str]":
    """The same, to its end."""
    with copying(hosts, *words) as process:
        out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def test_files_go_through_the_tunnel_there_and_back_and_not_by_a_closed_port(
    hosts: TunnelHosts, tmp_path: Path
) -> None:
    guid, source, there, back = hosts.guids[2], tmp_path / "a", tmp_path / "there", tmp_path / "back"
    source.write_bytes(os.urandom(8 * MIB))
    for words in ((str(source), f"{guid}:{there}"), (f"{guid}:{there}", str(back))):
        done = copied(hosts, *words)
        assert done.returncode == 0, done.stdout + done.stderr
    assert back.read_bytes() == there.read_bytes() == source.read_bytes()
    tunnel = hosts.status(guid)
    assert listens_on(hosts, 47003) == [str(tunnel["virtual_ip"]).removesuffix("/32")]

    def went_through_it() -> bool:
        return all(hosts.status(guid)[way] > 8 * MIB for way in ("sent", "received"))

    wait_for("the bytes in WireGuard's own count", went_through_it, seconds=60)
    allow(hosts, [PORT])
    try:
        done = copied(hosts, str(source), f"{guid}:{there}2")
        assert done.returncode != 0
        assert "not on the device's list of allowed ports" in done.stdout + done.stderr
    finally:
        allow(hosts, None)


def test_whoever_takes_the_tunnel_away_ends_a_copy_at_once(hosts: TunnelHosts, tmp_path: Path) -> None:
    """Nothing comes by it any more, not even the end of a connection: the Engine has to see it by itself."""
    guid, source, there = hosts.guids[2], tmp_path / "large", tmp_path / "large-there"
    with source.open("wb") as file:
        for _ in range(50):
            file.write(os.urandom(8 * MIB))
    with copying(hosts, str(source), f"{guid}:{there}") as process:
        wait_for("some of it", lambda: hosts.status(guid).get("sent", 0) > 16 * MIB, seconds=60)
        hosts.rest("DELETE", f"/api/tunnel/disconnect?agent_id={guid}&everybody=true")
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1, out + err
    assert "The tunnel to the device was closed." in out + err
    assert not there.exists()
    (row, *_) = hosts.rest("GET", f"/api/runs?kind=files&device={guid}")[1]["runs"]
    assert row["status"] == "Interrupted", row


@pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")
def test_a_desktop_goes_through_the_tunnel_and_not_by_a_closed_port(hosts: TunnelHosts) -> None:
    token = (hosts.engine.root / "Engine" / "Data" / "Secrets" / "cli.token").read_text().strip()
    guid = hosts.guids[2]
    with a_person(f"bot{os.getpid()}") as person:
        words = [sys.executable, "-c", DESKTOP, str(hosts.engine.ca_file), token, guid, person.name]
        done = run_in(hosts.lan.engine, *words)
        assert "'event': 'opened'" in done.stdout, done.stdout + done.stderr
        assert "b'RFB 003.008\\n'" in done.stdout
        assert listens_on(hosts, 5900) == [str(hosts.status(guid)["virtual_ip"]).removesuffix("/32")]
        allow(hosts, [PORT])
        try:
            refused = run_in(hosts.lan.engine, *words)
            assert "port_not_allowed" in refused.stdout + refused.stderr, refused.stdout + refused.stderr
        finally:
            allow(hosts, None)
        hosts.disconnect_all()  # and with the tunnel ends what the person's desktop is made of
        gone = lambda: not processes_of(person.uid)  # noqa: E731
        wait_for("the end of the desktop", gone, seconds=60)


@pytest.mark.skipif(not RDP_AVAILABLE, reason="needs xrdp, xfreerdp and Xvnc")
def test_a_desktop_by_rdp_goes_through_the_tunnel_and_not_by_a_closed_port(hosts: TunnelHosts, tmp_path: Path) -> None:
    token = (hosts.engine.root / "Engine" / "Data" / "Secrets" / "cli.token").read_text().strip()
    guid = hosts.guids[2]
    with Xrdp(tmp_path / "xrdp", namespace=hosts.namespace(2), port=3389) as server:
        words = [sys.executable, "-c", RDP, str(hosts.engine.ca_file), token, guid, server.user, server.password]
        done = run_in(hosts.lan.engine, *words)
        assert "'event': 'opened'" in done.stdout, done.stdout + done.stderr + server.log()
        assert "b'RFB 003.008\\n'" in done.stdout
        assert f'"virtual_ip":"{hosts.status(guid)["virtual_ip"]}"'.replace("/32", "") in done.stdout.replace(" ", "")
        allow(hosts, [PORT])
        try:
            refused = run_in(hosts.lan.engine, *words)
            assert "rdp_not_allowed" in refused.stdout, refused.stdout + refused.stderr
        finally:
            allow(hosts, None)


def processes_of(uid: int) -> list[int]:
    """What runs as an account."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            if f"\nUid:\t{uid}\t" in status.read_text():
                found.append(int(status.parent.name))
    return found
