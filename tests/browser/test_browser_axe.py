"""axe on every page: light and dark, wide and narrow, with nothing and with a fleet in it."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Page, expect
from tests.browser.browsing import NARROW, WIDE, Desk, Window, setup_fragment
from tests.programs.programs import DATA, REPOSITORY, AgentProgram, EngineProgram, base_environment, enrol, run_script

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SERIOUS = {"serious", "critical"}
EVERYTHING = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
COLOURS = {"type": "rule", "values": ["color-contrast"]}
DEVICES = 30
_RUN = """
async (runOnly) => {
  const said = (node) => `${node.html.slice(0, 200)} ${node.any[0]?.message ?? node.failureSummary}`;
  const found = await axe.run(document, { runOnly, resultTypes: ["violations"] });
  return found.violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map(said) }));
}
"""


# Nothing half-way: the page has followed the browser's colours, and what was moving has come to rest.
_AT_REST = """
async (scheme) => {
  while (document.documentElement.dataset.mantineColorScheme !== scheme) await new Promise(requestAnimationFrame);
  for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
  const ends = document.getAnimations().filter((one) => one.effect.getTiming().iterations !== Infinity);
  await Promise.allSettled(ends.map((one) => one.finished));
}
"""


def violations(page: Page, rules: dict[str, Any]) -> list[str]:
    """What axe finds that keeps people out."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE_FILE_PATH.read_text())
    found: list[dict[str, Any]] = page.evaluate(_RUN, rules)
    return [f"{one['id']} {one['impact']}: {one['nodes'][:3]}" for one in found if one["impact"] in SERIOUS]


def look(window: Window, place: str, wrong: list[str]) -> None:
    """Both widths in both colours."""
    page = window.page
    page.wait_for_load_state("networkidle")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    for width, height in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.evaluate(_AT_REST, scheme)
            # In the dark the page differs by its colours alone.
            rules = EVERYTHING if scheme == "light" else COLOURS
            found = violations(page, rules)
            if found:  # What was only on its way from one colour to the other is gone after a moment.
                page.wait_for_timeout(1000)
                found = violations(page, rules)
            wrong += [f"{place} {width} {scheme}: {one}" for one in found]


@pytest.fixture(scope="module")
def fleet(engine: EngineProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Thirty devices that are away, one that is here and has run something, one site; ids of what has a page."""
    folder = tmp_path_factory.mktemp("fleet")
    engine.stop()
    path = ":".join(str(part) for part in (DATA / "Shared", DATA / "Engine", DATA / "Agent", REPOSITORY / "tools"))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "fleet",
            "--root",
            str(engine.root),
            "--count",
            str(DEVICES),
            "--seed-only",
            str(folder / "fleet"),
        ],
        env={**base_environment(), "PYTHONPATH": path},
        check=True,
    )
    engine.start()
    agent = AgentProgram(folder / "agent", "--installer-code", engine.enrolment_token())
    try:
        guid = enrol(engine, agent)
        with engine.owner() as owner:
            assert owner.post("/api/sites", json={"name": "Hamburg"}).status_code == 201
            (good,) = run_script(owner, "echo fine; echo oops >&2", guids=[guid])
            run_script(owner, "exit 3", guids=[guid])
            engine.enrolment_token()
        yield {"device": guid, "run": good["run_id"], "job": str(good["job_id"])}
    finally:
        agent.stop()


def test_axe_finds_nothing_before_the_sign_in(fresh_engine: EngineProgram, desk: Desk) -> None:
    wrong: list[str] = []
    with desk.window() as window:
        for place in ("/sign-in", setup_fragment(fresh_engine)):
            window.open(place)
            look(window, place.partition("#")[0], wrong)
    assert not wrong, "\n".join(wrong)


def test_axe_finds_nothing_where_there_is_nothing_yet(engine: EngineProgram, desk: Desk) -> None:
    wrong: list[str] = []
    with desk.window() as window:
        window.sign_in("ada")
        for place in ("/", "/devices", "/enrol", "/activity", "/scripts"):
            window.open(place)
            look(window, f"empty {place}", wrong)
    assert not wrong, "\n".join(wrong)


def test_axe_finds_nothing_on_any_page(fleet: dict[str, str], desk: Desk) -> None:
    device = f"/devices/{fleet['device']}"
    places = [
        "/",
        "/devices",
        *(
            device + tab
            for tab in (
                "",
                "/hardware",
                "/storage",
                "/network",
                "/software",
                "/users",
                "/screen",
                "/activity",
                "/roles",
                "/logs",
            )
        ),
        "/enrol",
        "/sites",
        "/scripts",
        "/scripts/new",
        "/run",
        "/activity",
        f"/jobs/{fleet['job']}",
        f"/runs/{fleet['run']}",
        "/audit",
        "/operators",
        "/server",
        "/account",
    ]
    wrong: list[str] = []
    with desk.window() as window:
        page = window.sign_in("ada")
        for place in places:
            window.open(place)
            look(window, place.replace(fleet["device"], "GUID"), wrong)
        page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
        window.open("/devices")
        expect(page.get_by_role("grid").locator("[data-place='0']")).to_be_visible()
        page.keyboard.press("Control+k")
        expect(page.get_by_role("dialog")).to_be_visible()
        wrong += [f"the command palette: {one}" for one in violations(page, EVERYTHING)]
        window.open("/devices?older=7d")
        for name in ("Filters", "Columns and density"):
            page.get_by_role("button", name=name).click()
            expect(page.get_by_role("menu")).to_be_visible()
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                page.evaluate(_AT_REST, scheme)
                wrong += [f"the menu {name} {scheme}: {one}" for one in violations(page, EVERYTHING)]
            page.keyboard.press("Escape")
            expect(page.get_by_role("menu")).to_have_count(0)
        window.open("/account")
        page.get_by_role("button", name="Add a passkey").click()
        expect(page.get_by_role("dialog").get_by_label("Your password")).to_be_visible()
        page.evaluate(_AT_REST, "dark")
        wrong += [f"a new passkey: {one}" for one in violations(page, EVERYTHING)]
    assert not wrong, "\n".join(wrong)
