"""A process of the agent's that answers questions: what needs large or fragile libraries stays out of the agent.

One request a line on its standard input, one answer as ``framing`` says on its standard output. It ends by itself
when its input ends, so none outlives the agent.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from borealis_agent.capabilities import own_code
from borealis_agent.capabilities.framing import HEAD

MAX_HEAD: Final = 512 * 1024
MAX_DATA: Final = 64 * 1024 * 1024
_START: Final = "from {module} import serve; sys.exit(serve(sys.stdin.buffer, sys.stdout.buffer))"


class AskedProcess:
    """The child, started with the first question. One question at a time: whoever asks sees to that.

    Args:
        module: its ``serve(requests, answers)`` is what runs there.
        environment: gives what the child gets; what it raises reaches whoever asked.
    """

    def __init__(self, module: str, environment: Callable[[], Awaitable[dict[str, str]]]) -> None:
        self._start_code = _START.format(module=module)
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        """Whether there is a child now."""
        return self._process is not None

    async def start(self) -> None:
        """Start the child unless it runs.

        Raises:
            OSError: it cannot be started; or whatever ``environment`` raises.
        """
        if self._process is None or self._process.returncode is not None:
            self._process = await self._start()

    async def exchange(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """One question and its answer. After an error the child is in no state to be asked again: end it.

        Raises:
            OSError, ValueError, asyncio.IncompleteReadError: it ended, or what it says is no answer.
        """
        await self.start()
        process = self._process
        assert process is not None
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(request).encode("ascii") + b"\n")
        await process.stdin.drain()
        head_size, data_size = HEAD.unpack(await process.stdout.readexactly(HEAD.size))
        if head_size > MAX_HEAD or data_size > MAX_DATA:
            raise ValueError("the answer is larger than allowed")
        about = json.loads(await process.stdout.readexactly(head_size))
        return about, await process.stdout.readexactly(data_size) if data_size else b""

    async def end(self, *, grace: float = 0.0) -> None:
        """End the child; with ``grace`` it has so many seconds to do that by itself, in good order."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            if grace and process.returncode is None and process.stdin is not None:
                process.stdin.close()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(grace):
                        await process.wait()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    if sys.platform == "win32":
                        process.kill()
                    else:
                        os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def _start(self) -> asyncio.subprocess.Process:
        environment = await self._environment()
        return await asyncio.create_subprocess_exec(
            *own_code.command(self._start_code),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
            process_group=0,  # in the agent's session, where its next life looks for what an earlier one left
            limit=1024 * 1024,
        )
