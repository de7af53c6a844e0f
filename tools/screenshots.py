"""Pictures of every page for ``Docs/images``: light and dark, wide and narrow, with no, one and many devices.

``python -m screenshots FOLDER [--devices 0 1 5000] [--only PATTERN]``. Starts an Engine of its own with the built page;
of the devices one is real and the others are put into the database, those for a look at a full list.
"""

import argparse
import contextlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from tests.browser.browsing import (
    NARROW,
    WIDE,
    Desk,
    Window,
    desk_at,
    page_engine,
    set_up,
    setup_fragment,
)
from tests.page.page_build import built_page
from tests.programs.local import local_settings
from tests.programs.programs import AgentProgram, EngineProgram, enrol, run_script

from bench.sample_devices import SITES, describe, remember
from borealis_engine.core.paths import EnginePaths
from fleet.seed import seed_devices

EMPTY_PLACES: Final = ("/", "/devices", "/enrol", "/sites", "/run", "/activity", "/scripts", "/audit")
ALL_PLACES: Final = (*EMPTY_PLACES, "/credentials", "/operators", "/server", "/account")
TABS: Final = (
    "",
    "/hardware",
    "/storage",
    "/network",
    "/software",
    "/users",
    "/activity",
    "/roles",
    "/screen",
    "/desktop",
    "/rdp",
    "/shell",
    "/files",
    "/macro",
    "/logs",
)


ACCOUNTS: Final = """root:x:0:0:root:/root:/bin/bash
ada:x:1000:1000:Ada Lovelace:/home/ada:/bin/bash
grace:x:1001:1001:Grace Hopper:/home/grace:/bin/zsh
"""
FILES: Final = {"Documents/plan.odt": 48_211, "Pictures/lake.jpg": 2_418_004, "notes.txt": 731, "report.pdf": 612_880}
BOUND: Final = {"passwd": "/etc/passwd", "group": "/etc/group", "home": "/home"}
GROUPS: Final = "root:x:0:\nada:x:1000:\ngrace:x:1001:\nsudo:x:27:ada\n"
SCRIPT: Final = {
    "display_name": "Free space",
    "summary": "How full the disks are",
    "category": "Care",
    "assembly_kind": "script",
    "assembly_type": "bash",
    "payload": {"type": "bash", "script": "df --human-readable --local\n"},
}

CREDENTIAL: Final = {
    "name": "Switches",
    "description": "Core switches in Berlin",
    "kind": "ssh",
    "secret": {"username": "admin", "password": "only for this picture"},
}


