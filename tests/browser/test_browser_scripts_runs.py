"""A script from its first line to twelve devices; its versions and files; links to runs; names that are no HTML.

One story in parts: each part goes on where the one before ended.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.browsing import NARROW, WIDE, Desk, Window, new_operator
from tests.browser.machines import Machine, Rack
from tests.programs.programs import AgentProgram, EngineProgram, enrol, run_script

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

LABS = tuple(f"lab-{number:02}" for number in range(1, 12))
FIRST = 'set -eu\nfile="$FOLDER/$BOREALIS_DEVICE_GUID.conf"\nhead -n "$LIENS" "$file"\necho checked\n'
FIXED = FIRST.replace("LIENS", "LINES_WANTED")
HOSTILE = (
    "<img src=x onerror=alert(1)>\"'`${7*7}{{7*7}} \N{PILE OF POO}\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe",
    "<script>alert(1)</script>",
    "W" * 128,
)
SHAPE = {
    "assembly_guid",
    "domain",
    "assembly_kind",
    "assembly_type",
    "version",
    "display_name",
    "summary",
    "category",
    "metadata",
    "tags",
    "payload",
    "payload_type",
    "payload_guid",
    "payload_checksum",
    "created_at",
    "updated_at",
}


def wait_until_fits(page: Page, width: int) -> int:
    """How wide the page is, once it has noticed the size of its window: 5 seconds at most."""
    for _ in range(50):
        shown = int(page.evaluate("document.documentElement.scrollWidth"))
        if shown <= width:
            break
        page.wait_for_timeout(100)
    return shown


@pytest.fixture(scope="module")
def owner(engine: EngineProgram) -> Iterator[httpx.Client]:
    with engine.owner() as client:
        yield client


@pytest.fixture(scope="module")
def agent(engine: EngineProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProgram]:
    program = AgentProgram(tmp_path_factory.mktemp("agent") / "agent", "--installer-code", engine.enrolment_token())
    try:
        enrol(engine, program)
        yield program
    finally:
        program.stop()


@pytest.fixture(scope="module")
def labs(engine: EngineProgram, owner: httpx.Client, agent: AgentProgram) -> Iterator[list[Machine]]:
    """Eleven machines beside the one with the agent."""
    rack = Rack(engine, owner)
    yield rack.start(*LABS)
    rack.close()


@pytest.fixture(scope="module")
def folder(agent: AgentProgram, labs: list[Machine], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script looks for: ``GUID.conf`` of each device, but for two."""
    place = tmp_path_factory.mktemp("settings")
    for guid in (agent.guid, *(lab.guid for lab in labs if lab.hostname not in ("lab-04", "lab-09"))):
        (place / f"{guid}.conf").write_text("colour = green\nsize = 2\n")
    return place


@pytest.fixture(scope="module")
def window(engine: EngineProgram, desk: Desk) -> Iterator[Window]:
    with desk.window() as opened:
        yield opened


def write(page: Page, text: str) -> None:
    """Replace what the editor holds."""
    editor = page.get_by_role("textbox", name="The script")
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(text)


def declare(page: Page, number: int, name: str, kind: str) -> None:
    page.get_by_role("button", name="Add a variable").click()
    group = page.get_by_role("group", name=f"variable {number}")
    group.get_by_label("Type").click()
    page.get_by_role("option", name=kind, exact=True).click()
    group.get_by_label("Name").fill(name)  # last: the group is called so from then on


def in_list(page: Page) -> Locator:
    """The runs of a job."""
    return page.get_by_role("list", name="Devices").get_by_role("listitem")


