"""Files in the page: dropped, paused, gone on with after the Engine was away, fetched; and a folder of thousands."""

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Error, Locator, Page, expect
from tests.browser.browsing import Desk, desk_at, page_engine, set_up
from tests.browser.test_browser_axe import look
from tests.page.page_build import built_page
from tests.programs.files import some_bytes
from tests.programs.local import local_settings
from tests.programs.programs import AgentProgram, EngineProgram, enrol, wait_for, wait_online

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX's files and accounts"),
]

# A browser's drop holds files of its own; a test can only make some in the page.
_DROP = """
(element, {files}) => {
  const data = new DataTransfer();
  for (const {name, size, fill} of files) {
    data.items.add(new File([new Uint8Array(size).fill(fill)], name, {lastModified: 1700000000000}));
  }
  for (const kind of ["dragenter", "dragover", "drop"]) {
    element.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
  }
}
"""


@dataclass
class Scene:
    engine: EngineProgram
    agent: AgentProgram
    guid: str
    desk: Desk
    account: Path


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    root = tmp_path_factory.mktemp("files")
    settings = local_settings()
    engine = page_engine(root / "engine", built_page())
    engine.environment.update(settings)
    engine.start()
    agent = AgentProgram(root / "agent", "--installer-code", engine.enrolment_token(), environment=settings)
    try:
        guid = enrol(engine, agent)
        set_up(engine)
        with desk_at(engine) as desk:
            yield Scene(engine, agent, guid, desk, root)
    finally:
        agent.stop()
        engine.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "there"
    found.mkdir()
    return found


def drop(place: Locator, *files: tuple[str, int, int]) -> None:
    """Drop files of such a name and size, filled with one byte."""
    place.evaluate(_DROP, {"files": [{"name": name, "size": size, "fill": fill} for name, size, fill in files]})


def at(page: Page, path: Path) -> None:
    """The folder is shown."""
    expect(page.get_by_role("textbox", name="Folder", exact=True)).to_have_value(str(path))
    expect(page.get_by_role("grid", name="Files")).to_be_visible()


def address(scene: Scene, path: Path) -> str:
    return f"/devices/{scene.guid}/files?path={path}"


def on_the_way(page: Page) -> Locator:
    return page.get_by_role("region", name="Files on their way")


def test_files_are_dropped_paused_gone_on_with_and_fetched(scene: Scene, folder: Path, tmp_path: Path) -> None:
    size = 150_000_000
    (folder / "sub").mkdir()
    with scene.desk.window(accept_downloads=True) as window:
        page = window.sign_in("ada", path=address(scene, folder))
        at(page, folder)
        page.get_by_role("row").filter(has_text="sub").click()
        at(page, folder / "sub")
        page.get_by_role("navigation", name="Folders on the way").get_by_role(
            "button", name="there", exact=True
        ).click()
        at(page, folder)
        grid = page.get_by_role("grid", name="Files")
        drop(grid, ("small.txt", 5, 65), ("large.bin", size, 66))
        ways = on_the_way(page)
        expect(ways).to_contain_text("small.txt")
        wait_for("the small one", lambda: (folder / "small.txt").exists() or None)
        assert (folder / "small.txt").read_bytes() == b"AAAAA"

        def partial() -> int:
            return max((one.stat().st_size for one in folder.glob(".borealis-*.part")), default=0)

        wait_for("a part of the large one", lambda: partial() > 1_000_000 or None)
        page.get_by_role("button", name="Pause large.bin").click()
        expect(ways).to_contain_text("Paused")
        assert not (folder / "large.bin").exists()
        page.screenshot(path=tmp_path / "paused.png")
        stood = wait_for("it to rest", partial)
        page.get_by_role("button", name="Go on with large.bin").click()
        expect(ways).to_contain_text("Arrived · 143 MiB", timeout=60_000)
        assert stood > 1_000_000
        assert (folder / "large.bin").stat().st_size == size
        expect(page.get_by_role("row").filter(has_text="large.bin")).to_be_visible()
        page.screenshot(path=tmp_path / "arrived.png")
        # What is there is not replaced unless somebody says so.
        drop(grid, ("small.txt", 3, 67))
        expect(ways).to_contain_text("A file of this name is there already.")
        assert (folder / "small.txt").read_bytes() == b"AAAAA"
        ways.get_by_role("button", name="Replace").click()
        wait_for("the new one", lambda: (folder / "small.txt").read_bytes() == b"CCC" or None)
        with page.expect_download() as started:
            page.get_by_role("link", name="Download small.txt").click()
        started.value.save_as(tmp_path / "fetched.txt")
        assert (tmp_path / "fetched.txt").read_bytes() == b"CCC"
        page.get_by_role("button", name="New folder").click()
        page.get_by_label("Name", exact=True).fill("made")
        page.get_by_role("button", name="Make it").click()
        expect(page.get_by_role("row").filter(has_text="made")).to_be_visible()
        page.get_by_role("button", name="Remove made").click()
        page.get_by_role("button", name="Remove", exact=True).click()
        expect(page.get_by_role("row").filter(has_text="made")).to_be_hidden()
        assert not (folder / "made").exists()


