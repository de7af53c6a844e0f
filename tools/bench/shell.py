"""How long a shell takes to its first prompt, and a key to its echo, over loopback: ``python -m bench.shell``.

Real Engine, agent, TLS, sealed order and terminal; the operator's end is a Socket.IO client in this process.
"""

import argparse
import asyncio
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.programs.local import local_pair
from tests.programs.programs import enrol
from tests.programs.shells import Shell, desk_at

from bench.figures import Figure, machine, percentile, table

OPENINGS: Final = 10
KEYS: Final = 200
_PROMPT: Final = re.compile(r"[#$] \Z")


async def figures_of(root: Path) -> list[Figure]:
    """Measure. The first opening is left out: it loads what the agent had not needed before."""
    engine, agent = await asyncio.to_thread(local_pair, root)
    try:
        guid = await asyncio.to_thread(enrol, engine, agent)
        openings, keys = [], []
        async with desk_at(engine) as desk:
            for _ in range(OPENINGS + 1):
                shell = Shell(desk, guid)
                began = time.perf_counter()
                opened = await shell.open()
                assert opened.get("status") == "ok", opened
                await shell.until(lambda text: _PROMPT.search(text) is not None)
                openings.append(time.perf_counter() - began)
                await shell.close()
            shell = Shell(desk, guid)
            await shell.open()
            await shell.until(lambda text: _PROMPT.search(text) is not None)
            await shell.type("stty raw; cat\r")
            await shell.until("cat\r\n")
            for index in range(KEYS):
                key = chr(ord("a") + index % 26)
                began = time.perf_counter()
                await shell.type(key)
                await shell.until(key)
                keys.append((time.perf_counter() - began) * 1000)
            await shell.close()
    finally:
        agent.stop()
        engine.stop()
    again = openings[1:]
    return [
        Figure("shell: connect to first prompt, median", percentile(again, 0.5), "s", "1.5"),
        Figure("shell: the first one of an agent", openings[0], "s"),
        Figure("shell: key to echo, median", percentile(keys, 0.5), "ms", "15"),
        Figure("shell: key to echo, 99 of 100", percentile(keys, 0.99), "ms"),
    ]


def main() -> int:
    """Measure and print."""
    argparse.ArgumentParser(prog="bench.shell", description=__doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="borealis-bench-") as folder:
        figures = asyncio.run(figures_of(Path(folder)))
    about = machine()
    print(f"{about['processor']}, {about['cores']} cores, {about['memory_gb']} GB, {about['system']}")
    print(table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