def library(owner: httpx.Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = owner.get("/api/assemblies").json()["items"]
    return items


def take_in(page: Page, *files: Path) -> Locator:
    """Give files to the import; its dialog."""
    page.get_by_role("button", name="Import").click()
    dialog = page.get_by_role("dialog")
    with page.expect_file_chooser() as chosen:
        dialog.get_by_role("button", name="Choose files").click()
    chosen.value.set_files([str(file) for file in files])
    return dialog


def test_a_script_is_written_tried_on_one_machine_and_fixed(window: Window, agent: AgentProgram, folder: Path) -> None:
    page = window.sign_in("ada", path="/scripts")
    page.get_by_role("link", name="New script").click()
    page.get_by_label("Name").first.fill("Check the settings")
    write(page, FIRST)
    declare(page, 1, "FOLDER", "Text")
    declare(page, 2, "LINES_WANTED", "Number")
    limit = page.get_by_role("group", name="LINES_WANTED")
    limit.get_by_label("Default").fill("two")
    expect(limit.get_by_role("alert")).to_have_text("This is not a number.")
    limit.get_by_label("Default").fill("1")
    page.get_by_role("group", name="FOLDER").get_by_label("Required").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Check the settings")).to_be_visible()

    page.get_by_role("link", name="Run", exact=True).last.click()
    page.get_by_label("Find devices to add").fill(agent.guid)
    page.get_by_role("group", name="Found devices").get_by_role("button", name=re.compile("^Add (?!all)")).click()
    page.get_by_role("button", name=re.compile("^Run")).first.click()
    expect(page.get_by_text("FOLDER: it needs a value.")).to_be_visible()
    page.get_by_label("FOLDER").fill(str(folder))
    page.get_by_role("button", name=re.compile("^Run")).first.click()
    expect(in_list(page)).to_contain_text("LIENS: unbound variable")
    expect(in_list(page)).to_contain_text("Exit code 1")

    page.get_by_role("link", name="library, version 1").click()
    write(page, FIXED)
    page.get_by_label("What changed").fill("LINES_WANTED was misspelt")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved as version 2.")).to_be_visible()


def test_it_runs_on_twelve_and_again_on_the_two_that_failed(window: Window, labs: list[Machine], folder: Path) -> None:
    page = window.page
    page.get_by_role("link", name="Run", exact=True).last.click()
    page.get_by_label("FOLDER").fill(str(folder))
    page.get_by_label("All devices").check()
    page.get_by_role("button", name="Run on 12 devices…").click()
    dialog = page.get_by_role("dialog", name="Run on 12 devices?")
    for name in LABS:
        expect(dialog.get_by_role("region", name="Devices")).to_contain_text(name)
    dialog.get_by_role("button", name="Run on 12 devices").click()
    expect(page.get_by_role("status").filter(has_text="12 devices: 2 failed, 10 done")).to_be_visible()
    runs = in_list(page)
    for place, name in enumerate(("lab-04", "lab-09")):  # those that failed come first, and say why
        expect(runs.nth(place)).to_contain_text(name)
        expect(runs.nth(place)).to_contain_text("No such file or directory")
    expect(runs.nth(2)).to_contain_text("Success")

    for lab in labs:
        (folder / f"{lab.guid}.conf").write_text("colour = blue\n")
    page.get_by_role("button", name="Run again").click()
    page.get_by_role("menuitem", name="On the 2 that failed").click()
    expect(page.get_by_text("2 devices: 2 online")).to_be_visible()
    page.get_by_role("button", name="Run on 2 devices…").click()
    expect(page.get_by_role("dialog").get_by_role("region", name="Devices")).to_have_text("lab-04, lab-09")
    page.get_by_role("button", name="Run on 2 devices", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="2 devices: 2 done")).to_be_visible()
    expect(page.get_by_role("log", name="Lines of output")).to_contain_text("colour = blue")