def test_survives_an_engine_that_restarts_and_a_reload_in_the_middle(scene: Scene, folder: Path) -> None:
    size = 400_000_000
    with scene.desk.window() as window:
        window.expect_while_away()
        page = window.sign_in("ada", path=address(scene, folder))
        at(page, folder)
        drop(page.get_by_role("grid", name="Files"), ("large.bin", size, 66))

        def partial() -> int:
            return max((one.stat().st_size for one in folder.glob(".borealis-*.part")), default=0)

        wait_for("a part of it", lambda: partial() > 1_000_000 or None)
        scene.engine.kill()
        expect(on_the_way(page)).to_contain_text("Goes on by itself")
        scene.engine.start()
        wait_online(scene.engine, scene.agent)
        before = partial()
        wait_for("more of it", lambda: partial() > before + 1_000_000 or (folder / "large.bin").exists() or None)
        with contextlib.suppress(Error):  # it may have arrived in this moment
            page.get_by_role("button", name="Pause large.bin").click(timeout=3000)
        page.reload()
        at(page, folder)
        if not (folder / "large.bin").exists():
            drop(page.get_by_role("grid", name="Files"), ("large.bin", size, 66))
            expect(on_the_way(page)).to_contain_text("Arrived", timeout=90_000)
        assert (folder / "large.bin").stat().st_size == size
        assert not list(folder.glob(".borealis-*"))


def test_a_file_that_is_dropped_on_a_terminal_is_in_the_home_of_its_account(scene: Scene) -> None:
    name = f"borealis-drop-{os.getpid()}.txt"
    home = Path("~").expanduser()
    with scene.desk.window() as window:
        page = window.sign_in("ada", path=f"/devices/{scene.guid}/shell")
        page.get_by_role("button", name="Open a shell").click()
        expect(page.get_by_role("status").filter(has_text=" as ")).to_be_visible()
        try:
            drop(page.get_by_role("tabpanel", name=re.compile("^Shell 1 on")), (name, 7, 68))
            expect(on_the_way(page)).to_contain_text("Arrived")
            assert (home / name).read_bytes() == b"D" * 7
        finally:
            (home / name).unlink(missing_ok=True)
        page.get_by_role("button", name="Close shell 1").click()


def test_a_folder_of_thousands_is_searched_and_what_is_refused_says_why(
    scene: Scene, folder: Path, tmp_path: Path
) -> None:
    for number in range(5000):
        (folder / f"entry-{number:04}.log").touch()
    with scene.desk.window() as window:
        page = window.sign_in("ada", path=address(scene, folder))
        expect(page.get_by_text("5,000 entries")).to_be_visible()
        assert page.get_by_role("row").count() < 100
        page.get_by_label("Search this folder").fill("entry-4321")
        expect(page.get_by_text("1 entry")).to_be_visible()
        expect(page.get_by_role("row").filter(has_text="entry-4321.log")).to_be_visible()
        page.screenshot(path=tmp_path / "thousands.png")
        page.get_by_role("textbox", name="Folder", exact=True).fill(str(folder / "nowhere"))
        page.get_by_role("textbox", name="Folder", exact=True).press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("There is no")
        page.get_by_label("As", exact=True).fill("no-such-person")
        page.get_by_label("As", exact=True).press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("There is no account")


def test_files_keep_nobody_out(scene: Scene, folder: Path, tmp_path: Path) -> None:
    """axe on a folder that is empty, on one with files and a transfer, and on a refusal; light, dark, wide, narrow."""
    wrong: list[str] = []
    with scene.desk.window() as window:
        page = window.sign_in("ada", path=address(scene, folder))
        at(page, folder)
        look(window, "an empty folder", wrong)
        (folder / "sub").mkdir()
        (folder / "link").symlink_to("sub")
        (folder / "file.txt").write_bytes(some_bytes(2000))
        page.reload()
        at(page, folder)
        drop(page.get_by_role("grid", name="Files"), ("file.txt", 5, 65))
        expect(on_the_way(page)).to_contain_text("A file of this name is there already.")
        look(window, "files", wrong)
        page.screenshot(path=tmp_path / "narrow-dark.png")
        page.goto(f"{window.url}/devices/{scene.guid}/files?path={folder}/nowhere")
        expect(page.get_by_role("alert")).to_be_visible()
        look(window, "a refusal", wrong)
    assert not wrong, "\n".join(wrong)