def main() -> int:
    """Parse and take the pictures."""
    parser = argparse.ArgumentParser(prog="screenshots", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--devices", type=int, nargs="*", default=[0, 1, 5000])
    parser.add_argument("--only", default="", help="pictures whose name has this pattern in it")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    wanted = re.compile(options.only)
    for count in options.devices:
        with tempfile.TemporaryDirectory(prefix="borealis-pictures-") as folder:
            take(Path(folder), count, options.folder, wanted)
    return 0


def take(work: Path, count: int, into: Path, wanted: re.Pattern[str]) -> None:
    """All pictures with ``count`` devices."""
    engine = page_engine(work / "engine", built_page())
    settings = local_settings()
    engine.environment.update(settings)
    engine.start()
    try:
        with contextlib.ExitStack() as stack:
            desk = stack.enter_context(desk_at(engine))
            if count == 0:
                shoot(desk, {"setup": setup_fragment(engine)}, f"-{count}", into, wanted, name=None)
            set_up(engine)
            if count == 0:
                shoot(desk, {"sign-in": "/sign-in"}, f"-{count}", into, wanted, name=None)
            places = {place.strip("/") or "overview": place for place in (ALL_PLACES if count else EMPTY_PLACES)}
            if count:
                places |= stack.enter_context(filled(engine, work, count, settings))
            shoot(desk, places, f"-{count}", into, wanted, name="ada")
    finally:
        engine.stop()


@contextlib.contextmanager
def filled(engine: EngineProgram, work: Path, count: int, settings: dict[str, str]) -> Iterator[dict[str, str]]:
    """Devices, runs and a site; gives the addresses that they have."""
    if count > 1:
        seed(engine, count - 1)
    code = engine.enrolment_token()
    agent = AgentProgram(work / "agent", "--installer-code", code, environment=settings)
    with_sample_accounts(agent, work)
    try:
        guid = enrol(engine, agent)
        with engine.owner() as owner:
            owner.post("/api/assemblies", json=SCRIPT).raise_for_status()
            owner.post("/api/credentials", json=CREDENTIAL).raise_for_status()
            owner.post("/api/sites", json={"name": "Head office", "description": "Berlin"}).raise_for_status()
            (good,) = run_script(owner, "uname -sr; uptime", guids=[guid], script_name="How is it?")
            run_script(owner, "echo looking; ls /nowhere", guids=[guid], script_name="Look for a folder")
        device = {f"device-{tab.strip('/') or 'summary'}": f"/devices/{guid}{tab}" for tab in TABS}
        device["device-files"] += "?path=/home/ada"
        yield {**device, "job": f"/jobs/{good['job_id']}", "one-run": f"/runs/{good['run_id']}"}
    finally:
        agent.stop()


def with_sample_accounts(agent: AgentProgram, work: Path) -> None:
    """The agent shall tell of made-up accounts, not of this machine's: it sees another list of them. Needs root."""
    for name, text in (("passwd", ACCOUNTS), ("group", GROUPS)):
        (work / name).write_text(text)
    home = work / "home" / "ada"
    for name, size in FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(bytes(size))
    for path in (home, *home.rglob("*")):
        os.chown(path, 1000, 1000)
    binds = (f'mount --bind "$0/{name}" {place}' for name, place in BOUND.items())
    bound = " && ".join((*binds, 'exec "$@"'))
    agent.command = ["unshare", "--mount", "sh", "-c", bound, str(work), *agent.command]


def seed(engine: EngineProgram, count: int) -> None:
    """Put devices into the database of the Engine, which restarts for it: in sites, with what agents would tell."""
    with engine.owner() as owner:
        made = [owner.post("/api/sites", json={"name": name, "description": ""}).json() for name in SITES]
    engine.stop()
    paths = EnginePaths(engine.root / "Engine")

    def fill() -> None:
        describe(paths, seed_devices(paths.root, count), [site["id"] for site in made])
        remember(paths, count, now=time.time())

    with ThreadPoolExecutor(1) as other:  # the browser's library keeps an event loop in this thread
        other.submit(fill).result()
    engine.start()


def shoot(
    desk: Desk, places: dict[str, str], suffix: str, into: Path, wanted: re.Pattern[str], *, name: str | None
) -> None:
    """Each place, wide and narrow, light and dark; as ``name``, or as nobody."""
    schemes: tuple[Any, ...] = ("light", "dark")
    for size in (WIDE, NARROW):
        for scheme in schemes:
            pictures = {f"{place}{suffix}-{scheme}-{size[0]}.png": path for place, path in places.items()}
            chosen = {picture: path for picture, path in pictures.items() if wanted.search(picture)}
            if not chosen:
                continue
            with desk.window(size=size, scheme=scheme) as window:
                if name is not None:
                    window.sign_in(name)
                for picture, path in chosen.items():
                    picture_of(window, path, into / picture)


def picture_of(window: Window, path: str, file: Path) -> None:
    """One place, when it has come to rest."""
    page = window.open(path)
    page.get_by_role("heading", level=1).wait_for()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(300)
    page.screenshot(path=file)
    print(f"{file.name}: {file.stat().st_size // 1024} kB", flush=True)


if __name__ == "__main__":
    sys.exit(main())
