"""Ends an agent that stands still or that grows without bound; whoever watches over it starts it again.

Owns the program's use of ``faulthandler``'s timer, and the file ``standstill`` beside the journal. May be called by
``program``, once in a process: the timer is the process's. Does not see a process that is stopped as a whole; systemd
does, which is told by the same round that we are alive.
"""

import asyncio
import faulthandler
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from borealis_agent.core.config import number_setting
from borealis_agent.core.errors import AgentError

HANG: Final = "hang_seconds"
LIMIT: Final = "memory_limit_mb"
DEFAULT_HANG: Final = 120.0
LEAST_HANG: Final = 2.0
DEFAULT_LIMIT: Final = 512
LEAST_LIMIT: Final = 128
TURN_SECONDS: Final = 10.0
MAX_TOLD: Final = 64 * 1024
_MB: Final = 1024 * 1024

log = logging.getLogger(__name__)


class Overgrown(AgentError):
    """The agent holds more memory than it may."""


class Watchdog:
    """Watches over this process.

    Args:
        path: where the stacks of a standstill are written, for :meth:`tell_last` of the next start.
        settings: the agent's settings as they are now: ``hang_seconds``, ``memory_limit_mb``.
        memory: resident bytes of this process; None where the system does not tell.
        alive: called again and again, as long as the loop gets on.
    """

    def __init__(
        self,
        path: Path,
        *,
        settings: Callable[[], Mapping[str, Any]],
        memory: Callable[[], int | None],
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._path = path
        self._alive = alive
        self._settings = settings
        self._memory = memory

    def tell_last(self) -> None:
        """Put into the error log what an earlier process left when it was ended for standing still. Never raises."""
        try:
            with self._path.open("rb") as file:
                stacks = file.read(MAX_TOLD).decode("utf-8", "replace").strip()
            self._path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("%s cannot be read: %s", self._path, error)
            return
        if stacks:
            log.error(
                "the agent was ended and started again, because its event loop had stood still; where it stood:\n%s",
                stacks,
            )

    async def run(self) -> None:
        """Watch until cancelled.

        The loop has to come by here again and again. If it does not, a thread that needs no part of the interpreter
        writes the stacks of all threads and ends the process with status 1: no Python code could do so while a call
        into C holds the interpreter.

        Raises:
            Overgrown: more memory than ``memory_limit_mb``; the agent then ends in good order.
        """
        with self._opened() as file:
            try:
                while True:
                    hang = number_setting(self._settings(), HANG, otherwise=DEFAULT_HANG, least=LEAST_HANG)
                    faulthandler.dump_traceback_later(hang, exit=True, file=file)
                    self._alive()
                    self._check_memory()
                    # Not the agent's clock: it is the loop itself that is asked for a sign of life.
                    await asyncio.sleep(min(TURN_SECONDS, hang / 4))
            finally:
                faulthandler.cancel_dump_traceback_later()

    def _opened(self) -> BinaryIO:
        """The file for the stacks; nowhere to write them is no reason to end the agent, or not to watch it."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        try:
            return os.fdopen(os.open(self._path, flags, 0o600), "wb", buffering=0)
        except OSError as error:
            log.warning(
                "%s cannot be written (%s): a standstill would end the agent and tell nothing", self._path, error
            )
            return Path(os.devnull).open("wb", buffering=0)

    def _check_memory(self) -> None:
        used = self._memory()
        limit = int(number_setting(self._settings(), LIMIT, otherwise=DEFAULT_LIMIT, least=LEAST_LIMIT))
        if used is not None and used > limit * _MB:
            raise Overgrown(
                f"The agent holds {used // _MB} MB of memory, and may hold {limit}",
                advice=f"It ends and is started again. If it comes back, look for a role that keeps too much; {LIMIT} "
                "in the agent's settings says another limit.",
            )
