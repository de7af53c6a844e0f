"""Devices that knock, many devices at once, sites, operators and the Engine's own page; all of it by keyboard too.

One story in parts: each part goes on where the one before ended.
"""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.browsing import NARROW, PASSWORD, WIDE, Desk, Window
from tests.browser.machines import Machine, Rack, trusted_keys
from tests.programs.programs import EngineProgram, run_script

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

BENCHES = ("bench-01", "bench-02", "bench-03")
SITE = "<img src=x onerror=alert(1)>\"' \N{PILE OF POO} & Söhne"
PERSON = '<b onmouseover=alert(1)>Otto</b> "\N{PILE OF POO}"'


@pytest.fixture(scope="module")
def owner(engine: EngineProgram) -> Iterator[httpx.Client]:
    with engine.owner() as client:
        yield client


@pytest.fixture(scope="module")
def rack(engine: EngineProgram, owner: httpx.Client) -> Iterator[Rack]:
    made = Rack(engine, owner)
    yield made
    made.close()


@pytest.fixture(scope="module")
def atlas(rack: Rack) -> Machine:
    """The device whose name others claim."""
    return rack.start("atlas")[0]


@pytest.fixture(scope="module")
def benches(rack: Rack) -> list[Machine]:
    return rack.start(*BENCHES)


@pytest.fixture(scope="module")
def window(engine: EngineProgram, desk: Desk) -> Iterator[Window]:
    with desk.window() as opened:
        opened.sign_in("ada")
        yield opened


def knock(rack: Rack, page: Page) -> tuple[Machine, Locator]:
    """Another machine that calls itself atlas, and its card."""
    claimant = rack.new("atlas")
    assert claimant.knock(rack.engine.enrolment_token()).status_code == 200
    card = page.get_by_role("article", name="atlas waits for approval")
    expect(card.get_by_role("img", name=f"Fingerprint {claimant.claims.fingerprint}")).to_be_visible()
    return claimant, card


def rows(page: Page) -> Locator:
    return page.get_by_role("grid").locator("[data-place]")


def selected(page: Page) -> Locator:
    return page.get_by_role("region", name="Selected devices")


def focused(page: Page) -> Locator:
    return page.locator(":focus")


def choose(page: Page, within: Locator, label: str, option: str) -> None:
    within.get_by_role("textbox", name=label).or_(within.get_by_role("combobox", name=label)).first.click()
    page.get_by_role("option", name=option, exact=True).click()


def test_a_second_machine_of_one_name_is_merged_kept_or_denied(
    window: Window, rack: Rack, owner: httpx.Client, atlas: Machine
) -> None:
    page = window.open("/enrol")
    expect(page.get_by_text("Nobody knocks")).to_be_visible()

    other, card = knock(rack, page)
    expect(card.get_by_text("Another device has this name, with another key")).to_be_visible()
    expect(card.get_by_role("img", name=f"Fingerprint {atlas.claims.fingerprint}")).to_be_visible()
    expect(card.get_by_role("button", name="Approve")).to_be_disabled()
    card.get_by_role("radio", name="It is another machine").check()
    card.get_by_role("button", name="Approve").click()
    expect(card).to_have_count(0)
    other.take(other.poll())
    assert other.guid != atlas.guid
    assert owner.get(f"/api/devices/{other.guid}").json()["hostname"] == "atlas-1"
    other.connect()

    anew, card = knock(rack, page)
    card.get_by_role("radio", name="It is the same machine, installed anew").check()
    card.get_by_role("button", name="Approve").click()
    expect(card).to_have_count(0)
    anew.take(anew.poll())
    assert anew.guid == atlas.guid, "it takes the known device over"
    assert atlas.refresh().status_code == 401, "the old key ended"
    anew.connect()

    liar, card = knock(rack, page)
    card.get_by_role("button", name="Deny").click()
    expect(card).to_have_count(0)
    expect(page.get_by_role("heading", name="Let devices in")).to_be_focused()
    assert "access_token" not in liar.poll().text
    decided = page.get_by_role("table", name="Decisions").get_by_role("row")
    expect(decided.filter(has_text="denied")).to_have_count(1)
    expect(decided.filter(has_text="came in")).to_have_count(3)
    names = sorted(device["hostname"] for device in owner.get("/api/devices").json()["devices"])
    assert names == ["atlas", "atlas-1"]


