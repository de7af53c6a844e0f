"""Forwarded ports in the page: who forwards what, how much went through, and ending one."""

import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect
from tests.browser.browsing import Desk, desk_at, page_engine, set_up
from tests.browser.test_browser_axe import look
from tests.page.page_build import built_page
from tests.programs.forwards import forwarding, tcp_server
from tests.programs.local import local_settings
from tests.programs.programs import AgentProgram, EngineProgram, enrol

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform == "win32", reason="the programs are POSIX ones"),
]


@dataclass
class Scene:
    engine: EngineProgram
    guid: str
    desk: Desk


@pytest.fixture
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    root = tmp_path_factory.mktemp("forward")
    settings = local_settings()
    engine = page_engine(root / "engine", built_page())
    engine.environment.update(settings)
    engine.start()
    agent = AgentProgram(root / "agent", "--installer-code", engine.enrolment_token(), environment=settings)
    try:
        guid = enrol(engine, agent)
        set_up(engine)
        with desk_at(engine) as desk:
            yield Scene(engine, guid, desk)
    finally:
        agent.stop()
        engine.stop()


def echo(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)


def test_a_forward_is_seen_where_the_tunnel_is_and_ended_there(scene: Scene) -> None:
    with scene.desk.window() as window, tcp_server(echo) as target:
        page = window.sign_in("ada", path=f"/devices/{scene.guid}/network")
        expect(page.get_by_role("heading", name="Tunnel")).to_be_visible()
        expect(page.get_by_role("heading", name="Forwarded ports")).to_have_count(0)
        with forwarding(scene.engine.root, scene.guid, f"0:127.0.0.1:{target}") as program:
            with socket.create_connection(("127.0.0.1", program.ports()[0]), 30) as line:
                line.sendall(b"x" * 2048)
                assert line.recv(1) == b"x"
                table = page.get_by_role("table", name="Forwarded ports")
                row = table.get_by_role("row").filter(has_text=f"127.0.0.1 port {target}")
                expect(row).to_contain_text("1 of 1", timeout=20_000)
                expect(row).to_contain_text(re.compile(r"2(\.0)? k(i)?B", re.IGNORECASE))
                wrong: list[str] = []
                look(window, "forwarded ports", wrong)
                assert wrong == []
                page.set_viewport_size({"width": 1280, "height": 800})
                row.get_by_role("button", name="End the forward").click()
                expect(table).to_have_count(0, timeout=20_000)
                with pytest.raises(ConnectionResetError):
                    while line.recv(65536):
                        pass
            assert program.ended() == 1
            assert "ada ended it." in program.err
