"""A credential and a machine without an agent, made on the page; then a playbook there, over a real sshd."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from tests.browser.browsing import WIDE, Desk, Window
from tests.browser.test_browser_axe import look
from tests.programs.ansible_env import KEPT, ansible_environment
from tests.programs.programs import EngineProgram
from tests.programs.sshd import Sshd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def sshd(engine: EngineProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    ansible_environment()
    controller = engine.root / "Engine" / "Data" / "Controller"
    controller.mkdir(mode=0o700, parents=True, exist_ok=True)
    (controller / "ansible").symlink_to(KEPT)
    program = Sshd(tmp_path_factory.mktemp("machine") / "sshd").start()
    yield program
    program.stop()


@pytest.fixture(scope="module")
def window(engine: EngineProgram, desk: Desk) -> Iterator[Window]:
    with desk.window() as opened:
        yield opened


def looked_at(window: Window, place: str, wrong: list[str]) -> None:
    """By axe in every width and colour; then wide again."""
    look(window, place, wrong)
    window.page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})


def test_a_machine_without_an_agent_from_its_credential_to_its_playbook(window: Window, sshd: Sshd) -> None:
    wrong: list[str] = []
    page = window.sign_in("ada", path="/credentials")
    expect(page.get_by_text("No credentials yet")).to_be_visible()
    page.get_by_role("button", name="New credential").click()
    dialog = page.get_by_role("dialog", name="New credential")
    dialog.get_by_label("Name").fill("deploy")
    dialog.get_by_label("User").fill(sshd.user)
    key = sshd.authorise()
    dialog.get_by_label("Private key").last.fill(key)
    looked_at(window, "new credential", wrong)
    dialog.get_by_role("button", name="Keep it").click()
    expect(dialog).to_be_hidden()
    row = page.get_by_role("table", name="Credentials").get_by_role("row").filter(has_text="deploy")
    expect(row.get_by_text("SHA256:")).to_be_visible()

    page.get_by_role("button", name="Add a machine without an agent").click()
    dialog = page.get_by_role("dialog", name="Add a machine without an agent")
    dialog.get_by_label("Name").fill("web1")
    dialog.get_by_label("Address").fill("127.0.0.1")
    dialog.get_by_label("Port").fill(str(sshd.port))
    add = dialog.get_by_role("button", name="Add it")
    expect(add).to_be_disabled()
    dialog.get_by_role("button", name="Look at its host key").click()
    expect(dialog.get_by_text(sshd.fingerprint)).to_be_visible()
    expect(add).to_be_disabled()
    dialog.get_by_label("I compared it on the machine").check()
    dialog.get_by_role("combobox", name="Credential").click()
    page.get_by_role("option", name="deploy").click()
    looked_at(window, "new machine", wrong)
    add.click()
    expect(dialog).to_be_hidden()
    looked_at(window, "credentials", wrong)

    page.get_by_role("link", name="web1").click()
    expect(page.get_by_text("none: nothing tells whether it is there")).to_be_visible()
    expect(page.get_by_text(sshd.fingerprint)).to_be_visible()
    looked_at(window, "a machine without an agent", wrong)
    page.get_by_role("button", name="Run a playbook").click()
    page.get_by_role("combobox", name="Type").click()
    page.get_by_role("option", name="Playbook", exact=True).click()
    expect(page.get_by_label("Credential where there is no agent").first).to_be_visible()
    page.get_by_role("textbox", name="The script").click()
    page.keyboard.insert_text("- hosts: all\n  gather_facts: false\n  tasks: [{name: Greet, debug: {msg: 'hello'}}]\n")
    page.get_by_role("button", name="Run", exact=False).last.click()
    expect(page.get_by_text("1 device: 1 succeeded").or_(page.get_by_text("1 ok")).first).to_be_visible()
    assert key.splitlines()[1] not in page.content()
    assert wrong == []
