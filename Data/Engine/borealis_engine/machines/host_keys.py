"""Looking which ssh host keys a machine shows, for a person to compare. Nothing is sent to it, nothing believed."""

import asyncio
import contextlib
from typing import Final

from borealis_engine.core.errors import Conflict, Invalid, Unavailable
from borealis_engine.machines.checks import read_host_key
from borealis_engine.machines.models import ShownKey

LOOK_SECONDS: Final = 10
MAX_AT_ONCE: Final = 4
_TYPES: Final = "ed25519,ecdsa,rsa"


class HostKeys:
    """Looks, a few at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(MAX_AT_ONCE)

    async def look(self, address: str, port: int) -> list[ShownKey]:
        """The keys that somebody shows there now, the strongest kind first.

        Args:
            address: checked: it is no option.
            port: checked.

        Raises:
            Conflict: ``no_host_key``: nobody answers as ssh does.
            Unavailable: ``ssh_missing``.
        """
        command = ["ssh-keyscan", "-T", str(LOOK_SECONDS // 2), "-t", _TYPES, "-p", str(port), address]
        async with self._turn:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                )
            except FileNotFoundError as error:
                raise Unavailable(
                    "ssh_missing", "The Engine's machine has no ssh: apt-get install openssh-client there."
                ) from error
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    output, _ = await process.communicate()
            except TimeoutError:
                output = b""
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        found: dict[str, ShownKey] = {}
        for line in output.decode("utf-8", "replace").splitlines()[:64]:
            parts = line.split()
            if len(parts) >= 3 and not line.startswith("#"):
                with contextlib.suppress(Invalid):  # of a kind that we do not know
                    key = read_host_key(" ".join(parts[1:3]))
                    found[key.type] = key
        if not found:
            raise Conflict(
                "no_host_key",
                f"Nobody answers as an ssh server on {address} port {port}. Check address, port, firewall.",
            )
        order = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
        return sorted(found.values(), key=lambda key: order.index(key.type))
