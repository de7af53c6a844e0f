"""The remote desktop of a device by RDP, in the page: sign in, see, type, copy, a changed certificate, its end, axe."""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.browser.browsing import Desk, desk_at, page_engine, set_up
from tests.browser.test_browser_axe import look
from tests.page.page_build import built_page
from tests.programs.local import local_settings
from tests.programs.programs import AgentProgram, EngineProgram, enrol, wait_for
from tests.programs.xrdp import BACKGROUND, Xrdp

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="accounts and servers take root"),
    pytest.mark.skipif(not all(map(shutil.which, ("xrdp", "xfreerdp", "Xvnc"))), reason="xrdp or FreeRDP is missing"),
]
_SHARE = """([red, green, blue]) => {
  const canvas = document.querySelector("section canvas");
  if (!canvas || !canvas.width) return 0;
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let found = 0;
  for (let at = 0; at < data.length; at += 4)
    found += Math.abs(data[at] - red) + Math.abs(data[at + 1] - green) + Math.abs(data[at + 2] - blue) < 24;
  return (4 * found) / data.length;
}"""


@dataclass
class Scene:
    engine: EngineProgram
    guid: str
    desk: Desk
    xrdp: Xrdp


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    root = tmp_path_factory.mktemp("rdp")
    with Xrdp(root / "xrdp") as xrdp:
        settings = local_settings(BOREALIS_RDP_PORT=str(xrdp.port))
        engine = page_engine(root / "engine", built_page())
        engine.environment.update(settings)
        engine.start()
        agent = AgentProgram(root / "agent", "--installer-code", engine.enrolment_token(), environment=settings)
        try:
            guid = enrol(engine, agent)
            set_up(engine)
            with desk_at(engine) as desk:
                yield Scene(engine, guid, desk, xrdp)
        finally:
            agent.stop()
            engine.stop()


def sign_in(page: Page, xrdp: Xrdp) -> None:
    """Fill in the form, and come to the picture."""
    page.get_by_role("textbox", name="User name").fill(xrdp.user)
    page.get_by_role("textbox", name="Password").fill(xrdp.password)
    page.get_by_role("button", name="Sign in").click()
    wait_for("the session", lambda: float(page.evaluate(_SHARE, list(BACKGROUND))) > 0.7 or None)


def enter(page: Page, line: str, path: Path, wanted: str) -> None:
    """Type a line until it did its work: what comes while a session is just being taken over, its server drops."""
    for _ in range(4):
        page.keyboard.press("Control+u")
        page.keyboard.type(f"{line}\n", delay=20)
        try:
            wait_for(line, lambda: (path.exists() and path.read_text() == wanted) or None, seconds=8)
        except AssertionError:
            continue
        return
    raise AssertionError(f"{line!r} did nothing")


def test_an_operator_signs_in_sees_types_and_leaves(scene: Scene, tmp_path: Path) -> None:
    with scene.desk.window() as window:
        page = window.sign_in("ada", path=f"/devices/{scene.guid}/rdp")
        sign_in(page, scene.xrdp)
        picture = page.locator("section canvas")
        picture.click(position={"x": 200, "y": 200})
        wanted = f"{scene.xrdp.user} was Here\n"
        enter(page, 'echo "$USER was Here" > typed', scene.xrdp.home / "typed", wanted)
        page.screenshot(path=tmp_path / "rdp.png")
        expect(page.get_by_role("table", name="Who has a remote desktop here")).to_contain_text(scene.xrdp.user)
        page.get_by_role("button", name="End", exact=True).click()
        expect(page.get_by_role("table", name="Who has a remote desktop here")).to_have_count(0)
        with scene.engine.owner() as owner:
            assert owner.get("/api/rdp/sessions").json()["sessions"] == []


def test_what_the_device_ends_is_told_and_a_changed_certificate_is_trusted_by_hand(scene: Scene) -> None:
    with scene.desk.window() as window:
        page = window.sign_in("ada", path=f"/devices/{scene.guid}/rdp")
        with scene.engine.owner() as owner:
            known = owner.post("/api/rdp/session", json={"agent_id": scene.guid, "username": "x"})
            assert known.status_code == 200, known.text
        scene.xrdp.new_certificate()
        page.get_by_role("textbox", name="User name").fill(scene.xrdp.user)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("The device shows another certificate than before", exact=True)).to_be_visible()
        page.get_by_role("button", name="I compared it: trust it from now on").click()
        page.get_by_role("textbox", name="Password").fill(scene.xrdp.password)
        page.get_by_role("button", name="Sign in again", exact=True).click()
        wait_for("the session", lambda: float(page.evaluate(_SHARE, list(BACKGROUND))) > 0.7 or None)
        scene.xrdp.end_sessions()
        ended = page.get_by_role("status").filter(has_text="It has ended")
        expect(ended).to_contain_text(re.compile("device|session"))


def test_everybody_can_read_it(scene: Scene) -> None:
    wrong: list[str] = []
    with scene.desk.window() as window:
        window.sign_in("ada", path=f"/devices/{scene.guid}/rdp")
        expect(window.page.get_by_role("button", name="Sign in")).to_be_visible()
        look(window, "rdp", wrong)
    assert wrong == []
