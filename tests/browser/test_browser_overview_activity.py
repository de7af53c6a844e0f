"""The fleet over time, what went wrong today, who did what yesterday, and a device whose connection is gone.

The Engine calls a device online for five minutes after it was last heard of, as it does in earnest. What lies in the
past was put into the database.
"""

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.browsing import NARROW, Desk, Window, new_operator, page_engine
from tests.browser.test_browser_axe import EVERYTHING, violations
from tests.page.page_build import built_page
from tests.programs.programs import AgentProgram, EngineProgram, enrol, run_script, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

DAY = 24 * 3600
SLOT = 300
_SHARE_OF_INK = """
(canvas) => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let inked = 0;
  for (let place = 3; place < pixels.length; place += 4) if (pixels[place] > 0) inked += 1;
  return inked / (pixels.length / 4);
}
"""

_OVERHANG = """
Math.max(...[...document.querySelectorAll("figure canvas")].map((one) => one.getBoundingClientRect().right))
  - innerWidth
"""


@dataclass(frozen=True)
class Fleet:
    """A device that is here; ``noon`` is today where the readers are, who live where it is about that hour now."""

    agent: AgentProgram
    guid: str
    name: str
    noon: datetime
    zone: str


@pytest.fixture(scope="module")
def fresh_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProgram]:
    """An Engine as patient as in earnest."""
    program = page_engine(tmp_path_factory.mktemp("engine") / "engine", built_page()).start()
    yield program
    program.stop()