def test_sites_are_made_renamed_and_deleted_whatever_they_are_called(window: Window, owner: httpx.Client) -> None:
    page = window.open("/sites")
    for name in ("Hamburg", "Bremen"):
        page.get_by_role("button", name="New site").click()
        dialog = page.get_by_role("dialog", name="New site")
        dialog.get_by_label("Name").fill(name)
        dialog.get_by_role("button", name="Make the site").click()
        expect(page.get_by_role("link", name=name)).to_be_visible()
        expect(focused(page)).to_have_text("New site")
    page.get_by_role("button", name="New site").click()
    dialog = page.get_by_role("dialog", name="New site")
    dialog.get_by_label("Name").fill("hamburg")
    dialog.get_by_role("button", name="Make the site").click()
    expect(dialog.get_by_role("alert")).to_contain_text("site_exists")
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Change Bremen").click()
    dialog = page.get_by_role("dialog", name="Change Bremen")
    dialog.get_by_label("Name").fill(SITE)
    dialog.get_by_label("Description").fill(f"\N{RIGHT-TO-LEFT OVERRIDE}{SITE}{'W' * 400}")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name=SITE)).to_be_visible()
    for width, height in (NARROW, WIDE):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("img[src='x']").count() == 0

    page.get_by_role("button", name=f"Delete {SITE}").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("to go on").fill(SITE)
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("link", name=SITE)).to_have_count(0)
    expect(focused(page)).to_have_id("content")  # the button is gone with its site
    assert [site["name"] for site in owner.get("/api/sites").json()["sites"]] == ["Hamburg"]


def test_many_devices_are_moved_barred_released_and_given_work_at_once(
    window: Window, owner: httpx.Client, benches: list[Machine]
) -> None:
    page = window.open("/devices")
    page.get_by_label("Search devices").fill("bench")
    expect(rows(page)).to_have_count(3)
    page.get_by_role("checkbox", name="Select all 3").check()
    expect(selected(page)).to_contain_text("3 devices selected")
    selected(page).get_by_role("button", name="Move to a site").click()
    dialog = page.get_by_role("dialog", name="Move 3 devices")
    expect(dialog.get_by_role("region", name="Devices")).to_have_text(", ".join(BENCHES))
    choose(page, dialog, "To the site", "Hamburg")
    dialog.get_by_role("button", name="Move").click()
    expect(rows(page).filter(has_text="Hamburg")).to_have_count(3)

    for name in BENCHES[:2]:
        page.get_by_role("checkbox", name=f"Select {name}").check()
    selected(page).get_by_role("button", name="Quarantine").click()
    dialog = page.get_by_role("dialog", name="Quarantine 2 devices?")
    expect(dialog.get_by_role("region", name="Devices")).to_have_text("bench-01, bench-02")
    dialog.get_by_role("button", name="Quarantine").click()
    expect(rows(page).filter(has_text="Quarantined")).to_have_count(2)

    # Only those that are in quarantine are released.
    page.get_by_role("checkbox", name="Select all 3").check()
    selected(page).get_by_role("button", name="Release").click()
    dialog = page.get_by_role("dialog", name="Release 2 devices?")
    expect(dialog.get_by_role("region", name="Devices")).to_have_text("bench-01, bench-02")
    dialog.get_by_role("button", name="Release").click()
    expect(rows(page).filter(has_text="Quarantined")).to_have_count(0)

    for name in BENCHES[1:]:
        page.get_by_role("checkbox", name=f"Select {name}").check()
    selected(page).get_by_role("button", name="Run a script").click()
    expect(page.get_by_role("button", name="Run on 2 devices…")).to_be_visible()
    for name in BENCHES[1:]:
        expect(page.get_by_title(name)).to_be_visible()

    page.go_back()
    page.get_by_label("Search devices").fill("bench")
    expect(rows(page)).to_have_count(3)
    for name in BENCHES[:2]:
        page.get_by_role("checkbox", name=f"Select {name}").check()
    selected(page).get_by_role("button", name="Revoke").click()
    dialog = page.get_by_role("dialog", name="Revoke 2 devices?")
    expect(dialog.get_by_role("region", name="Devices")).to_have_text("bench-01, bench-02")
    revoke = dialog.get_by_role("button", name="Revoke")
    expect(revoke).to_be_disabled()
    dialog.get_by_label("to go on").fill("revoke 3")
    expect(revoke).to_be_disabled()
    dialog.get_by_label("to go on").fill("revoke 2")
    revoke.click()
    expect(rows(page).filter(has_text="Revoked")).to_have_count(2)
    assert [owner.get(f"/api/devices/{bench.guid}").json()["status"] for bench in benches] == [
        "revoked",
        "revoked",
        "active",
    ]