def test_a_link_shows_the_same_run_to_a_colleague_and_nothing_to_others(
    window: Window, desk: Desk, engine: EngineProgram, owner: httpx.Client
) -> None:
    in_list(window.page).filter(has_text="lab-09").get_by_role("button").click()
    window.page.wait_for_url(re.compile(r"run="))
    place = window.page.url.removeprefix(window.url)
    run = httpx.URL(window.page.url).params["run"]
    site = owner.post("/api/sites", json={"name": "Elsewhere"}).json()["id"]
    new_operator(engine, "carl", "Viewer")
    new_operator(engine, "eve", "Operator", sites=[site])
    with desk.window() as colleague:
        page = colleague.sign_in("carl", path=place)
        expect(page.get_by_role("heading", name="Check the settings")).to_be_visible()
        expect(page.locator("[aria-current='true']")).to_contain_text("lab-09")
        expect(page.get_by_role("log", name="Lines of output")).to_contain_text("colour = blue")
        expect(page.get_by_role("button", name=re.compile("^(Run again|Cancel)"))).to_have_count(0)
        for where, said in {
            "/jobs/999999": "There is no such job",
            "/runs/none-of-that": "There is no such run",
            "/scripts/none-of-that": "There is no such script",
            "/devices/none-of-that": "There is no such device",
            "/nowhere": "There is nothing at this address",
            "/operators": "This is not for you",
        }.items():
            colleague.open(where)
            expect(page.get_by_text(said)).to_be_visible()
    with desk.window() as stranger:
        page = stranger.sign_in("eve", path=place)
        expect(page.get_by_text("There is no such job")).to_be_visible()
        stranger.open(f"/runs/{run}")
        expect(page.get_by_text("There is no such run")).to_be_visible()


def test_versions_say_who_changed_what_and_an_earlier_one_comes_back(
    window: Window, owner: httpx.Client, desk: Desk
) -> None:
    (script,) = library(owner)
    page = window.open(f"/scripts/{script['assembly_guid']}?tab=versions")
    rows = page.get_by_role("table", name="Versions").get_by_role("row")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text("ada")
    expect(rows.nth(1)).to_contain_text("LINES_WANTED was misspelt")
    changes = page.get_by_label("The script: version 1 and version 2")
    expect(changes).to_contain_text('head -n "$LIENS"')
    expect(changes).to_contain_text('head -n "$LINES_WANTED"')
    rows.nth(2).get_by_role("button", name="Restore").click()
    page.get_by_role("dialog").get_by_role("button", name="Restore").click()
    expect(page.get_by_role("link", name="3 (newest)")).to_be_visible()
    answer = owner.get(f"/api/assemblies/{script['assembly_guid']}").json()
    assert (answer["version"], "LIENS" in answer["payload"]["script"]) == (3, True)

    # A colleague saves while somebody else writes: nothing of either is lost without a word.
    page.get_by_role("tab", name="Script").click()
    write(page, FIXED + "# mine\n")
    with desk.window() as colleague:
        other = colleague.sign_in("ada", path=f"/scripts/{script['assembly_guid']}")
        write(other, FIXED + "# theirs\n")
        other.get_by_role("button", name="Save").click()
        expect(other.get_by_text("Saved as version 4.")).to_be_visible()
    expect(page.get_by_text("Version 4 was saved by ada meanwhile")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("version_conflict")).to_be_visible()
    expect(page.get_by_role("textbox", name="The script")).to_contain_text("# mine")
    page.get_by_role("button", name="Drop what I wrote and show the newest").click()
    expect(page.get_by_role("textbox", name="The script")).to_contain_text("# theirs")


