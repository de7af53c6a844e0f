"""Remote desktop on a device's page, from "not ready" to prepared and back; and a look at its screen in activity."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.browser.browsing import Desk, new_operator
from tests.browser.machines import Machine, Rack
from tests.browser.test_browser_axe import look
from tests.programs.programs import EngineProgram

from borealis_agent.capabilities.remote_desktop.order import parse_order
from borealis_agent.capabilities.remote_desktop.report import Report
from borealis_agent.role_api.jobs import VerifiedJob
from borealis_wire.events import DeviceEvent, EngineEvent, Rest, RunContext, RunStatus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CLOSED = Report(system="linux", server="xrdp", problems=("xrdp is not installed",))
INSTALLED = "installed xrdp, xorgxrdp"


class DeskMachine(Machine):
    """A device that follows orders about its remote desktop as the role does, on paper."""

    def tell(self, report: Report) -> None:
        """What it sees, as the role posts it."""
        section = {**report.to_details(), "looked_at": int(time.time())}
        body = {"details": {"remote_desktop": section}, "complete": ["remote_desktop"]}
        answer = self.post(Rest.DETAILS, body, self.bearer)
        assert answer.status_code == 200, answer.text

    def _run(self, job: VerifiedJob) -> None:
        action, lines = parse_order(job.script).action, "it was looked at\n"
        if action == "prepare":
            lines = "installing xrdp, xorgxrdp by apt-get\nxrdp listens on this machine alone (port=3389)\n"
            self.tell(prepared())
        elif action == "undo":
            lines = f"undone: {INSTALLED}\n"
            self.tell(CLOSED)
        result = {"run_id": job.order.run_id, "job_id": job.order.job_id, "status": RunStatus.SUCCESS}
        times = {"started_at": time.time(), "finished_at": time.time()}
        assert self.live is not None
        self.live.call(DeviceEvent.QUICK_JOB_RESULT, {**result, "stdout": lines, "exit_code": 0, **times}, seconds=20)


def prepared() -> Report:
    """The same machine, ready."""
    return Report(
        system="linux",
        server="xrdp",
        installed=True,
        version="0.9.21.1",
        running=True,
        port=3389,
        listening=("127.0.0.1",),
        reach="this machine",
        encryption="negotiate",
        session="xfce4-session",
        changes=(INSTALLED, "started xrdp"),
    )


@pytest.fixture(scope="module")
def machine(engine: EngineProgram) -> Iterator[DeskMachine]:
    with engine.owner() as owner:
        rack = Rack(engine, owner)
        try:
            made = DeskMachine(engine, rack.background, hostname="desk-01")
            rack.machines.append(made)
            made.start(owner).tell(CLOSED)
            yield made
        finally:
            rack.close()


def section(page: Page) -> Any:
    return page.locator("section").filter(has=page.get_by_role("heading", name="Remote desktop"))


def test_an_operator_prepares_remote_desktop_and_takes_it_back(desk: Desk, machine: DeskMachine) -> None:
    wrong: list[str] = []
    place = f"/devices/{machine.guid}/network"
    with desk.window() as window:
        page = window.sign_in("ada", path=place)
        expect(section(page)).to_contain_text("not ready: xrdp is not installed")
        expect(section(page).get_by_role("button", name="Undo…")).to_have_count(0)
        look(window, "remote desktop, not ready", wrong)
        section(page).get_by_role("button", name="Prepare…").click()
        dialog = page.get_by_role("dialog", name="Prepare remote desktop on desk-01")
        expect(dialog.get_by_label("Let other machines connect too")).not_to_be_checked()
        dialog.get_by_role("button", name="Prepare", exact=True).press("Enter")
        expect(page.get_by_role("heading", name="Remote desktop: prepare")).to_be_visible()
        expect(page.get_by_text("listens on this machine alone")).to_be_visible()
        expect(page.get_by_role("link", name="Run again")).to_have_count(0)

        window.open(place)
        expect(section(page)).to_contain_text("ready")
        expect(section(page)).to_contain_text("127.0.0.1 port 3389")
        expect(section(page).get_by_role("listitem")).to_have_text([INSTALLED, "started xrdp"])
        look(window, "remote desktop, ready", wrong)
        section(page).get_by_role("button", name="Undo…").click()
        page.get_by_role("dialog").get_by_role("button", name="Undo", exact=True).click()
        expect(page.get_by_text(f"undone: {INSTALLED}")).to_be_visible()
        window.open(place)
        expect(section(page)).to_contain_text("not ready")
    assert wrong == []


def test_rejects_orders_of_who_may_only_read(desk: Desk, engine: EngineProgram, machine: DeskMachine) -> None:
    new_operator(engine, "vera", "Viewer")
    with desk.window() as window:
        page = window.sign_in("vera", path=f"/devices/{machine.guid}/network")
        expect(section(page)).to_contain_text("not ready")
        expect(section(page).get_by_role("button")).to_have_count(0)


def test_a_look_at_the_screen_is_in_the_devices_activity(
    desk: Desk, engine: EngineProgram, machine: DeskMachine
) -> None:
    wrong: list[str] = []
    with desk.window() as window, engine.owner() as owner:
        looked_at(machine, owner)
        page = window.sign_in("ada", path=f"/devices/{machine.guid}/activity")
        expect(page.get_by_role("table", name="Runs")).to_contain_text("Screen: picture of monitor 2")
        page.get_by_role("link", name="Screen: picture of monitor 2").click()
        expect(page.get_by_role("heading", name="Screen: picture of monitor 2")).to_be_visible()
        expect(page.get_by_text("There is no screen here.")).to_be_visible()
        expect(page.get_by_role("link", name="Run again")).to_have_count(0)
        expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
        look(window, "a look at a screen", wrong)
        window.open("/activity?kind=job")
        grid = page.get_by_role("grid", name="Runs")
        expect(grid).to_contain_text("Remote desktop: undo")
        expect(grid).not_to_contain_text("Screen:")
        window.open("/activity?kind=screen")
        expect(grid).to_contain_text("Screen: picture of monitor 2")
        expect(grid).not_to_contain_text("Remote desktop")
        look(window, "activity of screens", wrong)
    assert wrong == []


def looked_at(machine: DeskMachine, owner: httpx.Client) -> None:
    """Somebody asks for a picture that the signed-in user's agent cannot take."""
    given = machine.refresh(context=RunContext.INTERACTIVE)
    assert given.status_code == 200, given.text
    machine.access_token = given.json()["access_token"]
    with machine.online(RunContext.INTERACTIVE) as live:
        live.answers[EngineEvent.SCREEN_ORDER] = {"status": "failed", "detail": "There is no screen here."}
        answer = owner.post(f"/api/devices/{machine.guid}/screenshot", json={"monitor": 2})
        assert answer.status_code == 409, answer.text
