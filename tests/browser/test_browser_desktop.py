"""A desktop in the page: the live screen of a real person, typed text, only looking, the clipboard, a way out, axe."""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.browsing import WIDE, Desk, Window, desk_at, page_engine, set_up
from tests.browser.test_browser_axe import look
from tests.page.page_build import built_page
from tests.programs.desktops import MISSING, SKIP, Person, Seat, a_person, a_seat
from tests.programs.local import local_settings
from tests.programs.programs import AgentProgram, EngineProgram, enrol, wait_for, wait_online

pytestmark = [
    pytest.mark.slow,
    pytest.mark.root,
    pytest.mark.timeout(240),
    pytest.mark.skipif(SKIP, reason=f"needs root, and {MISSING or 'Linux'}"),
]
# How many points of the picture have the terminal's colour; JPEG may have changed it a little.
_COUNT = """([red, green, blue]) => {
  const canvas = document.querySelector("canvas");
  if (!canvas || !canvas.width) return 0;
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let found = 0;
  for (let at = 0; at < data.length; at += 4)
    found += Math.abs(data[at] - red) + Math.abs(data[at + 1] - green) + Math.abs(data[at + 2] - blue) < 24;
  return found;
}"""
TERMINAL = [0x10, 0x20, 0x40]
OTHER = [0xA0, 0xE0, 0x40]


@dataclass
class Scene:
    engine: EngineProgram
    agent: AgentProgram
    guid: str
    desk: Desk
    person: Person

    def policy(self, **changes: Any) -> None:
        """What holds for all devices from now on."""
        with self.engine.owner() as owner:
            answer = owner.put("/api/desktop/policy", json={"consent": "never", **changes})
            assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    root = tmp_path_factory.mktemp("desktop")
    settings = local_settings()
    engine = page_engine(root / "engine", built_page())
    engine.environment.update(settings)
    engine.start()
    agent = AgentProgram(root / "agent", "--installer-code", engine.enrolment_token(), environment=settings)
    try:
        guid = enrol(engine, agent)
        set_up(engine)
        with a_person(f"bow{os.getpid()}") as person, desk_at(engine) as desk:
            yield Scene(engine, agent, guid, desk, person)
    finally:
        agent.stop()
        engine.stop()


@pytest.fixture
def seat(scene: Scene) -> Iterator[Seat]:
    with a_seat(scene.person) as made:
        yield made
    scene.policy()


def points(page: Page, colour: list[int]) -> int:
    """How much of this colour is seen."""
    return int(page.evaluate(_COUNT, colour))


def open_desktop(scene: Scene, window: Window) -> Locator:
    """From signing in to the picture."""
    page = window.sign_in("ada", path=f"/devices/{scene.guid}/desktop")
    page.get_by_role("textbox", name="Account").fill(scene.person.name)
    page.get_by_role("button", name="Open the desktop").click()
    return shown(page)


def shown(page: Page) -> Locator:
    """The picture, once the terminal is seen on it."""
    picture = page.locator("section canvas")
    expect(picture).to_be_visible()
    wait_for("the terminal", lambda: points(page, TERMINAL) > 10_000)
    return picture


def click_terminal(picture: Locator) -> None:
    """Where the terminal is, whatever the picture's scale; its corner is at 20, 80 of 1024 x 700."""
    box = picture.bounding_box()
    assert box is not None
    picture.click(position={"x": box["width"] * 0.3, "y": box["height"] * 0.4})


def type_until(page: Page, text: str, path: Path, wanted: str) -> None:
    """A shell may not have come up yet: again, if need be."""
    for _ in range(20):
        page.keyboard.type(text)
        page.keyboard.press("Enter")
        for _ in range(20):
            if path.exists() and path.read_text() == wanted:
                return
            time.sleep(0.1)
    raise AssertionError(f"{path} was not written")


def size_of(picture: Locator) -> tuple[int, int]:
    box = picture.bounding_box() or {"width": 0, "height": 0}
    return round(box["width"]), round(box["height"])


