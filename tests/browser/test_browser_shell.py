"""A shell in the page: typed text, whole-screen programs, colours, tabs, a lost Engine, a reload, and the recording."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.browser.browsing import Desk, desk_at, page_engine, set_up
from tests.browser.test_browser_axe import look
from tests.page.page_build import built_page
from tests.programs.local import local_settings
from tests.programs.programs import AgentProgram, EngineProgram, enrol, wait_online

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform == "win32", reason="the terminal is a POSIX one"),
]
PROMPT = re.compile(r"[#$] *$", re.MULTILINE)


@dataclass
class Scene:
    engine: EngineProgram
    agent: AgentProgram
    guid: str
    desk: Desk


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    root = tmp_path_factory.mktemp("shell")
    settings = local_settings()
    engine = page_engine(root / "engine", built_page())
    engine.environment.update(settings)
    engine.start()
    agent = AgentProgram(root / "agent", "--installer-code", engine.enrolment_token(), environment=settings)
    try:
        guid = enrol(engine, agent)
        set_up(engine)
        with desk_at(engine) as desk:
            yield Scene(engine, agent, guid, desk)
    finally:
        agent.stop()
        engine.stop()


def screen_text(page: Page) -> str:
    """What the terminal shows, line by line."""
    lines = page.locator(".xterm-rows > div").all_inner_texts()
    return "\n".join(line.replace("\u00a0", " ").rstrip() for line in lines)


def shows(page: Page, wanted: str | re.Pattern[str]) -> None:
    expect(page.locator(".xterm-rows")).to_contain_text(wanted, use_inner_text=True)


def open_shell(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^(Open a|Another) shell$")).click()
    expect(page.get_by_role("status").filter(has_text=" as ")).to_be_visible()
    shows(page, PROMPT)


def type_in(page: Page, text: str) -> None:
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def test_typed_text_arrives_and_whole_screen_programs_draw(scene: Scene, tmp_path: Path) -> None:
    with scene.desk.window() as window:
        page = window.sign_in("ada", path=f"/devices/{scene.guid}/shell")
        open_shell(page)
        type_in(page, "PS1='> '; clear; echo gr\u00fc\u00df $((40+2)); ls -d --color=always /")
        shows(page, "gr\u00fc\u00df 42")
        size = page.locator(".xterm-rows > div").count()
        type_in(page, "stty size")
        shows(page, re.compile(rf"{size} \d+"))
        page.screenshot(path=tmp_path / "prompt.png")
        type_in(page, "top")
        shows(page, "load average")
        shows(page, "PID")
        page.screenshot(path=tmp_path / "top.png")
        page.keyboard.press("q")
        shows(page, re.compile("^> *$", re.MULTILINE))
        type_in(page, "clear; vim.tiny -u NONE /tmp/of-no-file")
        shows(page, re.compile("~\\s*~\\s*~"))
        page.keyboard.press("i")
        page.keyboard.type("typed into vim")
        shows(page, "typed into vim")
        page.screenshot(path=tmp_path / "vim.png")
        page.keyboard.press("Escape")
        type_in(page, ":q!")
        # Programs that use the whole screen throw away what is typed before they have left.
        expect(page.locator(".xterm-rows")).not_to_contain_text("typed into vim", use_inner_text=True)
        type_in(page, "clear; echo back$((1+1)); sleep 1000")
        shows(page, "back2")
        page.keyboard.press("Control+c")
        shows(page, "^C")
        type_in(page, "clear; exit 3")
        expect(page.get_by_text("The shell ended with status 3.")).to_be_visible()
        # What it printed is there to be played.
        page.reload()
        page.get_by_role("link", name="Play").first.click()
        expect(
            page.get_by_role("button", name="Pause").or_(page.get_by_role("button", name="Play again"))
        ).to_be_visible()
        expect(page.get_by_role("button", name="Play again")).to_be_visible(timeout=60_000)
        page.screenshot(path=tmp_path / "played.png")


def test_survives_an_engine_that_restarts_and_a_reload_without_losing_the_screen(scene: Scene) -> None:
    with scene.desk.window(scheme="dark") as window:
        window.expect_while_away()
        page = window.sign_in("ada", path=f"/devices/{scene.guid}/shell")
        open_shell(page)
        type_in(page, "PS1='> '; clear; echo first$((1+1)); X=kept")
        shows(page, "first2")
        open_shell(page)
        expect(page.get_by_role("tab", name=re.compile("^[12] "))).to_have_count(2)
        page.get_by_role("tab", name=re.compile("^1 ")).click()
        shows(page, "first2")
        scene.engine.stop()
        expect(page.get_by_text("The connection to the shell was lost")).to_be_visible()
        shows(page, "first2")
        scene.engine.start()
        wait_online(scene.engine, scene.agent)
        expect(page.get_by_text("The connection to the shell was lost")).to_be_hidden(timeout=60_000)
        page.locator(".xterm-helper-textarea").focus()
        type_in(page, "echo second-$X")
        shows(page, "second-kept")
        assert screen_text(page).count("first2") == 1
        page.reload()
        page.get_by_role("tab", name=re.compile("^1 ")).click()
        shows(page, "second-kept")
        page.locator(".xterm-helper-textarea").focus()
        type_in(page, "echo third-$X")
        shows(page, "third-kept")
        for number in (1, 2):
            page.get_by_role("tab", name=re.compile(f"^{number} ")).click()
            page.get_by_role("button", name=f"Close shell {number}").click()
        expect(page.get_by_text("No shell is open on")).to_be_visible()


def test_shells_keep_nobody_out(scene: Scene) -> None:
    """axe on the tab with nothing open, with a shell, and on a recording; light and dark, wide and narrow."""
    wrong: list[str] = []
    with scene.desk.window() as window:
        page = window.sign_in("ada", path=f"/devices/{scene.guid}/shell")
        look(window, "no shell", wrong)
        open_shell(page)
        type_in(page, "ls --color=always -la /; echo done$((1+1))")
        shows(page, "done2")
        look(window, "a shell", wrong)
        page.get_by_role("button", name="Close shell 1").click()
        page.reload()
        page.get_by_role("link", name="Play").first.click()
        expect(page.get_by_role("button", name="Download")).to_be_visible()
        look(window, "a recording", wrong)
    assert not wrong, "\n".join(wrong)
