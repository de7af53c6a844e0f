"""Whether a PowerShell on Windows is one: its file alone does not tell.

What is called ``powershell.exe`` or ``pwsh.exe`` may be a stand-in that runs nothing, prints nothing and ends with 0:
an alias of the Store for a package that is gone, or wine's. A script given to it would seem to have succeeded. So it
is asked for its version before its first script. May be called by: ``executor``.
"""

import asyncio
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

QUESTION: Final = "$PSVersionTable.PSVersion.Major"
SECONDS: Final = 60.0
"""The first start of Windows PowerShell after a boot takes many seconds on a slow disk."""


def is_version(output: bytes) -> bool:
    """Whether this is a PowerShell's answer to :data:`QUESTION`; pure."""
    return output.strip().isdigit()


class PowerShells:
    """Remembers which commands have answered; what has not is asked again, for it may have been installed since."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._answered: set[tuple[str, ...]] = set()

    async def answers(self, command: Sequence[str]) -> bool:
        """Whether what ``command`` begins interprets PowerShell.

        True also where it has not answered within a minute: that is no proof, and the script has a time-out.

        Args:
            command: as for a script, with ``-File`` as its last word.
        """
        command = tuple(command)
        if command in self._answered:
            return True
        try:
            process = await asyncio.create_subprocess_exec(
                *command[:-1],
                "-Command",
                QUESTION,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(self._environment),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError:
            return False
        try:
            async with asyncio.timeout(SECONDS):
                output, _ = await process.communicate()
        except TimeoutError:
            return True
        finally:
            if process.returncode is None:
                process.kill()
        if not is_version(output):
            return False
        self._answered.add(command)
        return True