def test_the_live_screen_is_seen_and_what_is_typed_arrives(scene: Scene, seat: Seat, tmp_path: Path) -> None:
    home = scene.person.home
    with scene.desk.window() as window:
        picture = open_desktop(scene, window)
        page = window.page
        expect(page.get_by_text(f"what {scene.person.name} sees")).to_be_visible()
        assert picture.get_attribute("aria-label") == f"The desktop of {device_name(scene)}"
        click_terminal(picture)
        type_until(page, f"printf '[Hello] 42' > {home}/typed", home / "typed", "[Hello] 42")
        seat.start("xterm", "-geometry", "30x8+600+420", "-bg", "#a0e040")
        wait_for("another window", lambda: points(page, OTHER) > 5000)
        page.screenshot(path=tmp_path / "desktop.png")
        # Keys that no browser would let through.
        page.get_by_role("button", name="Keys").click()
        page.get_by_role("menuitem", name="Alt-Tab").click()
        # The clipboard goes there and back, and text is typed where it does not reach.
        page.get_by_role("button", name="Clipboard").click()
        text = page.get_by_label("Clipboard of the desktop")
        text.fill(f"printf pasted > {home}/pasted\n")
        click_terminal(picture)
        page.get_by_role("button", name="Type it there").click()
        wait_for("the text", lambda: (home / "pasted").exists() and (home / "pasted").read_text() == "pasted")
        page.screenshot(path=tmp_path / "clipboard.png")
        # By keyboard: in, and out again by the keys that are told.
        picture.focus()
        page.keyboard.press("Tab")
        expect(picture).to_be_focused()
        page.keyboard.press("Control+Shift+E")
        expect(page.get_by_role("button", name="End", exact=True)).to_be_focused()
        page.get_by_text("Actual size").click()
        wait_for("its actual size", lambda: size_of(picture) == (1024, 700))
        row = page.get_by_role("table", name="Who sees a desktop here").get_by_role("row").filter(has_text="ada")
        expect(row).to_contain_text(scene.person.name)
        page.get_by_role("button", name="End", exact=True).click()
        expect(page.get_by_text("You ended it.")).to_be_visible()
        expect(row).to_be_hidden()
        page.get_by_role("tab", name="Activity").click()
        expect(page.get_by_text(f"Desktop: screen of {scene.person.name}")).to_be_visible()


def test_rejects_what_is_typed_where_only_looking_is_allowed(scene: Scene, seat: Seat) -> None:
    scene.policy(view_only=True)
    path = scene.person.home / "not-typed"
    with scene.desk.window(scheme="dark") as window:
        picture = open_desktop(scene, window)
        page = window.page
        expect(page.get_by_text("view only: keys and pointer go nowhere")).to_be_visible()
        expect(page.get_by_label("View only")).to_be_disabled()
        click_terminal(picture)
        page.keyboard.type(f"touch {path}\n")
        seat.start("xterm", "-geometry", "30x8+600+420", "-bg", "#a0e040")
        wait_for("another window", lambda: points(page, OTHER) > 5000)
    assert not path.exists()


def test_the_user_is_asked_and_says_no_then_yes_and_ends_it(scene: Scene, seat: Seat) -> None:
    scene.policy(consent="ask", ask_seconds=60)
    with scene.desk.window() as window:
        page = window.sign_in("ada", path=f"/devices/{scene.guid}/desktop")
        page.get_by_role("textbox", name="Account").fill(scene.person.name)
        expect(page.get_by_text("Policy here: users are asked, 60 s.")).to_be_visible()
        page.get_by_role("button", name="Open the desktop").click()
        answer(page, seat, 80)
        expect(page.get_by_text("The user did not allow it.")).to_be_visible()
        page.get_by_role("button", name="Open the desktop again").click()
        answer(page, seat, 220)
        shown(page)


def answer(page: Page, seat: Seat, from_right: int) -> None:
    """As the user does; ``from_right`` is where the button is."""
    expect(page.get_by_text("The user of the device is asked")).to_be_visible()
    expect(page.get_by_text(re.compile(r"\d+ s left"))).to_be_visible()
    x, y, width, height = seat.wait_window("Borealis: a request")
    time.sleep(1.2)  # a click sooner than that counts for nothing
    seat.click(x + width - from_right, y + height - 30)


def test_survives_an_engine_that_restarts(scene: Scene, seat: Seat) -> None:
    with scene.desk.window() as window:
        window.expect_while_away()
        open_desktop(scene, window)
        page = window.page
        scene.engine.kill()
        expect(page.get_by_text("It is taken up again.")).to_be_visible()
        scene.engine.start()
        wait_online(scene.engine, scene.agent)
        page.locator("section[data-state=on]").wait_for(timeout=60_000)
        shown(page)


def test_desktops_keep_nobody_out(scene: Scene, seat: Seat, tmp_path: Path) -> None:
    """axe before a desktop is open, with one, its panel and its menu, and on the policy; both colours and widths."""
    wrong: list[str] = []
    with scene.desk.window() as window:
        page = window.sign_in("ada", path=f"/devices/{scene.guid}/desktop")
        look(window, "no desktop", wrong)
        page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
        page.get_by_role("textbox", name="Account").fill(scene.person.name)
        page.get_by_role("button", name="Open the desktop").click()
        shown(page)
        page.get_by_role("button", name="Clipboard").click()
        look(window, "a desktop", wrong)
        page.screenshot(path=tmp_path / "narrow.png", full_page=True)
        page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
        page.get_by_role("button", name="Keys").click()
        look(window, "its keys", wrong)
        page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
        window.open("/sites")
        page.get_by_role("button", name="Change the policy of all sites").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("combobox", name="Is the signed-in user asked first?").click()
        page.get_by_role("option", name="Yes: no answer is a no").click()
        dialog.get_by_label("Seconds for an answer").fill("45")
        look(window, "a policy", wrong)
        dialog.get_by_role("button", name="Save").click()
        expect(page.get_by_text("users are asked, 45 s")).to_be_visible()
    assert not wrong, "\n".join(wrong)


def device_name(scene: Scene) -> str:
    """What the Engine calls it."""
    with scene.engine.owner() as owner:
        return str(owner.get(f"/api/devices/{scene.guid}").json()["hostname"])
