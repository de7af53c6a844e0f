"""How the web page feels with a full list, measured inside a real Chromium against a real Engine.

A click or a key is timed from the browser's own time stamp of the event until the frame that shows its effect was
handed over for painting: the change in the document, then two animation frames. A load is timed from its beginning
until rows are painted and the page has time for its reader: the end of the last long task before half a quiet second.
"""

import asyncio
import gzip
import re
import shutil
import ssl
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import psutil
from playwright.sync_api import Page
from tests.browser.browsing import Desk, desk_at, page_engine, set_up
from tests.programs.programs import EngineProgram

from bench.figures import Figure, percentile
from bench.measure import make_fleet
from bench.sample_devices import SITES, describe
from borealis_engine.core.paths import EnginePaths
from fleet.fleet import Fleet
from fleet.seed import SeededDevice, seed_devices

ROUNDS: Final = 5
CHANGES_PER_SECOND: Final = 200
CHANGE_SECONDS: Final = 15.0
AT_ONCE: Final = 32
KEY_SECONDS: Final = 0.12
"""Between two keys: a quick typist."""
SORTED_BY: Final = ("Name", "State", "Last seen", "Site", "Operating system", "Last user", "Address")
TYPED: Final = ("sim-0123", "hamburg", "windows 11")
TYPED_UNDER_LOAD: Final = "sim-00 hamburg"

_WATCH: Final = """
(() => {
  const bench = { long: [], usable: 0 };
  window.__bench = bench;
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) bench.long.push([task.startTime, task.duration]);
  }).observe({ type: "longtask", buffered: true });
  const painted = (done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())));
  const look = new MutationObserver(() => {
    if (!document.querySelector('[role="grid"] [data-place]')) return;
    look.disconnect();
    painted((at) => { bench.rows = at; });
  });
  look.observe(document, { childList: true, subtree: true });
  bench.settled = () => {
    const last = bench.long.at(-1);
    const end = last ? last[0] + last[1] : 0;
    return bench.rows !== undefined && performance.now() - Math.max(end, bench.rows) > 500;
  };
  // What the next event of this kind leads to, and how long it took to be seen.
  let looking;
  let turn = 0;
  bench.expect = (kind, state) => {
    looking?.disconnect(); // a letter without effect left it
    const mine = ++turn;
    const before = bench.state(state);
    bench.took = undefined;
    bench.asked = performance.now();
    let since;
    const look = looking = new MutationObserver(() => {
      if (since === undefined || bench.state(state) === before) return;
      look.disconnect();
      painted((at) => { if (mine === turn) bench.took = at - since; });
    });
    look.observe(document.body, { childList: true, subtree: true, attributes: true, characterData: true });
    window.addEventListener(kind, (event) => { since = event.timeStamp; }, { capture: true, once: true });
  };
  bench.state = (what) => {
    const grid = document.querySelector('[role="grid"]');
    if (what === "count") return grid?.getAttribute("aria-rowcount");
    const sorted = grid?.querySelector('[role="columnheader"][aria-sort$="ending"]');
    return sorted?.textContent + sorted?.getAttribute("aria-sort");
  };
  bench.keys = [];
  bench.typing = () => window.addEventListener("keydown", (event) => {
    painted((at) => { bench.keys.push(at - event.timeStamp); });
  }, { capture: true });
})();
"""

# A letter that all devices left have in them has no effect to be seen.
_SHOWN_OR_WITHOUT_EFFECT: Final = "() => __bench.took !== undefined || performance.now() - __bench.asked > 1000"


def chromium() -> str | None:
    """The browser that is measured in, where there is one."""
    return shutil.which("chromium")


def page_figures(root: Path, built: Path, count: int) -> list[Figure]:
    """All figures of the page with ``count`` devices.

    Args:
        root: a folder for the Engine.
        built: the built page, as the Engine serves it.
        count: how many devices.
    """
    with page_with_devices(root, built, count) as place:
        return [
            *size_figures(built),
            *load_figures(place),
            *answer_figures(place),
            *input_figures(place),
            *change_figures(place),
        ]


@dataclass(frozen=True, slots=True)
class Place:
    """An Engine with devices, a browser, and the cookies of somebody who signed in."""

    engine: EngineProgram
    desk: Desk
    fleet: Fleet
    cookies: list[Any]
    count: int

    @contextmanager
    def window(self) -> Iterator[Page]:
        """A fresh profile of somebody who is signed in."""
        context = self.desk.browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
        context.set_default_timeout(60_000)
        context.add_cookies(self.cookies)
        context.add_init_script(_WATCH)
        try:
            yield context.new_page()
        finally:
            context.close()


