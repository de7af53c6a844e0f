"""``./Borealis.sh bench [--json FILE]``: what this machine reaches, as a table and as JSON (contract 9)."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from bench import measure
from bench.figures import Figure, machine, table


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE too")
    parser.add_argument("--devices", type=int, help="size of the simulated fleet (1000, and 5000 for the page)")
    parser.add_argument("--runs", type=int, default=measure.DISPATCHES, help="runs timed for the dispatch latency")
    parser.add_argument("--up", action="store_true", help="also time the first and second `up` on a fresh root")
    parser.add_argument("--page", action="store_true", help="measure the web page in Chromium, and nothing else")
    options = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="borealis-bench-") as folder:
        figures = page(Path(folder), options) if options.page else programs(Path(folder), options)
    if figures is None:
        return 1
    report = {"machine": machine(), "figures": [figure.as_json() for figure in figures]}
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    about = report["machine"]
    print(f"\n{about['processor']}, {about['cores']} cores, {about['memory_gb']} GB, {about['system']}")  # type: ignore[index]
    print(table(figures))
    say(f"done in {time.perf_counter() - started:.0f} s")
    return 0


def programs(root: Path, options: argparse.Namespace) -> list[Figure]:
    """Engine and agents."""
    figures: list[Figure] = []
    count = options.devices or 1000
    say("Engine and agent: starting, enrolling")
    with measure.engine_with_agent(root / "pair") as (engine, agent):
        say(f"dispatch latency: {options.runs} runs")
        figures += measure.dispatch_latency(engine, count=options.runs)
        say(f"agent at rest: {measure.REST_SECONDS:.0f} s")
        figures += measure.agent_at_rest(agent)
    say("inventory")
    figures += measure.inventory_time()
    say(f"fleet of {count} simulated devices")
    with measure.engine_with_fleet(root / "fleet", count) as (engine, seeded):
        figures += asyncio.run(measure.fleet_figures(engine, seeded))
    if options.up:
        say("first and second up")
        figures += measure.first_and_second_up(root / "up")
    return figures


def page(root: Path, options: argparse.Namespace) -> list[Figure] | None:
    """The web page; None, and a word about it, where it cannot be measured."""
    from tests.page.page_build import built_page

    from bench.page import chromium, page_figures

    if chromium() is None:
        say("The page is measured in Chromium, which is not here: apt-get install chromium")
        return None
    say("the page: building it, unless this source was built already")
    built = built_page()
    count = options.devices or 5000
    say(f"the page with {count} devices: seeding, loading, sorting, typing")
    return page_figures(root / "page", built, count)


def say(what: str) -> None:
    """Progress, apart from the figures."""
    print(f"-- {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
