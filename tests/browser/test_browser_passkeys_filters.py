"""Passkeys, made and used in the page; and lists of devices that are saved in the Engine, shared and exported."""

import csv
import io
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.attacks.attacker import RogueDevice
from tests.attacks.background import Background
from tests.browser.browsing import PASSWORD, Desk, Window, new_operator
from tests.programs.programs import EngineProgram

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

DAY = 86_400.0
NAME = "Silent for a week"
RENAMED = "Silent <img src=x onerror=alert(1)> a month"
FORMULA = '=HYPERLINK("https://example.org","look")'


# --- passkeys


def authenticator(window: Window) -> tuple[Any, str]:
    """Chromium's own authenticator that asks nobody: the session to talk to it, and its id."""
    session = window.context.new_cdp_session(window.page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    return session, session.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]


def add_passkey(page: Page, name: str) -> None:
    page.get_by_role("button", name="Add a passkey").click()
    drawer = page.get_by_role("dialog", name="Add a passkey")
    drawer.get_by_label("Name").fill(name)
    drawer.get_by_label("Your password").fill(PASSWORD)
    drawer.get_by_role("button", name="Go on").click()


def sign_out(page: Page, name: str) -> None:
    page.get_by_role("button", name=f"Account of {name}").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()


def test_a_passkey_is_added_and_signs_in_and_a_removed_one_is_refused(engine: EngineProgram, desk: Desk) -> None:
    new_operator(engine, "pia", "Viewer")
    with desk.window() as window:
        session, device = authenticator(window)
        page = window.sign_in("pia", path="/account")
        add_passkey(page, "My laptop")
        row = page.get_by_role("region", name="Your passkeys").get_by_role("row").filter(has_text="My laptop")
        expect(row).to_contain_text("never")
        (kept,) = session.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"]
        assert kept["isResidentCredential"] and kept["rpId"] == "localhost"

        # The same authenticator takes no second one, and the page says why.
        add_passkey(page, "Again")
        drawer = page.get_by_role("dialog", name="Add a passkey")
        expect(drawer.get_by_role("alert")).to_contain_text("on this authenticator already")
        drawer.get_by_role("button", name="Close").click()

        sign_out(page, "pia")
        page.get_by_role("button", name="Sign in with a passkey").click()
        expect(page.get_by_role("button", name="Account of pia")).to_be_visible()

        window.open("/account")
        expect(row).not_to_contain_text("never")
        page.get_by_role("button", name="Rename the passkey My laptop").click()
        page.get_by_role("dialog").get_by_label("Name").fill("Old laptop")
        page.get_by_role("dialog").get_by_role("button", name="Rename").click()
        page.get_by_role("button", name="Remove the passkey Old laptop").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
        expect(page.get_by_text("No passkeys")).to_be_visible()

        sign_out(page, "pia")
        page.get_by_role("button", name="Sign in with a passkey").click()
        refused = page.get_by_role("alert", name="You are not signed in")
        expect(refused).to_contain_text("This passkey does not sign in here")
        expect(page.get_by_role("navigation", name="Main")).to_have_count(0)


def test_rejects_a_passkey_for_who_does_not_know_the_password(engine: EngineProgram, desk: Desk) -> None:
    new_operator(engine, "paul", "Viewer")
    with desk.window() as window:
        session, device = authenticator(window)
        page = window.sign_in("paul", path="/account")
        page.get_by_role("button", name="Add a passkey").click()
        drawer = page.get_by_role("dialog", name="Add a passkey")
        drawer.get_by_label("Your password").fill("not the sentence of mine")
        drawer.get_by_role("button", name="Go on").click()
        expect(drawer.get_by_role("alert")).to_contain_text("No passkey was added")
        assert session.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"] == []


def test_a_person_without_a_passkey_is_told_so(desk: Desk) -> None:
    with desk.window() as window:
        session, device = authenticator(window)
        session.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
        page = window.open("/sign-in")
        page.get_by_role("button", name="Sign in with a passkey").click()
        expect(page.get_by_role("alert")).to_contain_text("The browser gave no passkey")
        expect(page.get_by_role("alert")).to_contain_text("passkey_not_given")


def test_an_address_by_number_is_told_to_have_no_passkeys(engine: EngineProgram, desk: Desk) -> None:
    with replace(desk, url=f"https://127.0.0.1:{engine.port}").window() as window:
        page = window.open("/sign-in")
        expect(page.get_by_text("opened by the address 127.0.0.1")).to_be_visible()
        expect(page.get_by_role("button", name="Sign in with a passkey")).to_have_count(0)


# --- lists of devices