@contextmanager
def page_with_devices(root: Path, built: Path, count: int) -> Iterator[Place]:
    """Start an Engine that serves ``built`` and knows ``count`` described devices in a few sites."""
    engine = page_engine(root, built).start()
    try:
        set_up(engine)
        with engine.owner() as owner:
            sites = [int(owner.post("/api/sites", json={"name": name}).json()["id"]) for name in SITES]
        engine.stop()
        paths = EnginePaths(root / "Engine")
        seeded: list[SeededDevice] = seed_devices(paths.root, count)
        describe(paths, seeded, sites)
        engine.start()
        with desk_at(engine) as desk:
            with desk.window() as window:
                window.sign_in("ada")
                cookies: list[Any] = list(window.context.cookies())
            yield Place(engine, desk, make_fleet(engine, seeded), cookies, count)
    finally:
        engine.stop()


def size_figures(built: Path) -> list[Figure]:
    """What a browser loads before it shows anything."""
    scripts = initial_scripts(built)
    size = sum(len(gzip.compress((built / name).read_bytes(), 9)) for name in scripts)
    note = f"{len(scripts)} files named by the first page, and all that they import"
    return [Figure("page: initial JavaScript", size / 1000, "kB gzip", "<= 350", note)]


def initial_scripts(built: Path) -> set[str]:
    """The scripts that the first page names, and what they import statically."""
    index = (built / "index.html").read_text()
    waiting = re.findall(r'(?:<script[^>]+src|<link rel="modulepreload"[^>]+href)="/([^"]+)"', index)
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        text = (built / name).read_text()
        folder = Path(name).parent
        waiting += [
            (folder / found).as_posix()
            for found in re.findall(r"""(?:\bfrom|\bimport)\s*["'`]\./([^"'`]+\.js)["'`]""", text)
        ]
    return seen


def load_figures(place: Place) -> list[Figure]:
    """The list from an empty cache, and again."""
    cold: list[float] = []
    rows: list[float] = []
    warm: list[float] = []
    sent = 0
    for _ in range(ROUNDS):
        with place.window() as page:
            painted, usable = load(page, place.desk.url)
            rows.append(painted)
            cold.append(usable)
            sent = page.evaluate(
                "() => performance.getEntries().reduce((sum, entry) => sum + (entry.transferSize ?? 0), 0)"
            )
            warm.append(load(page, place.desk.url)[1])
    how = f"{place.count} devices, median of {ROUNDS}"
    return [
        Figure("page: first load to painted rows", statistics.median(rows), "ms", "", f"{how}, fresh profile"),
        Figure("page: first load to usable", statistics.median(cold), "ms", "<= 1500", f"{how}, no long task after"),
        Figure("page: later load to usable", statistics.median(warm), "ms", "", f"{how}, the same profile"),
        Figure("page: sent for the first load", sent / 1000, "kB", "", "everything, the list of devices included"),
    ]


def load(page: Page, url: str) -> tuple[float, float]:
    """Open the list; milliseconds from the beginning to painted rows, and to a page that is at rest."""
    page.goto(f"{url}/devices")
    page.wait_for_function("() => window.__bench.settled()", polling=100)
    painted, usable = page.evaluate(
        """() => [
            __bench.rows,
            Math.max(__bench.rows, ...__bench.long.map(([start, took]) => start + took)),
        ]"""
    )
    return float(painted), float(usable)


def answer_figures(place: Place) -> list[Figure]:
    """The list of devices as the Engine answers it, as it is and compressed."""
    figures = []
    process = psutil.Process(place.engine.pid)
    calls = 4 * ROUNDS
    for coding in ("identity", "gzip"):
        took, size = [], 0
        with place.engine.owner() as owner:
            before = sum(process.cpu_times()[:2])
            for _ in range(calls):
                started = time.perf_counter()
                with owner.stream("GET", "/api/devices", headers={"Accept-Encoding": coding}) as answer:
                    size = sum(len(piece) for piece in answer.iter_raw())
                took.append((time.perf_counter() - started) * 1000)
            used = 1000 * (sum(process.cpu_times()[:2]) - before) / calls
        note = f"{size / 1000:.0f} kB; the Engine's processor time: {used:.0f} ms"
        figures.append(Figure(f"GET /api/devices, {coding}", statistics.median(took), "ms", "", note))
    return figures