def test_an_operators_rights_change_in_their_open_window(window: Window, desk: Desk, benches: list[Machine]) -> None:
    page = window.open("/operators")
    page.get_by_role("button", name="New operator").click()
    drawer = page.get_by_role("dialog", name="New operator")
    drawer.get_by_label("User name").fill("otto")
    drawer.get_by_label("Name", exact=True).fill(PERSON)
    drawer.get_by_label("First password").fill(PASSWORD)
    drawer.get_by_role("button", name="Make the operator").click()
    row = page.get_by_role("table", name="Operators").get_by_role("row").filter(has_text="otto")
    expect(row).to_contain_text(PERSON)
    expect(row).to_contain_text("all sites")
    assert page.locator("b[onmouseover]").count() == 0

    with desk.window() as theirs:
        theirs.expect_while_away()
        other = theirs.sign_in("otto", path="/devices")
        expect(rows(other)).to_have_count(5)
        expect(other.get_by_role("link", name="Run", exact=True)).to_be_visible()

        page.get_by_role("button", name="Change otto").click()
        page.get_by_role("menuitem", name="Role and sites…").click()
        dialog = page.get_by_role("dialog", name="Role and sites of otto")
        choose(page, dialog, "Role", "Viewer")
        dialog.get_by_role("radio", name="Some sites; nothing else exists for them").check()
        choose(page, dialog, "Sites", "Hamburg")
        page.keyboard.press("Tab")
        dialog.get_by_role("button", name="Save").click()
        expect(row).to_contain_text("Viewer")
        expect(row).to_contain_text("Hamburg")
        expect(focused(page)).to_have_accessible_name("Change otto")

        expect(other.get_by_role("alert").filter(has_text="Your rights were changed").first).to_be_visible()
        expect(other.get_by_role("alert").filter(has_text="You are Viewer now, for one site").first).to_be_visible()
        expect(rows(other)).to_have_count(3)
        expect(other.get_by_role("link", name="Run", exact=True)).to_have_count(0)
        theirs.open("/run")
        expect(other.get_by_text("This is not for you")).to_be_visible()

        page.get_by_role("button", name="Change otto").click()
        page.get_by_role("menuitem", name="Bar from signing in…").click()
        page.get_by_role("dialog").get_by_role("button", name="Bar").click()
        expect(row).to_contain_text("barred")
        expect(other.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
        expect(other.get_by_text("You are signed out")).to_be_visible()
        other.get_by_label("User name").fill("otto")
        other.get_by_label("Password", exact=True).fill(PASSWORD)
        other.get_by_role("button", name="Sign in", exact=True).click()
        expect(other.get_by_role("alert").filter(has_text="401").or_(other.get_by_text("403"))).to_be_visible()


def test_the_server_page_tells_facts_and_logs_and_replaces_the_key(
    window: Window, engine: EngineProgram, owner: httpx.Client, benches: list[Machine]
) -> None:
    page = window.open("/server")
    facts = owner.get("/api/server/info").json()
    for text in ("works; the database answers", facts["version"], facts["url"], facts["database"]):
        expect(page.get_by_text(text, exact=True).first).to_be_visible()
    expect(page.get_by_role("img", name=f"Fingerprint {facts['ca_pin']}")).to_be_visible()
    settings = page.get_by_role("table", name="Settings").get_by_role("row")
    expect(settings.filter(has_text="BOREALIS_ENGINE_PORT")).to_contain_text(str(engine.port))
    log = page.get_by_role("region", name="End of the log")
    expect(log).not_to_have_text("Nothing here.")
    page.get_by_label("Lines with").fill("no line has this")
    expect(log).to_have_text("Nothing here.")

    page.get_by_role("button", name="Replace the key…").click()
    dialog = page.get_by_role("dialog", name="Replace the script-signing key?")
    expect(dialog.get_by_role("button", name="Replace")).to_be_disabled()
    dialog.get_by_label("to go on").fill(facts["signing_key_id"])
    dialog.get_by_role("button", name="Replace").click()
    expect(page.get_by_text(re.compile("The key .* signs from now on"))).to_be_visible()
    expect(page.get_by_text(facts["signing_key_id"])).to_have_count(0)
    expect(focused(page)).to_have_text("Replace the key…")
    bench = benches[2]
    (refused,) = run_script(owner, "echo signed", guids=[bench.guid])
    assert (refused["status"], refused["reason"]) == ("Refused", "unknown_key"), "it still trusts the old key alone"
    bench.trusted = trusted_keys(engine)
    (run,) = run_script(owner, "echo signed", guids=[bench.guid])
    assert (run["status"], run["stdout"]) == ("Success", "signed\n")


def test_everything_is_in_reach_of_the_keyboard(window: Window, owner: httpx.Client) -> None:
    payload = {"type": "bash", "script": "uptime"}
    assert owner.post("/api/assemblies", json={"display_name": "Morning round", "payload": payload}).status_code == 201
    page = window.open("/devices")
    expect(rows(page)).to_have_count(5)

    def palette(words: str) -> None:
        page.keyboard.press("Control+k")
        expect(focused(page)).to_have_attribute("placeholder", "A device, a script, a page, an action")
        page.keyboard.insert_text(words)
        expect(
            page.get_by_role("dialog").get_by_role("button", name=re.compile(words, re.IGNORECASE)).first
        ).to_be_visible()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_have_count(0)

    palette("bench-03")
    expect(page.get_by_role("heading", name="bench-03")).to_be_visible()
    palette("Morning round")
    expect(page.get_by_role("heading", name="Morning round")).to_be_visible()
    palette("Audit log")
    expect(page.get_by_role("heading", name="Audit log")).to_be_visible()
    palette("Dark colours")
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    palette("Light colours")
    palette("Devices")

    page.get_by_role("heading", name="Devices").click()
    page.keyboard.press("/")
    expect(focused(page)).to_have_accessible_name("Search devices")
    page.keyboard.type("jr?")  # letters, in a field
    expect(page.get_by_label("Search devices")).to_have_value("jr?")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(rows(page)).to_have_count(5)
    for key, place in (("j", "0"), ("j", "1"), ("k", "0"), ("j", "1"), ("j", "2")):
        page.keyboard.press(key)
        expect(focused(page)).to_have_attribute("data-place", place)
    outline = "getComputedStyle(document.activeElement)"
    assert page.evaluate(f"{outline}.outlineStyle !== 'none' || {outline}.boxShadow !== 'none'"), "the focus is seen"
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(focused(page)).to_have_attribute("data-place", "2")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(focused(page)).to_have_attribute("data-place", "2")

    page.keyboard.press("Space")
    expect(selected(page)).to_contain_text("1 device selected")
    page.keyboard.press("r")
    expect(page.get_by_role("heading", name="Run a script")).to_be_visible()
    page.go_back()
    expect(rows(page)).to_have_count(5)
    for _ in range(5):
        page.keyboard.press("j")
    expect(focused(page)).to_have_attribute("data-place", "4")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="bench-03")).to_be_visible()

    # From a menu into a dialog and out of it again: back at the menu's button.
    change = page.get_by_role("button", name="Change")
    change.focus()
    page.keyboard.press("Enter")
    page.get_by_role("menuitem", name="Rename…").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("textbox").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(change).to_be_focused()
    page.keyboard.press("r")
    expect(page.get_by_role("heading", name="Run a script")).to_be_visible()
    expect(page.get_by_title("bench-03")).to_be_visible()
