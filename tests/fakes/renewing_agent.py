"""An agent in a process of its own that does nothing but renew its access token."""

import asyncio
import os
from pathlib import Path
from typing import Any

from tests.fakes.agent_world import AgentWorld

from borealis_base.clock import SystemClock
from borealis_wire.events import RunContext


def renew_often(root: Path, context: RunContext, count: int, ready: Any, outcome: Any) -> None:
    """Renew ``count`` times from the moment that ``ready`` comes; put the set of tokens into ``outcome``."""

    async def work() -> set[str]:
        world = AgentWorld(root, context=context, seed=f"{context}{os.getpid()}", clock=SystemClock())
        tokens = {await world.client.renew() for _ in range(count)}
        await world.client.close()
        return tokens

    ready.wait()
    outcome.put(asyncio.run(work()))
