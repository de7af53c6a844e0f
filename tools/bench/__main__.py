"""``./Borealis.sh bench [--page|--playbook|--screen|--tunnels|--files] [--json FILE]``: what this machine reaches."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from bench import measure
from bench.figures import Figure, machine, table
from bench.tunnels import figures_in_a_namespace


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE too")
    parser.add_argument("--devices", type=int, help="size of the simulated fleet (1000, and 5000 for the page)")
    parser.add_argument("--runs", type=int, default=measure.DISPATCHES, help="runs timed for the dispatch latency")
    parser.add_argument("--up", action="store_true", help="also time the first and second `up` on a fresh root")
    parser.add_argument("--page", action="store_true", help="measure the web page in Chromium, nothing else")
    parser.add_argument("--playbook", action="store_true", help="time a playbook's events to the page, nothing else")
    parser.add_argument("--screen", action="store_true", help="measure a live view of a screen, and nothing else")
    parser.add_argument("--tunnels", action="store_true", help="measure 500 idle tunnels, and nothing else (root)")
    parser.add_argument("--files", action="store_true", help="a 200 MB file through a tunnel, beside iperf3 (root)")
    options = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="borealis-bench-") as folder:
        figures = chosen(Path(folder), options)
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


def chosen(root: Path, options: argparse.Namespace) -> list[Figure] | None:
    """What was asked for; None, and a word about it, where it cannot be measured here."""
    sections = [
        section
        for wanted, section in (
            (options.page, page),
            (options.playbook, playbook),
            (options.screen, screen),
            (options.tunnels, tunnels),
            (options.files, files),
        )
        if wanted
    ]
    figures: list[Figure] = []
    for section in sections or [programs]:
        found = section(root, options)
        if found is None:
            return None
        figures += found
    return figures


def tunnels(_root: Path, _options: argparse.Namespace) -> list[Figure] | None:
    """Idle tunnels, in a network namespace of their own; None where that cannot be made."""
    say("500 idle tunnels, in a network namespace of their own: three minutes")
    return figures_in_a_namespace()


def files(root: Path, _options: argparse.Namespace) -> list[Figure] | None:
    """A large file through a tunnel; None, and a word about it, where it cannot be measured."""
    from bench.files import figures_of, missing

    if missing():
        say(f"Not here: {', '.join(missing())}: apt-get install iproute2 wireguard-tools wireguard-go iperf3 curl")
        return None
    say("200 MB to a device and back, beside iperf3, through WireGuard between two network namespaces: two minutes")
    return figures_of(root / "files")


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


def playbook(root: Path, _options: argparse.Namespace) -> list[Figure] | None:
    """A playbook's way to the page."""
    from tests.page.page_build import built_page

    from bench.page import chromium
    from bench.playbook import playbook_figures

    if chromium() is None:
        say("The page is measured in Chromium, which is not here: apt-get install chromium")
        return None
    say("the page: building it, unless this source was built already; Ansible: installing it, unless it is there")
    built = built_page()
    say("playbooks, watched on the page")
    return playbook_figures(root / "playbook", built)


def screen(_root: Path, _options: argparse.Namespace) -> list[Figure] | None:
    """A live view of a screen."""
    from tests.programs.desktop import SERVER

    from bench.screen import screen_figures

    if SERVER is None:
        say("The screen that is looked at is Xvfb, which is not here: apt-get install xvfb")
        return None
    say("a live view of a resting screen, and of one that moves")
    return screen_figures()


def say(what: str) -> None:
    """Progress, apart from the figures."""
    print(f"-- {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
