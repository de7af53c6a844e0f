"""Who may do what on the page, the second factor, and texts of strangers that stay texts."""

import re
import time
from collections.abc import Iterator

import httpx
import pyotp
import pytest
from playwright.sync_api import expect
from tests.attacks.attacker import RogueDevice
from tests.attacks.background import Background
from tests.browser.browsing import PASSWORD, Desk, new_operator
from tests.programs.programs import EngineProgram

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

HOSTILE = "<img src=x onerror=alert(1)>"
HOSTILE_NAME = "<b onmouseover=alert(1)>pc"
DANGEROUS = re.compile("^(Run|Run a script|Change|Approve|Deny|Make a token|Quarantine|Revoke|Delete.*|New .*|Move.*)$")
PLACES = ("/", "/devices", "/enrol", "/sites", "/activity", "/scripts", "/audit", "/operators", "/server")


@pytest.fixture(scope="module")
def owner(engine: EngineProgram) -> Iterator[httpx.Client]:
    with engine.owner() as client:
        yield client


@pytest.fixture(scope="module")
def device(engine: EngineProgram, owner: httpx.Client) -> Iterator[RogueDevice]:
    """A device that says of itself what it likes, in a site; and another one elsewhere."""
    background = Background()
    site = owner.post("/api/sites", json={"name": "Hamburg"}).json()["id"]
    other = RogueDevice(engine, background, hostname="elsewhere").enrol(owner)
    found = RogueDevice(engine, background, hostname=HOSTILE_NAME).enrol(owner, site=site)
    assert other.guid != found.guid
    described = owner.patch(f"/api/devices/{found.guid}", json={"description": HOSTILE})
    assert described.status_code == 200, described.text
    yield found
    background.close()


def test_rejects_dangerous_deeds_of_a_viewer_by_not_showing_them(
    engine: EngineProgram, desk: Desk, device: RogueDevice
) -> None:
    with desk.window() as window:
        page = window.sign_in("ada", path=f"/devices/{device.guid}")
        expect(page.get_by_role("button", name=DANGEROUS).first).to_be_visible()  # so it is seen where it is
    new_operator(engine, "vera", "Viewer")
    with desk.window() as window:
        page = window.sign_in("vera")
        for place in (*PLACES, f"/devices/{device.guid}", "/run"):
            window.open(place)
            expect(page.get_by_role("main")).not_to_be_empty()
            page.wait_for_load_state("networkidle")
            for role in ("button", "menuitem"):
                assert page.get_by_role(role, name=DANGEROUS).all_inner_texts() == [], place  # type: ignore[arg-type]
            assert page.get_by_role("link", name="Operators").count() == 0


def test_an_operator_of_one_site_sees_nothing_of_others(
    engine: EngineProgram, owner: httpx.Client, desk: Desk, device: RogueDevice
) -> None:
    (site,) = [one["id"] for one in owner.get("/api/sites").json()["sites"] if one["name"] == "Hamburg"]
    new_operator(engine, "otto", "Operator", sites=[site])
    with desk.window() as window:
        page = window.sign_in("otto", path="/devices")
        rows = page.get_by_role("grid").locator("[data-place]")
        expect(rows).to_have_count(1)
        expect(page.get_by_text("elsewhere")).to_have_count(0)
        other = next(
            one["guid"] for one in owner.get("/api/devices").json()["devices"] if one["hostname"] == "elsewhere"
        )
        window.open(f"/devices/{other}")
        expect(page.get_by_text("There is no such device")).to_be_visible()


def test_names_and_descriptions_of_strangers_are_text(desk: Desk, owner: httpx.Client, device: RogueDevice) -> None:
    name = owner.get(f"/api/devices/{device.guid}").json()["hostname"]
    owner.post(
        "/api/scripts/quick_run",
        json={"script_content": HOSTILE, "script_type": "bash", "script_name": HOSTILE, "guids": [device.guid]},
    )
    with desk.window() as window:
        page = window.sign_in("ada", path="/devices")
        expect(page.get_by_text(name, exact=True)).to_be_visible()
        window.open(f"/devices/{device.guid}")
        expect(page.get_by_text(HOSTILE, exact=True).first).to_be_visible()
        for place in ("/audit", "/activity", "/enrol", f"/devices/{device.guid}/activity"):
            window.open(place)
            page.wait_for_load_state("networkidle")
        window.open("/devices")
        page.keyboard.press("Control+k")
        page.keyboard.insert_text(HOSTILE[:8])
        page.wait_for_timeout(300)
        assert page.locator("img[src='x'], b[onmouseover]").count() == 0


def test_a_second_factor_is_set_up_and_asked_for(engine: EngineProgram, desk: Desk) -> None:
    new_operator(engine, "tess", "Viewer")
    with desk.window() as window:
        page = window.sign_in("tess", path="/account")
        page.get_by_label("Your password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Set up an authenticator app").click()
        page.get_by_role("button", name="Copy key").click()
        code = pyotp.TOTP(page.evaluate("navigator.clipboard.readText()"))
        page.get_by_label("Code that the app shows").fill(code.now())
        page.get_by_role("button", name="Turn it on").click()
        page.get_by_role("button", name="Copy all codes").click()
        recovery = page.evaluate("navigator.clipboard.readText()").split()
        page.get_by_role("button", name="I kept them").click()
        page.get_by_role("button", name="Account of tess").click()
        page.get_by_role("menuitem", name="Sign out").click()

        page.get_by_label("User name").fill("tess")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        asked = page.get_by_label("Code of your authenticator app")
        asked.fill("000000" if code.now() != "000000" else "111111")
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_text("The code was not accepted")).to_be_visible()
        asked.fill(code.at(int(time.time()) + 30))  # each code works once; a clock may be half a minute ahead
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("navigation", name="Main")).to_be_visible()
        assert len(recovery) >= 8


def test_narrow_windows_have_everything(desk: Desk, device: RogueDevice) -> None:
    with desk.window(size=(390, 844), has_touch=True, is_mobile=True) as window:
        page = window.sign_in("ada")
        for name in ("Devices", "Enrol", "Audit log"):
            page.get_by_role("button", name="Open the navigation").tap()
            page.get_by_role("link", name=name, exact=True).tap()
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= 390, f"{name} is {width} wide"


def test_signing_out_everywhere_ends_the_other_window(desk: Desk) -> None:
    with desk.window() as first, desk.window() as second:
        first.sign_in("ada", path="/account")
        second.sign_in("ada", path="/devices")
        second.expect_while_away()
        first.page.reload()
        first.page.get_by_role("button", name="Sign out everywhere else").click()
        expect(second.page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
        expect(first.page.get_by_role("heading", name="Your account")).to_be_visible()


def test_rejects_leading_a_sign_in_to_another_host(desk: Desk) -> None:
    with desk.window() as window:
        page = window.sign_in("ada", path="/sign-in?back=//example.org/")
        page.wait_for_load_state("networkidle")
        assert page.url.startswith(window.url + "/")
