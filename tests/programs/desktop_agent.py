"""The role ``VNC`` in a process of its own, with an agent around it that takes every order for verified.

    python desktop_agent.py FOLDER PORT [DETACHED_SECONDS]

It listens on loopback, says ``ready``, then its log. A line on standard input asks for its health, or with ``stop`` for
its end. An envelope is the order itself, as JSON: seals are other tests' business.
"""

import asyncio
import functools
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.fakes.role_context import FakeAgent

import rolecheck
from borealis_agent.capabilities.desktop import desktops
from borealis_agent.roles.loading import load_role
from borealis_wire import strict_json
from borealis_wire.entry import EntryKind


async def main(folder: str, port: str, detached: str = "300") -> None:
    os.environ |= {"BOREALIS_TUNNEL_LOCAL": "1", "BOREALIS_DESKTOP_PORT": port}
    desktops.Desktops = functools.partial(desktops.Desktops, detached_seconds=float(detached))  # type: ignore[assignment, misc]
    desktops.CHECK_SECONDS = 0.1  # type: ignore[misc]
    agent = FakeAgent(Path(folder))

    async def take(kind: EntryKind[Any], envelope: Any) -> Any:
        return kind.parse(strict_json.canonical(envelope))

    ctx = replace(agent.ctx, log=say, take_entry_order=take)
    role = load_role(rolecheck.ROLES / "role_VNC.py").Role(ctx)
    role.register_events()
    while not role.listening:
        await asyncio.sleep(0.02)
    say("ready")
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while (await reader.readline()).strip() not in {b"", b"stop"}:
        say(f"health {json.dumps(role.health_report())}")
    await role.stop_all()
    await agent.end()


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
