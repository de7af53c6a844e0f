"""One stage: the programs that turn a device's RDP into RFB, as a child process of the Engine.

The child is ``keeper``; this is the Engine's side of it: how it begins, what it says, and its end as a whole.
"""

import asyncio
import contextlib
import json
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import borealis_playbooks
from borealis_engine.core.errors import Conflict, EngineError, Unavailable
from borealis_engine.core.log import get_logger
from borealis_engine.rdp import commands
from borealis_engine.rdp.commands import Account, Programs
from borealis_engine.rdp.target import Shown

CONNECT_SECONDS: Final = 45.0
"""Until the device has let it in: it may first wake up, or ask its domain."""
READ_BYTES: Final = 128 * 1024
_KEEPER: Final = Path(__file__).with_name("keeper.py")
_FLAGS: Final = ("-I", "-S", "-B", "-X", "utf8")
_PATH: Final = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

log = get_logger("agents")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a stage is to be. ``shown``: what the device has to show again."""

    account: Account
    shown: Shown
    width: int
    height: int
    title: str


class Stage:
    """Made by :meth:`begin`. Read by one task, written by one other; :meth:`close` it."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        nla: bool,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._nla = nla
        self.reason = ""
        """Why it ended, as a sentence."""

    @classmethod
    async def begin(
        cls,
        programs: Programs,
        wanted: Wanted,
        device: socket.socket,
        *,
        mountpoint: Path,
        ids: tuple[int, int] | None,
    ) -> Self:
        """Start the programs. The password goes through a pipe.

        Args:
            programs: where they are.
            wanted: what they are to do.
            device: connected to the RDP server; the caller closes it.
            mountpoint: an empty folder.
            ids: uid and gid that they get; None for the Engine's own.

        Raises:
            OSError: no process can be started.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                request = {
                    "server": commands.server_command(programs, wanted.width, wanted.height, wanted.title),
                    "client": commands.client_command(
                        programs,
                        wanted.account,
                        device=device.fileno(),
                        certificate=wanted.shown.sha256,
                        width=wanted.width,
                        height=wanted.height,
                    ),
                    "password": wanted.account.password,
                    "operator": theirs.fileno(),
                    "device": device.fileno(),
                    "mountpoint": str(mountpoint),
                    "account": ids,
                }
                shared = str(Path(borealis_playbooks.__file__).resolve().parents[1])
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *_FLAGS,
                    str(_KEEPER),
                    shared,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(), device.fileno()),
                    env={"PATH": _PATH},
                    cwd="/",
                    start_new_session=True,
                )
            try:
                assert process.stdin is not None
                process.stdin.write(json.dumps(request).encode())
                process.stdin.close()
                reader, writer = await asyncio.open_connection(sock=ours, limit=2 * READ_BYTES)
            except BaseException:
                process.kill()
                raise
        except BaseException:
            ours.close()
            raise
        return cls(process, reader, writer, nla=wanted.shown.nla)

    async def until_connected(self) -> None:
        """Wait until the device has let it in.

        Raises:
            Conflict: ``rdp_sign_in_failed``: the device said no to the account; ``rdp_refused``: to the connection.
            Unavailable: ``rdp_proxy_unavailable``: the stage could not be built; ``rdp_timeout``.
        """
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                said = await self._hear()
        except TimeoutError as error:
            detail = f"The device did not finish signing in within {CONNECT_SECONDS:.0f} s."
            raise Unavailable("rdp_timeout", detail) from error
        if said.get("event") != "connected":
            raise self._failed(said)

    async def until_ended(self) -> None:
        """Wait until the programs have ended; ``reason`` says why then."""
        said = await self._hear()
        if said.get("event") == "ended":
            self.reason = commands.sentence_for(int(said["status"]), str(said["error"]))
        await self._process.wait()

    async def read(self) -> bytes:
        """RFB from the X server; empty at the end, also where it left before it had read everything."""
        try:
            return await self._reader.read(READ_BYTES)
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        """RFB to the X server. Raises ``OSError``."""
        if self._writer.is_closing():  # of uvloop's, a write would raise ``RuntimeError``
            raise ConnectionResetError("the X server has gone")
        self._writer.write(data)
        await self._writer.drain()

    def cut(self) -> None:
        """End it, and with it all of its processes. Never waits."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        self._writer.close()

    async def close(self) -> None:
        """End it and wait until it has."""
        self.cut()
        await self._process.wait()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        return json.loads(line) if line else {}

    def _failed(self, said: dict[str, Any]) -> EngineError:
        if said.get("event") != "ended":
            detail = str(said.get("detail") or "The programs that show a remote desktop could not be started.")
            log.error("no stage for a remote desktop could be built", reason=detail)
            return Unavailable("rdp_proxy_unavailable", detail)
        status, error = int(said["status"]), str(said["error"])
        log.info("a remote desktop was not opened", status=status, error_name=error)
        is_account = commands.is_sign_in_error(status, error, signing_in=self._nla)
        sentence = commands.sentence_for(status, error, signing_in=self._nla)
        return Conflict("rdp_sign_in_failed" if is_account else "rdp_refused", sentence)


def runs_as_root() -> bool:
    """Whether stages get accounts of their own."""
    return sys.platform != "win32" and os.geteuid() == 0
