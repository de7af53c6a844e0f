"""A playbook from its options to its recap, on the page, with a real agent and real Ansible."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.browser.browsing import WIDE, Desk, Window
from tests.browser.test_browser_axe import look
from tests.programs.ansible_env import lend_ansible
from tests.programs.programs import AgentProgram, EngineProgram, enrol

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def agent(engine: EngineProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProgram]:
    root = tmp_path_factory.mktemp("agent") / "agent"
    lend_ansible(root)
    program = AgentProgram(root, "--installer-code", engine.enrolment_token())
    try:
        enrol(engine, program)
        yield program
    finally:
        program.stop()


@pytest.fixture(scope="module")
def window(engine: EngineProgram, desk: Desk) -> Iterator[Window]:
    with desk.window() as opened:
        yield opened


def playbook(target: Path) -> str:
    return f"""- name: One file
  hosts: all
  gather_facts: false
  tasks:
    - name: Write the greeting
      ansible.builtin.copy: {{dest: "{target}", content: "hello\\n"}}
    - name: Left out
      ansible.builtin.command: "true"
      tags: [slow]
    - name: Look for what is not there
      ansible.builtin.command: ls /nowhere/at/all
      check_mode: false
"""


def write(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="The script").click()
    page.keyboard.insert_text(text)


def looked_at(window: Window, place: str, wrong: list[str]) -> None:
    """By axe in every width and colour; then wide again."""
    look(window, place, wrong)
    window.page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})


def test_a_playbook_is_composed_checked_and_its_recap_read(window: Window, agent: AgentProgram, tmp_path: Path) -> None:
    target = tmp_path / "greeting"
    wrong: list[str] = []
    page = window.sign_in("ada", path=f"/run?devices={agent.guid}")
    page.get_by_label("Name").first.fill("Greet")
    page.get_by_role("combobox", name="Type").click()
    page.get_by_role("option", name="Playbook", exact=True).click()
    expect(page.get_by_role("radiogroup", name="Runs as")).to_be_hidden()
    write(page, playbook(target))
    page.get_by_label("Check only: change nothing").check()
    page.get_by_label("Show differences").check()
    page.get_by_label("Not these tags").fill("slow")
    page.get_by_label("Vault password", exact=True).fill("open sesame")
    looked_at(window, "/run with a playbook", wrong)
    page.get_by_role("button", name="Run", exact=False).last.click()
    expect(page.get_by_text("1 device: 1 failed")).to_be_visible()
    expect(page.get_by_text("1 ok, 1 changed, 1 failed")).to_be_visible()
    page.get_by_role("button", name="What was asked").click()
    asked = page.get_by_role("dialog", name="What was asked")
    expect(asked.get_by_text("check only, nothing is changed; differences shown; without tags slow")).to_be_visible()
    expect(asked.get_by_text("open sesame")).to_have_count(0)
    asked.get_by_role("button", name="Close").click()
    expect(asked).to_be_hidden()

    page.get_by_role("list", name="Devices").get_by_role("button").click()
    page.get_by_role("link", name="Run", exact=True).last.click()
    tasks = page.get_by_role("table", name="Tasks")
    row = tasks.get_by_role("row").filter(has_text="Write the greeting")
    expect(row.get_by_text("changed", exact=True)).to_be_visible()
    failed = tasks.get_by_role("row").filter(has_text="Look for what is not there")
    expect(failed.get_by_text("failed", exact=True)).to_be_visible()
    expect(failed.get_by_text("/nowhere/at/all")).to_be_visible()
    expect(tasks.get_by_text("Left out")).to_have_count(0)
    expect(page.get_by_text("Nothing was.")).to_be_visible()
    looked_at(window, "the tasks of a playbook", wrong)
    page.get_by_role("radiogroup", name="Which tasks").get_by_text("Failed").click()
    expect(row).to_have_count(0)
    page.get_by_role("radiogroup", name="What to show").get_by_text("Output").click()
    expect(page.get_by_text("TASK [Write the greeting]")).to_be_visible()
    expect(page.get_by_text("+hello")).to_be_visible()
    assert not target.exists()
    assert wrong == []