@pytest.fixture(scope="module")
def silent(engine: EngineProgram) -> Iterator[None]:
    """``kiosk`` and ``laptop`` (in Hamburg) were not heard of for long, ``fresh`` was today."""
    background = Background()
    with engine.owner() as owner:
        site = owner.post("/api/sites", json={"name": "Hamburg"}).json()["id"]
        laptop = RogueDevice(engine, background, hostname="laptop").enrol(owner, site=site).guid
        kiosk = RogueDevice(engine, background, hostname="kiosk").enrol(owner).guid
        RogueDevice(engine, background, hostname="fresh").enrol(owner)
        assert owner.patch(f"/api/devices/{laptop}", json={"description": FORMULA}).status_code == 200
    engine.stop()
    now = time.time()
    with closing(sqlite3.connect(engine.root / "Engine" / "database.db")) as database, database:
        database.execute("UPDATE devices SET last_seen = ?", (now,))
        change = "UPDATE devices SET last_seen = ?, last_user = ?, domain = ? WHERE guid = ?"
        database.execute(change, (now - 9 * DAY, "+ada", "@corp", laptop))
        database.execute(change, (now - 40 * DAY, "-bob", "corp", kiosk))
    engine.start()
    yield
    background.close()


def names(page: Page) -> Locator:
    return page.get_by_role("grid", name="Devices").locator("[data-place]").get_by_role("link")


def saved_menu(page: Page) -> Locator:
    page.get_by_role("button", name=re.compile("^Filters")).click()
    return page.get_by_role("menu")


def choose(page: Page, item: str) -> None:
    saved_menu(page).get_by_role("menuitem", name=item).click()


def agree(page: Page, button: str) -> None:
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name=button, exact=True).click()
    expect(dialog).to_have_count(0)


def save_as(page: Page, name: str, *more: str) -> None:
    choose(page, "Save as…")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(name)
    for option in more:
        dialog.get_by_label(option).check()
    agree(page, "Save")
    expect(page.get_by_role("button", name=f"Filters: {name}")).to_be_visible()


def copied_link(page: Page, window: Window) -> str:
    choose(page, "Copy the link to this list")
    expect(page.get_by_text("The link to this list was copied")).to_be_visible()
    link = str(page.evaluate("navigator.clipboard.readText()"))
    assert link.startswith(window.url)
    return link.removeprefix(window.url)


@pytest.fixture(scope="module")
def link(engine: EngineProgram, desk: Desk, silent: None) -> str:
    """Ada asks which machines were not seen for a week, saves that and shares it; the link to it."""
    with desk.window() as window:
        page = window.sign_in("ada", path="/devices")
        expect(names(page)).to_have_text(["fresh", "kiosk", "laptop"])
        page.get_by_role("combobox", name="Last seen").click()
        page.get_by_role("option", name="Not seen for 7 days").click()
        expect(names(page)).to_have_text(["kiosk", "laptop"])
        save_as(page, NAME)
        choose(page, "Share with everybody…")
        agree(page, "Share")
        expect(page.get_by_text(f"Everybody sees “{NAME}” now")).to_be_visible()
        return copied_link(page, window)


def test_a_saved_filter_is_shared_and_a_colleague_opens_it(engine: EngineProgram, desk: Desk, link: str) -> None:
    assert re.fullmatch(r"/devices\?filter=\d+", link)
    new_operator(engine, "vera", "Viewer")
    with desk.window() as window:
        page = window.sign_in("vera", path="/devices")
        expect(names(page)).to_have_count(3)
        menu = saved_menu(page)
        expect(menu).to_contain_text("Shared with everybody")
        menu.get_by_role("menuitem", name=NAME).click()
        expect(names(page)).to_have_text(["kiosk", "laptop"])
        # "And whose are they?"
        grid = page.get_by_role("grid", name="Devices")
        expect(grid).to_contain_text("+ada")
        expect(grid).to_contain_text("-bob")
        # A viewer changes nothing that is shared, and shares nothing.
        expect(saved_menu(page).get_by_role("menuitem", name="Save as…")).to_be_visible()
        for deed in ("Rename…", "Delete…", "Stop sharing…", "Share with everybody…"):
            expect(page.get_by_role("menuitem", name=deed)).to_have_count(0)
    with desk.window() as window:
        page = window.sign_in("vera", path=link)
        expect(names(page)).to_have_text(["kiosk", "laptop"])
        # Once opened it may be left: what is cleared by hand stays cleared.
        page.get_by_role("button", name="Show all").click()
        expect(names(page)).to_have_count(3)
        expect(page.get_by_role("button", name="Filters", exact=True)).to_be_visible()


def test_a_saved_filter_chooses_the_devices_of_a_run(desk: Desk, link: str) -> None:
    with desk.window() as window:
        page = window.sign_in("ada", path="/run")
        page.get_by_role("combobox", name="Add by a filter").click()
        page.get_by_role("option", name=NAME).click()
        expect(page.get_by_text("2 devices:")).to_be_visible()
        for name in ("kiosk", "laptop"):
            expect(page.get_by_role("button", name=f"Leave out {name}")).to_be_visible()