@pytest.fixture(scope="module")
def fleet(engine: EngineProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One device, runs of yesterday and today, counts of the last hours."""
    ahead = 12 - datetime.now(UTC).hour
    noon = datetime.now(timezone(timedelta(hours=ahead))).replace(hour=12, minute=0, second=0, microsecond=0)
    agent = AgentProgram(tmp_path_factory.mktemp("agent") / "agent", "--installer-code", engine.enrolment_token())
    try:
        guid = enrol(engine, agent)
        with engine.owner() as owner:
            for name, script in (
                ("Restart the spooler", "true"),
                ("Look around", "true"),
                ("An old failure", "exit 1"),
                ("Clean up", "exit 3"),
                ("Given up", "true"),
            ):
                run_script(owner, script, guids=[guid], script_name=name)
            hostname = owner.get(f"/api/devices/{guid}").json()["hostname"]
        agent.stop()
        engine.stop()
        make_history(engine.root / "Engine" / "database.db", noon.timestamp(), guid)
        engine.start()
        agent.start()
        # The sign of these names is that of the ships' captains: GMT-2 is two hours ahead.
        yield Fleet(agent, guid, hostname, noon, f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT")
    finally:
        agent.stop()


def make_history(database: Path, noon: float, guid: str) -> None:
    """As if the Engine and its people had been at work for longer."""
    yesterday = {"Restart the spooler": ("bob", 0), "Look around": ("ada", 600), "An old failure": ("ada", 1200)}
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE jobs SET created_by = 'ada'")
        for name, (person, later) in yesterday.items():
            at = noon - DAY + later
            connection.execute(
                "UPDATE jobs SET created_by = ?, created_at = ? WHERE script_name = ?", (person, at, name)
            )
            connection.execute(
                "UPDATE runs SET created_at = ? WHERE job_id = (SELECT id FROM jobs WHERE script_name = ?)", (at, name)
            )
        connection.execute(
            "UPDATE runs SET status = 'Cancelled' WHERE job_id = (SELECT id FROM jobs WHERE script_name = 'Given up')"
        )
        for person, at in (("bob", noon - DAY), ("ada", noon - 2 * DAY)):
            connection.execute(
                "INSERT INTO audit_log (at, actor, action, target_kind, target, detail, address)"
                " VALUES (?, ?, 'run.start', 'device', ?, ?, '192.0.2.7')",
                (at, person, guid, json.dumps({"script": f"of {person}"})),
            )
        last = int(time.time() // SLOT)
        samples = [slot for slot in range(last - 60, last) if not last - 30 < slot < last - 24]
        connection.executemany(
            "INSERT OR REPLACE INTO overview_samples VALUES (?, 0, ?, ?, 0, 0, 0, 0, 0, 0)",
            [(slot, 4 + slot % 3, 3 - slot % 3) for slot in samples],
        )


@pytest.fixture(scope="module")
def window(fleet: Fleet, desk: Desk) -> Iterator[Window]:
    with desk.window(zone=fleet.zone) as opened:
        opened.sign_in("ada")
        yield opened


def row(page: Page, place: int = 0) -> Locator:
    return page.get_by_role("grid").locator(f"[data-place='{place}']")


def expect_rows(page: Page, *names: str) -> None:
    """These runs, in this order, and no other."""
    for place, name in enumerate(names):
        expect(row(page, place)).to_contain_text(name)
    expect(row(page, len(names))).to_have_count(0)


def test_the_fleet_over_time_is_drawn_told_and_listed(window: Window) -> None:
    page = window.open("/")
    devices, runs = page.get_by_role("figure", name="Devices"), page.get_by_role("figure", name="Runs")
    for figure in (devices, runs):
        expect(figure.locator("canvas")).to_be_visible()
        canvas = figure.locator("canvas")
        wait_for("the plot to be drawn", lambda canvas=canvas: canvas.evaluate(_SHARE_OF_INK) > 0.005)  # type: ignore[misc]
    expect(devices).to_contain_text("in this time")
    expect(devices).to_contain_text("Counted since")
    expect(runs).to_contain_text("failed")
    assert violations(page, EVERYTHING) == []
    page.get_by_text("7 days").click()
    expect(page).to_have_url(re.compile(r"range=7d"))
    expect(page.get_by_role("figure", name="Runs, every 6 hours")).to_contain_text(
        "2 done and 2 failed; 1 more cancelled"
    )
    page.get_by_role("button", name="As tables").click()
    expect(devices.get_by_role("table")).to_be_visible()
    expect(runs.get_by_role("columnheader", name="Failed")).to_be_visible()
    page.get_by_role("button", name="As plots").click()
    for width, height in (NARROW, (320, 700)):
        page.set_viewport_size({"width": width, "height": height})
        expect(devices.locator("canvas")).to_be_visible()
        wait_for("the plot to fit", lambda: page.evaluate(_OVERHANG) <= 0)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": 1440, "height": 900})


def test_what_failed_today_leads_to_just_those_runs(window: Window) -> None:
    page = window.open("/")
    figure = page.get_by_role("link", name="Failed today")
    expect(figure).to_contain_text(re.compile(r"today\s*1\s*of 2 runs since midnight"))
    figure.click()
    expect(page.get_by_role("heading", name="Activity")).to_be_visible()
    expect_rows(page, "Clean up")
    expect(page.get_by_role("combobox", name="State")).to_have_value("Any failure")
    page.get_by_role("combobox", name="Time").click()
    page.get_by_role("option", name="Last 7 days").click()
    expect_rows(page, "Clean up", "An old failure")


def test_what_did_you_do_on_that_server_yesterday(
    window: Window, fleet: Fleet, desk: Desk, engine: EngineProgram
) -> None:
    page = window.open(f"/devices/{fleet.guid}/activity")
    page.get_by_role("link", name="Search the activity of this device").click()
    expect_rows(page, "Given up", "Clean up", "An old failure", "Look around", "Restart the spooler")
    page.get_by_role("combobox", name="Time").click()
    page.get_by_role("option", name="Yesterday").click()
    expect_rows(page, "An old failure", "Look around", "Restart the spooler")
    person = page.get_by_role("combobox", name="Person")
    person.fill("bob")
    person.press("Enter")
    expect_rows(page, "Restart the spooler")
    # A colleague opens the same address.
    new_operator(engine, "vera", "Viewer")
    with desk.window(zone=fleet.zone) as other:
        shared = other.sign_in("vera", path=page.url.removeprefix(window.url))
        expect_rows(shared, "Restart the spooler")
        expect(shared.get_by_role("combobox", name="Person")).to_have_value("bob")
    row(page).get_by_role("link", name="Restart the spooler").click()
    expect(page.get_by_role("main")).to_contain_text("bob")
    # And what else was done there: the audit log, by device, time and person.
    page.goto(f"{window.url}/devices/{fleet.guid}/activity")
    page.get_by_role("link", name="Its audit log").click()
    log = page.get_by_role("table", name="Audit log")
    expect(log).to_contain_text("of bob")
    expect(page.get_by_role("combobox", name="Device")).to_have_value(fleet.name)
    page.get_by_role("combobox", name="Time").click()
    page.get_by_role("option", name="Yesterday").click()
    expect(log.get_by_role("row")).to_have_count(2)
    expect(log).to_contain_text("of bob")
    assert violations(page, EVERYTHING) == []


def test_a_time_of_ones_own_means_the_same_in_another_zone(window: Window, fleet: Fleet, desk: Desk) -> None:
    page = window.open("/activity")
    page.get_by_role("combobox", name="Time").click()
    page.get_by_role("option", name="From … to …").click()
    yesterday = fleet.noon - timedelta(days=1)
    for name, minutes in (("From", 5), ("To", 15)):
        field = page.get_by_label(name, exact=True)
        field.fill((yesterday + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M"))
        field.press("Enter")
        expect(page).to_have_url(re.compile(rf"{name.lower()}="))
    expect_rows(page, "Look around")
    with desk.window(zone="Asia/Kathmandu") as other:
        shared = other.sign_in("ada", path=page.url.removeprefix(window.url))
        expect_rows(shared, "Look around")
    page.get_by_role("button", name="Show all").click()
    page.get_by_label("Search runs").fill("spool")
    expect_rows(page, "Restart the spooler")
    assert violations(page, EVERYTHING) == []


def test_agents_of_before_an_upgrade_are_counted_and_found(window: Window, fleet: Fleet, engine: EngineProgram) -> None:
    code = engine.root / "Engine" / "Code"
    code.mkdir(exist_ok=True)
    page = window.open("/")
    figure = page.get_by_role("link", name="Agents out of date")
    expect(figure).to_contain_text("others than source")
    (code / "agent-build").write_text("0123456789abcdef\n")
    page = window.open("/")
    expect(figure).to_contain_text("others than 01234567")
    expect(figure).to_contain_text(re.compile(r"date\s*1\s*others"))
    figure.click()
    expect(row(page)).to_contain_text(fleet.name)
    page.get_by_role("button", name="Agents out of date").click()
    expect(page).to_have_url(re.compile("/devices$"))
    (code / "agent-build").unlink()


def test_a_connection_that_is_gone_is_shown_at_once_and_so_is_its_return(window: Window, fleet: Fleet) -> None:
    page = window.open("/devices")
    expect(row(page)).to_contain_text("Online", timeout=40_000)
    fleet.agent.stop()
    expect(row(page)).to_contain_text("Not connected")
    page.get_by_role("combobox", name="State").click()
    page.get_by_role("option", name="Not connected (1)").click()
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile("state=unconnected"))
    row(page).get_by_role("link").click()
    about = page.get_by_role("main")
    expect(about).to_contain_text("lost its connection, last heard of")
    page.get_by_role("button", name="Run a script").click()
    expect(page.get_by_text("not connected: the script waits until it is back")).to_be_visible()
    expect(page.get_by_text("1 device: 0 online, 1 not connected")).to_be_visible()
    page.go_back()
    expect(about).to_contain_text("Not connected")
    assert violations(page, EVERYTHING) == []
    fleet.agent.start()
    expect(about).to_contain_text("here now", timeout=40_000)
    expect(about).not_to_contain_text("Not connected")
