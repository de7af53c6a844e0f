"""One WireGuard interface on Linux, with the packet filter that belongs to it, and nothing left when we are gone.

The kernel's WireGuard where there is one, else ``wireguard-go``. A *guard*, a shell that waits for the end of its
standard input, takes everything away as soon as our process ends, also by ``kill -9``; it holds our lock until then,
so that the next life cannot come in between.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from borealis_base.wireguard.programs import SYSTEM_PATH, Done, Run, program_environment, run_program
from borealis_base.wireguard.texts import Peer, PeerState, is_interface_name, parse_dump

assert sys.platform != "win32"  # so that the other platform's type check passes over this file

MTU: Final = 1420
LOCK_SECONDS: Final = 10.0
START_SECONDS: Final = 5.0
SOCKETS: Final = Path("/var/run/wireguard")
_LOCKS: Final = Path("/run")
_CAP_NET_ADMIN: Final = 12
_GUARD: Final = """
trap '' TERM INT HUP
cat > /dev/null
ip link delete dev "$1" 2> /dev/null
nft delete table inet "$2" 2> /dev/null
rm -f "$3"
"""


class WireGuardError(Exception):
    """The interface could not be made, changed or read; the sentence is for a person."""


def what_is_missing() -> str:
    """Why this process cannot have a tunnel, in one sentence; empty where nothing speaks against it."""
    if not _may_administer_networks():
        return "it does not run as root (it needs the right CAP_NET_ADMIN)"
    lacking = [name for name in ("ip", "wg", "nft") if shutil.which(name, path=SYSTEM_PATH) is None]
    if lacking:
        return f"the programs {', '.join(lacking)} are not installed (packages iproute2, wireguard-tools, nftables)"
    return ""


def _may_administer_networks() -> bool:
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith("CapEff:"):
                return bool(int(line.split()[1], 16) >> _CAP_NET_ADMIN & 1)
    return os.geteuid() == 0


class LinuxInterface:
    """An interface by its name. Not for two tasks at once.

    Args:
        name: of the interface, unique on the machine: network namespaces do not part ``wireguard-go``'s sockets.
        run: runs programs.
    """

    def __init__(self, name: str, *, run: Run = run_program) -> None:
        if not is_interface_name(name):
            raise ValueError(
                f"{name!r} is no name for an interface: a letter, then letters, digits, - and _, 15 in all"
            )
        self.name = name
        self.table = f"wg_{name.replace('-', '_')}"
        self._run = run
        self._lock = -1
        self._guard: asyncio.subprocess.Process | None = None
        self._userspace: asyncio.subprocess.Process | None = None

    @property
    def in_userspace(self) -> bool:
        """Whether ``wireguard-go`` runs it."""
        return self._userspace is not None

    async def create(self) -> None:
        """Make it, down and without a key. What an earlier life left of it goes first.

        Raises:
            WireGuardError: no right, no programs, or another program has it.
        """
        await self._take_lock()
        try:
            await self._clear()
            self._guard = await self._start_guard()
            if (await self._do("ip", "link", "add", "dev", self.name, "type", "wireguard")).code != 0:
                self._userspace = await self._start_userspace()
        except BaseException:
            await self.remove()
            raise

    async def remove(self) -> None:
        """Take everything away; once more does nothing. Never raises but for cancellation."""
        guard, self._guard = self._guard, None
        userspace, self._userspace = self._userspace, None
        try:
            if guard is not None and guard.stdin is not None:
                guard.stdin.close()
                await _ended(guard, START_SECONDS)
            if userspace is not None:
                with contextlib.suppress(ProcessLookupError):
                    userspace.terminate()
                await _ended(userspace, START_SECONDS)
            if guard is not None:
                with contextlib.suppress(TimeoutError, OSError):
                    await self._clear()  # the guard may have been killed
        finally:
            self._release()

    async def clear(self) -> None:
        """Take away what an earlier life left, once its guard has ended. Raises ``WireGuardError``."""
        await self._take_lock()
        try:
            await self._clear()
        finally:
            self._release()

    async def exists(self) -> bool:
        """Whether it is there still: somebody may have taken it away."""
        if self._userspace is not None and self._userspace.returncode is not None:
            return False
        return (await self._do("ip", "link", "show", "dev", self.name)).code == 0

    async def configure(self, *, private_key_file: Path, listen_port: int = 0) -> None:
        """Give it its key, by file, and its port. Raises ``WireGuardError``."""
        words = ["private-key", str(private_key_file)]
        await self._must("wg", "set", self.name, *words, *(["listen-port", str(listen_port)] if listen_port else []))

    async def set_peers(self, peers: Sequence[Peer]) -> None:
        """Add or change peers, many at once. Raises ``WireGuardError``."""
        for at in range(0, len(peers), 100):
            words = [word for peer in peers[at : at + 100] for word in peer.arguments()]
            await self._must("wg", "set", self.name, *words)

    async def remove_peer(self, public_key: str) -> None:
        """Forget a peer; its packets are dropped from now on. Raises ``WireGuardError``."""
        await self._must("wg", "set", self.name, "peer", public_key, "remove")

    async def bring_up(self, address: str, routes: Sequence[str]) -> None:
        """Give it its address, and lead networks into it. Raises ``WireGuardError``."""
        await self._must("ip", "address", "replace", address, "dev", self.name)
        await self._must("ip", "link", "set", "mtu", str(MTU), "up", "dev", self.name)
        for route in routes:
            await self._must("ip", "route", "replace", route, "dev", self.name)

    async def filter(self, rules: str) -> None:
        """Load nftables commands, all or none. Raises ``WireGuardError``."""
        done = await self._do("nft", "-f", "-", text=rules)
        if done.code != 0:
            raise WireGuardError(f"the packet filter did not take the rules: {done.said}")

    async def peers(self) -> list[PeerState]:
        """The peers as they are. Raises ``WireGuardError``."""
        done = await self._must("wg", "show", self.name, "dump")
        try:
            return parse_dump(done.output)
        except ValueError as error:
            raise WireGuardError(f"wg show {self.name} dump cannot be read: {error}") from error

    # --- inside

    async def _take_lock(self) -> None:
        path = _LOCKS / f"wireguard-{self.name}.lock"
        try:
            self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise WireGuardError(f"{path} cannot be opened: {error.strerror or error}") from error
        try:
            async with asyncio.timeout(LOCK_SECONDS):
                while not self._lock_is_ours():  # noqa: ASYNC110  # another process lets go of it
                    await asyncio.sleep(0.05)
        except TimeoutError:
            self._release()
            raise WireGuardError(
                f"another program of this machine has the interface {self.name}; give this one another name"
            ) from None
        except BaseException:
            self._release()
            raise

    def _lock_is_ours(self) -> bool:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _release(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def _clear(self) -> None:
        await self._do("ip", "link", "delete", "dev", self.name)
        await self._do("nft", "delete", "table", "inet", self.table)
        with contextlib.suppress(OSError):
            self._socket.unlink()

    @property
    def _socket(self) -> Path:
        return SOCKETS / f"{self.name}.sock"

    async def _start_guard(self) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                "/bin/sh",
                "-c",
                _GUARD,
                "wireguard-guard",
                self.name,
                self.table,
                str(self._socket),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env=program_environment(),
                start_new_session=True,
                pass_fds=(self._lock,),
                cwd="/",
            )
        except OSError as error:
            raise WireGuardError(f"/bin/sh cannot be started: {error}") from error

    async def _start_userspace(self) -> asyncio.subprocess.Process:
        if shutil.which("wireguard-go", path=SYSTEM_PATH) is None:
            raise WireGuardError(
                "the kernel has no WireGuard, and wireguard-go is not installed (package wireguard-go)"
            )
        process = await asyncio.create_subprocess_exec(
            "wireguard-go",
            "-f",
            self.name,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=program_environment(),
            start_new_session=True,
            cwd="/",
        )
        self._userspace = process  # whatever happens next, it is ended with the interface
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS
        while not (self._socket.exists() and (await self._do("wg", "show", self.name, "dump")).code == 0):
            if process.returncode is not None or loop.time() > deadline:
                raise WireGuardError(
                    "the kernel has no WireGuard, and wireguard-go could not make the interface "
                    f"{self.name}: is there /dev/net/tun, and the right to use it?"
                )
            await asyncio.sleep(0.02)
        return process

    async def _must(self, *command: str) -> Done:
        done = await self._do(*command)
        if done.code != 0:
            raise WireGuardError(f"{command[0]} {command[1]} failed: {done.said}")
        return done

    async def _do(self, *command: str, text: str = "") -> Done:
        try:
            return await self._run(command, text)
        except TimeoutError as error:
            raise WireGuardError(str(error)) from error
        except OSError as error:
            raise WireGuardError(f"{command[0]} cannot be started: {error}") from error


async def _ended(process: asyncio.subprocess.Process, seconds: float) -> None:
    """Wait for the end; by force where it does not come."""
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