def test_an_operator_of_one_site_sees_only_its_devices_in_a_shared_filter(
    engine: EngineProgram, desk: Desk, link: str
) -> None:
    with engine.owner() as owner:
        (site,) = [one["id"] for one in owner.get("/api/sites").json()["sites"] if one["name"] == "Hamburg"]
    new_operator(engine, "otto", "Operator", sites=[site])
    with desk.window() as window:
        page = window.sign_in("otto", path=link)
        expect(names(page)).to_have_text(["laptop"])


def test_what_is_shown_is_exported_and_no_cell_becomes_a_formula(desk: Desk, link: str, tmp_path: Path) -> None:
    with desk.window(accept_downloads=True) as window:
        page = window.sign_in("ada", path=link)
        expect(names(page)).to_have_count(2)
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Export what is shown as CSV").click()
        assert waiting.value.suggested_filename == "devices.csv"
        waiting.value.save_as(tmp_path / "devices.csv")
    text = (tmp_path / "devices.csv").read_text(encoding="utf-8")
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(text, newline=""))}
    assert set(rows) == {"kiosk", "laptop"}
    laptop, kiosk = rows["laptop"], rows["kiosk"]
    assert (laptop["state"], laptop["site"]) == ("Offline", "Hamburg")
    assert (laptop["last_user"], laptop["domain"], laptop["description"]) == ("'+ada", "'@corp", "'" + FORMULA)
    assert (kiosk["last_user"], kiosk["domain"]) == ("'-bob", "corp")
    assert not [cell for row in rows.values() for cell in row.values() if cell[:1] in {"=", "+", "-", "@"}]


def test_a_view_brings_its_columns_and_order_and_leaves_ones_own_alone(desk: Desk, silent: None) -> None:
    with desk.window() as window:
        page = window.sign_in("ada", path="/devices?older=7d&sort=last_seen")
        headings = page.get_by_role("columnheader")
        expect(headings.filter(has_text="Domain")).to_have_count(0)
        save_as(page, "Who is away", "With columns, order and density")
        page.get_by_role("button", name="Columns and density").click()
        page.get_by_role("menuitemcheckbox", name="Domain").click()
        page.get_by_role("menuitemradio", name="Compact").click()
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Filters: Who is away · changed")).to_be_visible()
        choose(page, "Save the changes…")
        agree(page, "Save the changes")
        expect(page.get_by_role("button", name="Filters: Who is away", exact=True)).to_be_visible()
        place = copied_link(page, window)
        assert re.fullmatch(r"/devices\?view=\d+", place)

        window.open("/devices")
        expect(names(page)).to_have_count(3)
        expect(headings.filter(has_text="Domain")).to_have_count(0)
        window.open(place)
        expect(names(page)).to_have_text(["kiosk", "laptop"])
        expect(headings.filter(has_text="Domain")).to_be_visible()
        expect(page.get_by_role("grid", name="Devices")).to_have_attribute("data-density", "compact")
        page.get_by_role("button", name="Show all").click()
        expect(headings.filter(has_text="Domain")).to_have_count(0)
        expect(page.get_by_role("grid", name="Devices")).to_have_attribute("data-density", "comfortable")


def test_a_filter_is_renamed_and_changed_then_neither_shared_nor_there(desk: Desk, link: str) -> None:
    with desk.window() as hers, desk.window() as theirs:
        page = hers.sign_in("ada", path=link)
        expect(names(page)).to_have_count(2)
        choose(page, "Rename…")
        page.get_by_role("dialog").get_by_label("Name").fill(RENAMED)
        agree(page, "Rename")
        page.get_by_role("combobox", name="Last seen").click()
        page.get_by_role("option", name="Not seen for 30 days").click()
        choose(page, "Save the changes…")
        agree(page, "Save the changes")
        other = theirs.sign_in("vera", path=link)
        expect(other.get_by_role("button", name=f"Filters: {RENAMED}")).to_be_visible()
        expect(names(other)).to_have_text(["kiosk"])
        assert other.locator("img[src='x']").count() == 0

        choose(page, "Stop sharing…")
        agree(page, "Stop sharing")
        theirs.open(link)
        expect(other.get_by_role("alert")).to_contain_text("it is not shared with you")
        expect(saved_menu(other)).to_contain_text("Nothing saved yet")

        choose(page, "Delete…")
        agree(page, "Delete")
        expect(page.get_by_role("button", name="Filters", exact=True)).to_be_visible()
        expect(names(page)).to_have_text(["kiosk"])
        hers.open(link)
        expect(page.get_by_role("alert")).to_contain_text("There is no such filter any more")
