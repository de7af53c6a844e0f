"""An agent that is out of date: seen on the page, updated from there, and why it was not where it was not."""

import hashlib
import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from tests.browser.browsing import WIDE, Desk, Window
from tests.browser.test_browser_axe import look
from tests.programs.programs import AgentProgram, EngineProgram, enrol

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

BUILD = "b" * 16


@pytest.fixture(scope="module")
def agent(engine: EngineProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProgram]:
    """A real one from the source tree, and an Engine that hands out another build."""
    folder, content = engine.root / "Engine" / "Code", b"what the bootstrap packed"
    folder.mkdir()
    (folder / "agent-build").write_text(BUILD + "\n")
    (folder / "agent-package.tar.gz").write_bytes(content)
    told = {"build_id": BUILD, "release": "9", "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    (folder / "agent-package.json").write_text(json.dumps(told))
    program = AgentProgram(tmp_path_factory.mktemp("agent") / "agent", "--installer-code", engine.enrolment_token())
    try:
        enrol(engine, program)
        yield program
    finally:
        program.stop()


@pytest.fixture(scope="module")
def window(engine: EngineProgram, desk: Desk) -> Iterator[Window]:
    with desk.window() as opened:
        yield opened


def test_a_device_whose_agent_is_out_of_date_says_so_and_why_it_was_not_updated(
    window: Window, agent: AgentProgram
) -> None:
    wrong: list[str] = []
    page = window.sign_in("ada", path=f"/devices/{agent.guid}")
    note = page.get_by_role("alert").filter(has_text="The agent is out of date")
    expect(note).to_contain_text("the one that belongs to this Engine is bbbbbbbb")
    look(window, "out of date", wrong)
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    note.get_by_role("button", name="Update the agent").press("Enter")
    refused = page.get_by_role("alert").filter(has_text="The agent was not updated")
    # It runs from the source tree, and nothing could bring that back.
    expect(refused).to_contain_text("not_updatable")
    expect(refused.get_by_role("button", name="Try again")).to_be_visible()
    look(window, "not updated", wrong)
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    assert not wrong, "\n".join(wrong)


def test_the_figure_leads_to_the_list_and_the_list_to_the_update(window: Window, agent: AgentProgram) -> None:
    wrong: list[str] = []
    page = window.open("/")
    page.get_by_role("link", name="Agents out of date").click()
    page.get_by_role("checkbox").nth(1).check()
    page.get_by_role("button", name="Update agents").click()
    dialog = page.get_by_role("dialog", name="Update the agent of 1 device?")
    expect(dialog).to_contain_text("goes back to the version before by itself")
    look(window, "the question", wrong)
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    dialog.get_by_role("button", name="Update", exact=True).click()
    expect(page.get_by_text("Updating the agent of 1 device.")).to_be_visible()
    expect(page.get_by_role("region", name="Selected devices")).to_be_hidden()
    assert not wrong, "\n".join(wrong)
