"""A macro on the page: made, tried, started, changed while it runs, triggered, stopped.

The device notes what it is told. What a real one types is in the journey; here it is the page that is looked at.
"""

import threading
import time
from collections.abc import Iterator
from typing import Any, Self

import httpx
import pytest
from playwright.sync_api import expect
from tests.attacks.attacker import RogueDevice, Socket
from tests.attacks.background import Background
from tests.browser.browsing import WIDE, Desk
from tests.browser.machines import trusted_keys
from tests.browser.test_browser_axe import look
from tests.programs.programs import EngineProgram, wait_for

from borealis_agent.role_api.jobs import VerifiedJob
from borealis_agent.trust.policy import verify_job
from borealis_wire.events import DeviceEvent, EngineEvent, RunContext, RunStatus
from borealis_wire.macro import MacroChange, MacroSettings, MacroStart, OperationMode, changed, parse_macro

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class MacroDevice(RogueDevice):
    """A signed-in user's agent that keeps macros as its own role does, and types nothing."""

    live: Socket
    macros: dict[str, MacroSettings]
    jobs: dict[str, VerifiedJob]

    def start(self, owner: httpx.Client) -> Self:
        self.enrol(owner)
        self.take(self.refresh(context=RunContext.INTERACTIVE))
        self.macros, self.jobs = {}, {}
        self.live = self.online(RunContext.INTERACTIVE)
        self.live.answers[EngineEvent.QUICK_JOB_RUN] = self._asked
        self.live.answers[EngineEvent.QUICK_JOB_CANCEL] = self._cancelled
        return self

    def _asked(self, payload: Any) -> dict[str, str]:
        job = verify_job(
            payload,
            trusted=trusted_keys(self.engine),
            device_guid=self.guid,
            context=RunContext.INTERACTIVE,
            now=time.time(),
        )
        order, run_id = parse_macro(job.script), job.order.run_id
        if isinstance(order, MacroStart):
            self.macros[run_id], self.jobs[run_id] = order.settings, job
            if order.settings.operation_mode is OperationMode.RUN_ONCE:
                self._end(job, RunStatus.SUCCESS, "pressed F5\nit typed 1 time\n")
        elif isinstance(order, MacroChange) and order.run_id in self.macros:
            self.macros[order.run_id] = changed(self.macros[order.run_id], order.changes)
            self._end(job, RunStatus.SUCCESS, "changed\n")
        return {"status": "accepted"}

    def _cancelled(self, _payload: Any) -> None:
        for run_id, settings in list(self.macros.items()):
            if settings.operation_mode is not OperationMode.RUN_ONCE:
                self._end(self.jobs[run_id], RunStatus.CANCELLED, "it typed 7 times\n")

    def _end(self, job: VerifiedJob, status: RunStatus, stdout: str) -> None:
        now = time.time()
        result = {
            "run_id": job.order.run_id, "job_id": job.order.job_id, "status": status, "stdout": stdout, "stderr": "",
            "exit_code": 0, "started_at": now, "finished_at": now,
        }  # fmt: skip
        threading.Thread(
            target=self.live.call, args=(DeviceEvent.QUICK_JOB_RESULT, result), kwargs={"seconds": 20}, daemon=True
        ).start()

    @property
    def kept(self) -> list[MacroSettings]:
        """The macros that it was sent, as they are now."""
        return list(self.macros.values())


@pytest.fixture(scope="module")
def device(engine: EngineProgram) -> Iterator[MacroDevice]:
    background = Background()
    with engine.owner() as owner:
        machine = MacroDevice(engine, background, hostname="kiosk").start(owner)
        yield machine
    machine.live.close()
    background.close()


def test_a_macro_is_made_tried_started_changed_triggered_and_stopped(desk: Desk, device: MacroDevice) -> None:
    wrong: list[str] = []
    with desk.window() as window:
        page = window.sign_in("ada", path=f"/devices/{device.guid}/macro")
        expect(page.get_by_text("No macro runs on this device.")).to_be_visible()
        expect(page.get_by_role("button", name="Start", exact=True)).to_be_disabled()
        look(window, "a new macro", wrong)
        page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})

        page.get_by_role("radiogroup", name="What it types").get_by_text("A key").click()
        page.get_by_label("Key", exact=True).fill("Nonsense")
        test = page.get_by_role("button", name="Test: type it once")
        test.click()
        expect(page.get_by_text("there is no key 'Nonsense'", exact=False)).to_be_visible()
        page.get_by_label("Key", exact=True).fill("F5")
        page.get_by_role("combobox", name="Where").click()
        page.get_by_role("option", name="The window with this title").click()
        page.get_by_label("Part of its title").fill("Dashboard")
        page.get_by_role("combobox", name="When").click()
        page.get_by_role("option", name="Again and again while triggered").click()
        page.get_by_role("switch", name="Vary the waits by chance").click()
        page.get_by_label("Longest wait").fill("1200")
        test.click()
        latest = page.get_by_role("status").filter(has_text="The macro that you started")
        expect(latest.get_by_text("it typed 1 time")).to_be_visible()
        (tried,) = device.kept
        assert (tried.key, tried.operation_mode, tried.window_title) == ("F5", OperationMode.RUN_ONCE, "Dashboard")

        page.get_by_role("button", name="Start", exact=True).click()
        under_way = page.get_by_role("table", name="Macros under way")
        row = under_way.get_by_role("row").filter(has_text="Trigger-Continuous")
        expect(row.get_by_text("Running")).to_be_visible()
        started = device.kept[1]
        assert started.operation_mode is OperationMode.TRIGGER_CONTINUOUS
        assert (started.randomize_interval, started.random_min, started.random_max) == (True, 750, 1200)
        look(window, "a macro under way", wrong)
        page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})

        row.get_by_role("button", name="Trigger: ").click()
        expect(page.get_by_text("The macro has it.")).to_be_visible()
        wait_for("the trigger", lambda: device.kept[1].trigger == 1)
        row.get_by_role("button", name="Change…: ").click()
        expect(page.get_by_label("Part of its title")).to_have_value("Dashboard")
        page.get_by_label("Shortest wait").fill("100")
        look(window, "a macro that is changed", wrong)
        page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
        page.get_by_role("button", name="Change it").click()
        expect(page.get_by_text("The macro was changed.")).to_be_visible()
        assert (device.kept[1].random_min, device.kept[1].trigger) == (100, 1)

        row.get_by_role("button", name="Stop: ").click()
        expect(page.get_by_text("No macro runs on this device.")).to_be_visible()
        expect(latest.get_by_text("it typed 7 times")).to_be_visible()
        latest.get_by_role("link", name="See its run").click()
        expect(page.get_by_role("heading", name="Macro: keypress, Trigger-Continuous")).to_be_visible()
        expect(page.get_by_role("link", name="Run again")).to_have_count(0)
    assert wrong == []