def test_export_and_import_are_upstreams_files(window: Window, owner: httpx.Client, tmp_path: Path) -> None:
    (script,) = library(owner)
    page = window.page
    page.get_by_role("button", name="More").click()
    with page.expect_download() as downloading:
        page.get_by_role("menuitem", name="Export").click()
    assert downloading.value.suggested_filename == "Check_the_settings.json"
    file = tmp_path / "exported.json"
    downloading.value.save_as(file)
    exported = json.loads(file.read_text())
    assert set(exported) == SHAPE
    assert exported == owner.get(f"/api/assemblies/{script['assembly_guid']}/export").json()
    assert [one["name"] for one in exported["payload"]["variables"]] == ["FOLDER", "LINES_WANTED"]

    # It is here already: the import becomes another one.
    page.get_by_role("link", name="Scripts", exact=True).first.click()
    dialog = take_in(page, file)
    expect(dialog).to_contain_text("the one with its GUID was kept, this is another")
    page.keyboard.press("Escape")
    rows = page.get_by_role("grid").locator("[data-place]")
    expect(rows).to_have_count(2)
    (again,) = [one for one in library(owner) if one["assembly_guid"] != script["assembly_guid"]]
    assert again["checksum"] == script["checksum"]

    # It is not here: it comes in as itself. A broken one beside it is named, and changes nothing.
    exported["assembly_guid"] = "0b0e7a1c-5a52-4f0e-9d0c-5d4c1b8f2a11"
    exported["display_name"] = "From elsewhere"
    good, cut, wrong = (tmp_path / name for name in ("good.json", "cut.json", "wrong.json"))
    good.write_text(json.dumps(exported))
    cut.write_text(json.dumps(exported)[:200])
    wrong.write_text(json.dumps({**exported, "payload": {"type": "cobol", "script": "RUN"}}))
    dialog = take_in(page, good, cut, wrong)
    expect(dialog.get_by_role("link", name="From elsewhere")).to_be_visible()
    for name in ("cut.json", "wrong.json"):
        expect(dialog.get_by_role("alert").filter(has_text=f"{name} was not imported")).to_be_visible()
    expect(dialog.get_by_text("invalid_payload")).to_be_visible()
    page.keyboard.press("Escape")
    expect(rows).to_have_count(3)
    assert exported["assembly_guid"] in {one["assembly_guid"] for one in library(owner)}


def test_names_and_outputs_of_scripts_are_text_and_break_no_layout(
    window: Window, owner: httpx.Client, agent: AgentProgram
) -> None:
    for name in HOSTILE:
        body = {
            "display_name": "".join(char for char in name if char.isprintable())[:128],
            "summary": f"{name}\n{'x' * 3000}",
            "category": name[:64],
            "payload": {"type": "bash", "script": name},
            "comment": name,
        }
        made = owner.post("/api/assemblies", json=body)
        assert made.status_code == 201, made.text
    guid = made.json()["assembly_guid"]
    said = "\\0\\033[31mred\\n<img src=x onerror=alert(1)>\\n\\342\\200\\256gpj.exe\\n"
    script = f"printf '{said}'; head -c 20000 /dev/zero | tr '\\0' W; echo; echo '<b id=bold>' >&2; exit 3"
    (run,) = run_script(
        owner, script, guids=[agent.guid], script_name=HOSTILE[0].replace("\N{RIGHT-TO-LEFT OVERRIDE}", "")
    )
    page = window.page
    for place in (
        "/scripts",
        f"/scripts/{guid}",
        f"/scripts/{guid}?tab=versions",
        f"/run?script={guid}",
        f"/runs/{run['run_id']}",
        f"/jobs/{run['job_id']}",
        "/activity",
        "/audit",
    ):
        page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
        window.open(place)
        page.wait_for_load_state("networkidle")
        for width, height in (WIDE, NARROW):
            page.set_viewport_size({"width": width, "height": height})
            if place.startswith(("/runs", "/jobs")):
                expect(page.get_by_role("log", name="Lines of output")).to_contain_text("<img src=x onerror=alert(1)>")
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert page.locator("img[src='x'], #bold, main script").count() == 0, place
            shown = wait_until_fits(page, width)
            assert shown <= width, f"{place} is {shown} wide in a window of {width}"
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    page.keyboard.press("Control+k")
    expect(page.get_by_role("textbox", name="Find a device, a script, a page or an action")).to_be_focused()
    page.keyboard.insert_text("<img src")
    expect(page.get_by_role("dialog").get_by_text("<img src=x onerror").first).to_be_visible()
    assert page.locator("img[src='x']").count() == 0
    page.keyboard.press("Escape")
