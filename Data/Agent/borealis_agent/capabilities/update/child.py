"""Starts the child processes of an update and hears how they ended. Runs in the agent."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from borealis_agent.core.errors import Retryable
from borealis_base.trial import Build

UNPACK_SECONDS: Final = 60.0
ADOPT_SECONDS: Final = 900.0
"""A new environment may have to be downloaded and compiled."""
SETTLE_SECONDS: Final = 60.0
_MAX_ANSWER: Final = 64 * 1024
_CODE: Final = Path(__file__).resolve().parents[3]
_UNPACK: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from borealis_agent.capabilities.update.archive import main; sys.exit(main(sys.argv[2:]))"
)


class UpdateFailed(Retryable):
    """A step did not work out; the sentence is for the operator."""


class Steps:
    """What an update has done by others.

    Args:
        python: the interpreter that starts the agent, outside of any environment.
        runtime: the agent's folder.
        environ: the environment of whatever may have to fetch packages.
        log: gets what the children say (``updater.log``).
    """

    def __init__(self, *, python: str, runtime: Path, environ: Mapping[str, str], log: Path) -> None:
        self._python = python
        self._runtime = runtime
        self._environ = environ
        self._log = log

    async def unpack(self, package: Path, folder: Path, *, sha256: str, size: int) -> None:
        """Verify a package and unpack it; code of ours that runs now does both.

        Raises:
            UpdateFailed: it is not what was signed, or holds what it must not; or the disk does not take it.
        """
        words = [str(package), str(folder), sha256, str(size)]
        await self._run([self._python, "-I", "-S", "-c", _UNPACK, str(_CODE), *words], UNPACK_SECONDS)

    async def adopt(self, folder: Path, build: str) -> Build:
        """Have the unpacked package stage itself beside what runs.

        Raises:
            UpdateFailed: with its own sentence.
        """
        entry = folder / "Data" / "Bootstrap" / "begin.py"
        command = [self._python, "-I", "-B", str(entry), str(self._runtime), "--adopt", build]
        answer = await self._run(command, ADOPT_SECONDS)
        try:
            told: Any = json.loads(answer.strip().splitlines()[-1])
            return Build(str(told["version"]), str(told["environment"]))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise UpdateFailed("The package gave an unreadable answer when it was staged.") from error

    async def settle(self) -> None:
        """Have the pointers moved to the version that was confirmed; code of the old one does it.

        Raises:
            UpdateFailed: not now; the next start does it.
        """
        code = self._runtime / "Code"
        entry = code / ("begin.py" if sys.platform == "win32" else "current/Bootstrap/begin.py")
        command = [self._python, "-I", "-S", "-OO", str(entry), str(self._runtime), "--settle"]
        await self._run(command, SETTLE_SECONDS)

    async def _run(self, command: Sequence[str], seconds: float) -> str:
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=dict(self._environ),
                cwd="/" if sys.platform != "win32" else None,
                start_new_session=True,
            )
        except OSError as error:
            raise UpdateFailed(f"A step of the update could not be started: {error}.") from error
        try:
            async with asyncio.timeout(seconds):
                answer, complaint = await process.communicate()
        except TimeoutError as error:
            raise UpdateFailed(f"A step of the update took longer than {seconds:.0f} s.") from error
        finally:
            # Also when the agent stops: neither the child nor pip below it may stay behind.
            await _end(process)
        words = complaint[-_MAX_ANSWER:].decode("utf-8", "replace").strip()
        self._keep(words)
        if process.returncode != 0:
            last = words.splitlines()[-1] if words else f"It ended with status {process.returncode}."
            raise UpdateFailed(last.removeprefix("borealis: "))
        return answer[-_MAX_ANSWER:].decode("utf-8", "replace")

    def _keep(self, words: str) -> None:
        if words:
            with contextlib.suppress(OSError), self._log.open("a", encoding="utf-8") as file:
                file.write(words + "\n")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