def input_figures(place: Place) -> list[Figure]:
    """Sorting by each column, both ways, and each letter of a search."""
    sorting: list[float] = []
    filtering: list[float] = []
    with place.window() as page:
        load(page, place.desk.url)
        used = main_thread(page)
        for _ in range(2):
            for header in SORTED_BY:
                button = page.get_by_role("columnheader", name=header, exact=True).get_by_role("button")
                for _ in range(2):
                    page.evaluate('() => __bench.expect("click", "sort")')
                    button.click()
                    sorting.append(_took(page))
        each = used() / len(sorting)
        field = page.get_by_label("Search devices")
        for _ in range(2):
            for word in TYPED:
                for letters in range(1, len(word) + 1):
                    page.evaluate('() => __bench.expect("keydown", "count")')
                    field.press(word[letters - 1])
                    page.wait_for_function(_SHOWN_OR_WITHOUT_EFFECT, polling=20)
                    took = page.evaluate("() => __bench.took")
                    if took is not None:
                        filtering.append(float(took))
                field.fill("")
                page.wait_for_function(f"() => __bench.state('count') === '{place.count + 1}'")
    return [
        *_spread("page: sorting", sorting, f"{len(sorting)} clicks on {len(SORTED_BY)} headings"),
        Figure("page: sorting, processor time", each, "ms", "", "of the page's main thread, for each click"),
        *_spread("page: filtering", filtering, f"{len(filtering)} letters typed"),
    ]


def main_thread(page: Page) -> Callable[[], float]:
    """Asks how many milliseconds of processor time the page's main thread used since now, whoever else is busy."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def used() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(float(metric["value"]) for metric in metrics if metric["name"] == "TaskDuration")

    before = used()
    return lambda: used() - before


def _took(page: Page) -> float:
    page.wait_for_function("() => __bench.took !== undefined", polling=20)
    return float(page.evaluate("() => __bench.took"))


def _spread(name: str, values: Sequence[float], how: str) -> list[Figure]:
    return [
        Figure(f"{name}, median", statistics.median(values), "ms", "<= 100", f"{how}, event to painted rows"),
        Figure(f"{name}, longest", max(values), "ms", "", "the same"),
    ]


def change_figures(place: Place) -> list[Figure]:
    """Typing while devices come online, many a second."""
    with place.window() as page:
        load(page, place.desk.url)
        field = page.get_by_label("Search devices")
        field.click()
        page.evaluate("() => { __bench.long.length = 0; __bench.typing(); }")
        used = main_thread(page)
        changes = Changes(place.fleet, place.engine.tls())
        started = time.monotonic()
        changes.start()
        number = 0
        while changes.is_alive():
            # Typed, and taken back: letters narrow the list, the others make it whole again.
            place_in_round = number % (2 * len(TYPED_UNDER_LOAD))
            text = TYPED_UNDER_LOAD
            page.keyboard.press(text[place_in_round] if place_in_round < len(text) else "Backspace")
            number += 1
            time.sleep(max(0.0, started + number * KEY_SECONDS - time.monotonic()))
        changes.join()
        took = time.monotonic() - started
        share = used() / (10 * took)
        field.fill("")
        page.wait_for_timeout(1500)
        long, keys = page.evaluate("() => [__bench.long.map((task) => task[1]), __bench.keys]")
        shown = place.count - still_offline(page)
    note = f"{changes.taken / took:.0f} changes/s over {took:.0f} s, {shown} shown; {len(keys)} keys"
    return [
        Figure("page: long tasks while devices change", len(long), "", "0", f"over 50 ms; {note}"),
        Figure("page: longest of them", max(long, default=0.0), "ms", "<= 50", "0: there was none"),
        Figure("page: its main thread meanwhile", share, "% of a core", "", "changes and typing together"),
        Figure("page: a key to its letter painted, p50", statistics.median(keys), "ms", "", "two frames are 33 ms"),
        Figure("page: a key to its letter painted, p95", percentile(keys, 0.95), "ms", "", "the same keys"),
    ]


def still_offline(page: Page) -> int:
    """How many devices the page calls offline, by what it heard: it asks nothing for that."""
    page.evaluate('() => history.pushState({}, "", "/devices?state=offline")')
    text = page.get_by_text(re.compile(r"^[\d,]+ of [\d,]+ devices$")).inner_text()
    return int(text.split(" ", 1)[0].replace(",", ""))


class Changes(threading.Thread):
    """Heartbeats of devices that were offline, evenly over the time: each is a change of state that pages hear of."""

    def __init__(self, fleet: Fleet, tls: ssl.SSLContext) -> None:
        super().__init__(name="changes", daemon=True)
        self.taken = 0
        self._fleet = fleet
        self._tls = tls

    def run(self) -> None:
        """Send them."""
        asyncio.run(self._send())

    async def _send(self) -> None:
        total = min(len(self._fleet.devices), int(CHANGES_PER_SECOND * CHANGE_SECONDS))
        started = time.monotonic()
        numbers = iter(range(total))
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=AT_ONCE)

        async def work() -> None:
            for number in numbers:
                wait = started + number / CHANGES_PER_SECOND - time.monotonic()
                if wait > 0:
                    await asyncio.sleep(wait)
                status = await self._fleet.devices[number].heartbeat(session)
                self.taken += status == 200

        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(work())
