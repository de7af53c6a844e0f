"""Runs one program of the system to its end, with an environment of its own and nothing of ours."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Never the inherited PATH: an account may have put its own folders there."""
_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended. ``code`` 127: there is none of that name."""

    code: int
    output: str
    errors: str = ""

    @property
    def said(self) -> str:
        """The end of what it printed, for one sentence."""
        return " ".join((self.errors or self.output).split())[-300:] or f"exit code {self.code}"


Run = Callable[[Sequence[str], str], Awaitable[Done]]
"""Runs a command with a text on its standard input. Raises ``TimeoutError`` and ``OSError``."""


def program_environment() -> dict[str, str]:
    """What programs get."""
    if sys.platform == "win32":
        return dict(os.environ)
    return {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "LOG_LEVEL": "error", "WG_ENDPOINT_RESOLUTION_RETRIES": "0"}


async def run_program(command: Sequence[str], text: str = "") -> Done:
    """Run a command; it is killed where it takes longer than 20 s, or where we are cancelled.

    Raises:
        TimeoutError: it took too long.
        OSError: it could not be started, for another reason than that there is none.
    """
    # From a file and not through a pipe: whoever ends without reading it takes no harm, and does us none.
    with tempfile.TemporaryFile() as given:
        given.write(text.encode())
        given.seek(0)
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=given,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=program_environment(),
                start_new_session=True,
                cwd=None if sys.platform == "win32" else "/",
            )
        except FileNotFoundError:
            return Done(127, "", f"{command[0]}: not found")
    try:
        async with asyncio.timeout(_SECONDS):
            output, errors = await process.communicate()
    except TimeoutError as error:
        raise TimeoutError(f"{command[0]} took longer than {_SECONDS:g} s and was ended") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    code = process.returncode if process.returncode is not None else -1
    return Done(code, output.decode("utf-8", "replace"), errors.decode("utf-8", "replace"))
