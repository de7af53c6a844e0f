"""``borealis desktop`` and ``desktops``: what is asked of the Engine, what is told, and a viewer on this machine."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.cli_world import CliWorld
from tests.fakes.fake_rest import GUID, NOW, Authority
from websockets.sync.server import ServerConnection, serve

OPEN = {
    "id": "c1", "guid": GUID, "hostname": "lab", "username": "ada", "user": "otto", "kind": "screen",
    "view_only": True, "since": NOW - 60,
}  # fmt: skip
POLICY = {"site_id": None, "consent": "never", "ask_seconds": 30, "view_only": False, "updated_at": None}
TICKET = {"token": "t1", "path": "/api/desktop/stream", "session_id": "s1", "view_only": False, "consent": "ask"}
OPENED = json.dumps({"event": "opened", "user": "otto"})


def engine(cli: CliWorld) -> CliWorld:
    sites = [{"id": 7, "name": "Hamburg", "device_count": 1, "description": ""}]
    own = {**POLICY, "site_id": 7, "consent": "ask", "ask_seconds": 45, "updated_by": "ada"}
    cli.rest.routes |= {
        "GET /api/devices": (200, {"devices": [{"hostname": "lab", "guid": GUID}]}),
        "GET /api/sites": (200, {"sites": sites}),
        "GET /api/desktop/sessions": (200, {"sessions": [OPEN]}),
        "DELETE /api/desktop/sessions/c1": (200, {"status": "ok"}),
        "POST /api/desktop/session": (201, TICKET),
        "GET /api/desktop/policy": (200, {"default": {**POLICY, "updated_by": ""}, "sites": [own]}),
        "PUT /api/desktop/policy": (200, own),
        "DELETE /api/desktop/policy/7": (200, {"status": "ok"}),
    }
    return cli


def test_the_address_of_the_page_is_printed(cli: CliWorld) -> None:
    printed = engine(cli)("desktop", "lab")
    assert (printed.status, printed.err) == (0, "")
    assert printed.out.strip().endswith(f"/devices/{GUID}/desktop")


def test_who_sees_which_desktop_is_listed_and_ended(cli: CliWorld) -> None:
    for words in (("desktops",), ("desktops", "list", "--device", "lab")):
        printed = engine(cli)(*words)
        assert all(word in printed.out for word in ("lab", "ada", "otto", "view only"))
    assert engine(cli)("desktops", "list", "--json").json == {"sessions": [OPEN]}
    assert engine(cli)("desktops", "end", "c1").status == 0
    assert cli.rest.asked[-1].method == "DELETE"


def test_a_policy_is_shown_changed_and_taken_away(cli: CliWorld) -> None:
    printed = engine(cli)("desktops", "policy")
    assert "Hamburg" in printed.out
    assert "asked, 45 s" in printed.out
    engine(cli)("desktops", "policy", "--site", "Hamburg", "--view-only")
    wanted = {"site_id": 7, "consent": "ask", "ask_seconds": 45, "view_only": True}
    assert cli.rest.bodies("PUT /api/desktop/policy") == [wanted]
    engine(cli)("desktops", "policy", "--consent", "ask", "--seconds", "60")
    assert cli.rest.bodies("PUT /api/desktop/policy")[-1] == {
        "site_id": None,
        "consent": "ask",
        "ask_seconds": 60,
        "view_only": False,
    }
    engine(cli)("desktops", "policy", "--site", "Hamburg", "--inherit")
    assert any(asked.path == "/api/desktop/policy/7" for asked in cli.rest.asked)


@pytest.mark.parametrize(
    "words",
    [
        ("desktop", "lab", "--own"),
        ("desktop", "lab", "--size", "100x100"),
        ("desktop", "lab", "--size", "big"),
        ("desktops", "policy", "--consent", "maybe"),
        ("desktops", "policy", "--inherit"),
    ],
)
def test_rejects_what_makes_no_sense(cli: CliWorld, words: tuple[str, ...]) -> None:
    printed = engine(cli)(*words)
    assert printed.status == 2
    assert printed.err


class Door:
    """The Engine's socket door, on this machine."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.came = b""
        self.refuse = False

    def __call__(self, line: ServerConnection) -> None:
        request = line.request
        assert request is not None
        self.asked.append((request.path, request.headers["Authorization"]))
        line.send(json.dumps({"event": "wait", "seconds": 30, "why": "otto is asked"}))
        if self.refuse:
            line.send(json.dumps({"event": "closed", "error": "desktop_refused", "detail": "otto said no."}))
            return
        line.send(OPENED)
        line.send(b"RFB 003.008\n")
        while len(self.came) < 12:
            data = line.recv(10)
            assert isinstance(data, bytes)
            self.came += data
        line.send(json.dumps({"event": "closed", "error": "", "detail": "ada ended it."}))


@contextlib.contextmanager
def door(cli: CliWorld, tmp_path: Path) -> Iterator[Door]:
    """A door that this command line knocks at."""
    made, authority = Door(), Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.chain_path, authority.key_path)
    with serve(made, "127.0.0.1", 0, ssl=context) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        bundle = cli.root / "Engine" / "Certificates" / "borealis-server-bundle.pem"
        bundle.write_text(authority.ca_pem)
        cli.environ["BOREALIS_ENGINE_PORT"] = str(port)
        yield made


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Viewer(threading.Thread):
    """A VNC viewer that says one thing."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.heard = b""

    def run(self) -> None:
        for _ in range(400):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 20) as line:
                self.heard = line.recv(12)
                if self.heard:
                    line.sendall(b"RFB 003.008\n")
                while data := line.recv(100):
                    self.heard += data
                return
            threading.Event().wait(0.05)


def test_a_viewer_on_this_machine_is_carried(cli: CliWorld, tmp_path: Path) -> None:
    port = free_port()
    with door(engine(cli), tmp_path) as made:
        viewer = Viewer(port)
        viewer.start()
        printed = cli("desktop", "lab", "--listen", str(port), "--view-only", "-u", "otto")
        viewer.join(20)
    assert (printed.status, viewer.heard, made.came) == (0, b"RFB 003.008\n", b"RFB 003.008\n")
    assert f"127.0.0.1 port {port}" in printed.out
    assert "otto is asked (30 s)" in printed.err
    assert "ada ended it." in printed.err
    assert made.asked == [("/api/desktop/stream?token=t1", "Bearer bor_owner_test")]
    (asked,) = cli.rest.bodies("POST /api/desktop/session")
    assert (asked["agent_id"], asked["kind"], asked["user"], asked["view_only"]) == (GUID, "screen", "otto", True)


def test_a_refusal_is_told(cli: CliWorld, tmp_path: Path) -> None:
    port = free_port()
    with door(engine(cli), tmp_path) as made:
        made.refuse = True
        viewer = Viewer(port)
        viewer.start()
        printed = cli("desktop", "lab", "--listen", str(port))
        viewer.join(20)
    assert printed.status == 1
    assert "otto said no." in printed.err
    assert viewer.heard == b""


def test_rejects_a_port_that_is_taken(cli: CliWorld) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        printed: Any = engine(cli)("desktop", "lab", "--listen", str(port))
    assert printed.status == 1
    assert "cannot be listened on" in printed.err
