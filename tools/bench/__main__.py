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
    parser.add_argument("--devices", type=int, default=1000, help="size of the simulated fleet (default 1000)")
    parser.add_argument("--runs", type=int, default=measure.DISPATCHES, help="runs timed for the dispatch latency")
    parser.add_argument("--up", action="store_true", help="also time the first and second `up` on a fresh root")
    options = parser.parse_args()
    started = time.perf_counter()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="borealis-bench-") as folder:
        root = Path(folder)
        say("Engine and agent: starting, enrolling")
        with measure.engine_with_agent(root / "pair") as (engine, agent):
            say(f"dispatch latency: {options.runs} runs")
            figures += measure.dispatch_latency(engine, count=options.runs)
            say(f"agent at rest: {measure.REST_SECONDS:.0f} s")
            figures += measure.agent_at_rest(agent)
        say("inventory")
        figures += measure.inventory_time()
        say(f"fleet of {options.devices} simulated devices")
        with measure.engine_with_fleet(root / "fleet", options.devices) as (engine, seeded):
            figures += asyncio.run(measure.fleet_figures(engine, seeded))
        if options.up:
            say("first and second up")
            figures += measure.first_and_second_up(root / "up")
    report = {"machine": machine(), "figures": [figure.as_json() for figure in figures]}
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    about = report["machine"]
    print(f"\n{about['processor']}, {about['cores']} cores, {about['memory_gb']} GB, {about['system']}")  # type: ignore[index]
    print(table(figures))
    say(f"done in {time.perf_counter() - started:.0f} s")
    return 0


def say(what: str) -> None:
    """Progress, apart from the figures."""
    print(f"-- {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
