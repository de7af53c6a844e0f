"""From the one-time link to the output of a script, and through an absence of the device and of the Engine.

One story in parts: each part goes on where the one before ended.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.browsing import PASSWORD, Desk, Window, setup_fragment
from tests.journeys.test_journey_enrol import fingerprint_of
from tests.programs.programs import AgentProgram, EngineProgram

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def window(desk: Desk) -> Iterator[Window]:
    with desk.window() as opened:
        yield opened


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProgram]:
    program = AgentProgram(tmp_path_factory.mktemp("agent") / "agent")
    yield program
    program.stop()


def row(page: Page) -> Locator:
    return page.get_by_role("grid").locator("[data-place='0']")


def run_script(page: Page, script: str) -> None:
    """Write a script on the page that is for it, and start it."""
    editor = page.get_by_role("textbox", name="The script")
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(script)
    page.get_by_role("button", name="Run", exact=False).first.click()
    page.wait_for_url(re.compile("/jobs/"))


def test_the_one_time_link_makes_the_first_operator(fresh_engine: EngineProgram, window: Window) -> None:
    page = window.open(setup_fragment(fresh_engine))
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Your name").fill("Ada Lovelace")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The password again").fill(PASSWORD)
    page.get_by_role("button", name="Make the operator and sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert "#" not in page.url, "the secret is gone from the address"
    page.get_by_role("button", name="Account of Ada Lovelace").click()
    page.get_by_role("menuitem", name="Sign out").click()
    window.sign_in("ada", path="/devices")
    expect(page).to_have_url(re.compile("/devices$"))
    assert page.evaluate("Object.entries(localStorage).filter(([name, value]) => value.length > 200)") == []


def test_a_device_knocks_and_is_let_in(window: Window, agent: AgentProgram) -> None:
    page = window.page
    page.get_by_role("link", name="Enrol", exact=True).click()
    page.get_by_role("button", name="Make a token").click()
    page.get_by_role("tab", name="Token alone").click()
    page.get_by_role("button", name="Copy token").click()
    token = page.evaluate("navigator.clipboard.readText()")
    assert token.startswith(window.url + "#")
    agent.command += ["--installer-code", token]
    agent.start()
    card = page.get_by_role("article", name="waits for approval")
    expect(card).to_be_visible()
    # What a person compares: the groups on the page, and what the device itself says.
    shown = card.get_by_role("img", name="Fingerprint")
    assert "".join(shown.inner_text().split()) == fingerprint_of(agent).replace(":", "")
    card.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("came in")).to_be_visible()
    page.get_by_role("link", name="Devices", exact=True).click()
    expect(row(page)).to_contain_text("Online")


def test_a_script_runs_and_its_output_comes_live(window: Window) -> None:
    page = window.page
    row(page).get_by_role("link").click()
    page.get_by_role("button", name="Run a script").click()
    run_script(page, "echo one; echo oops >&2; for n in 1 2 3; do sleep 1; echo tick $n; done")
    output = page.get_by_role("log", name="Lines of output")
    expect(output).to_contain_text("one")
    # Live: the first lines are there while the last one is not.
    expect(output).not_to_contain_text("tick 3", timeout=1)
    expect(page.get_by_role("status").filter(has_text="1 done")).to_be_visible()
    expect(output).to_contain_text("tick 3")
    expect(output.locator("[data-stream='stderr']")).to_contain_text("oops")


def test_the_log_of_a_devices_agent_is_read_when_asked_for(window: Window) -> None:
    page = window.page
    came_from = page.url
    page.get_by_role("link", name="Devices", exact=True).click()
    row(page).get_by_role("link").click()
    page.get_by_role("tab", name="Logs").click()
    page.get_by_role("button", name="Read the agent's log").click()
    log = page.get_by_role("region", name="End of the log agent.log")
    expect(log).to_contain_text("agent starts")
    page.get_by_label("Lines with").fill("enrolled:")
    expect(log).to_contain_text("an operator approved this device")
    expect(log).not_to_contain_text("agent starts")
    page.goto(came_from)


def test_a_run_that_hangs_is_cancelled(window: Window) -> None:
    page = window.page
    page.get_by_role("link", name="Run again").click()
    expect(page.get_by_role("heading", name="Run a script")).to_be_visible()
    run_script(page, "echo waiting; sleep 600")
    expect(page.get_by_role("log", name="Lines of output")).to_contain_text("waiting")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the run").click()
    expect(page.get_by_role("list", name="Devices")).to_contain_text("cancelled by an operator")


def test_a_device_goes_away_and_comes_back_under_the_readers_eyes(window: Window, agent: AgentProgram) -> None:
    page = window.page
    page.get_by_role("link", name="Devices", exact=True).click()
    expect(row(page)).to_contain_text("Online")
    agent.stop()
    expect(row(page)).to_contain_text("Offline")
    agent.start()
    expect(row(page)).to_contain_text("Online", timeout=40_000)


def test_survives_an_engine_that_restarts_in_the_middle_of_a_run(window: Window, fresh_engine: EngineProgram) -> None:
    page = window.page
    row(page).get_by_role("link").click()
    page.get_by_role("button", name="Run a script").click()
    run_script(page, "for n in 1 2 3 4 5 6 7 8; do echo line $n; sleep 1; done")
    output = page.get_by_role("log", name="Lines of output")
    expect(output).to_contain_text("line 1")
    window.expect_while_away()
    fresh_engine.stop()
    banner = page.get_by_text("The Engine has been away since")
    expect(banner).to_be_visible()
    expect(output).to_contain_text("line 1")
    fresh_engine.start()
    expect(banner).not_to_be_visible(timeout=40_000)
    expect(page.get_by_role("status").filter(has_text="1 done")).to_be_visible(timeout=60_000)
    # Pieces that came after the return are shown at once; what was said during the absence comes with the result.
    expect(output.locator("[data-index]")).to_have_text([f"line {number}" for number in range(1, 9)])


def test_a_stolen_device_is_cut_off(window: Window, agent: AgentProgram) -> None:
    page = window.page
    page.get_by_role("link", name="Devices", exact=True).click()
    name = row(page).get_by_role("link").inner_text()
    row(page).get_by_role("link").click()
    page.get_by_role("button", name="Change").click()
    page.get_by_role("menuitem", name="Revoke…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Revoke", exact=True)).to_be_disabled()
    dialog.get_by_label("to go on").fill(name)
    dialog.get_by_role("button", name="Revoke", exact=True).click()
    expect(page.get_by_text("This device is revoked")).to_be_visible()
    expect(page.get_by_text("here now")).not_to_be_visible()
