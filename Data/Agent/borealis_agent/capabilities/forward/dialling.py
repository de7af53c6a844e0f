"""Connects to a target: its addresses one after the other, a quarter of a second apart, the first that answers wins."""

import asyncio
import contextlib
import errno
import ipaddress
import socket
from collections.abc import Sequence
from typing import Final

from borealis_agent.capabilities.entry import Refusing
from borealis_agent.capabilities.forward.targets import Address, Targets, plain
from borealis_base.tasks import Supervisor
from borealis_wire.forward import ForwardReason

CONNECT_SECONDS: Final = 10.0
"""For the name and all its addresses; the Engine waits a little longer."""
HEAD_START_SECONDS: Final = 0.25
MAX_ADDRESSES: Final = 8

_NO_WAY: Final = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN, errno.EACCES, errno.EPERM}
)
_WINDOWS_NO_WAY: Final = frozenset({1231, 1232, 10049, 10051, 10065, 10013})
_REFUSED: Final = frozenset({errno.ECONNREFUSED, 1225, 10061})


async def connect(
    host: str, port: int, targets: Targets, *, closed: frozenset[Address], engine: tuple[str, int]
) -> socket.socket:
    """A connection to a target, as seen from this device.

    Args:
        host: a name or an address.
        port: TCP.
        targets: what may be connected to; asked for each address.
        closed: addresses that are never a target.
        engine: host and port that the Engine is called at.

    Raises:
        Refusing: there is none, with one of ``ForwardReason``.
    """
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            found = await _addresses(host)
            own = await _engine_addresses(engine[0]) if port == engine[1] else frozenset()
            objections = [(one, targets.objection(one, closed=closed, engine=own)) for one in found]
            allowed = [one for one, objection in objections if not objection]
            if not allowed:
                raise Refusing(ForwardReason.NOT_ALLOWED, objections[0][1])
            return await _race(allowed[:MAX_ADDRESSES], port)
    except TimeoutError:
        raise Refusing(ForwardReason.TIMED_OUT, f"{host} port {port} did not answer within 10 s.") from None
    except OSError as error:
        raise _refusing(error, host, port) from error


async def _engine_addresses(host: str) -> frozenset[Address]:
    try:
        return frozenset(map(plain, await _addresses(host)))
    except Refusing:
        return frozenset()


async def _addresses(host: str) -> list[Address]:
    with contextlib.suppress(ValueError):
        return [ipaddress.ip_address(host)]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Refusing(ForwardReason.NOT_RESOLVED, f"The device knows no address of {host}.") from error
    given = [str(one[4][0]) for one in found]
    # A zone (fe80::1%eth0) is dropped with its address: what is link-local is refused in any case.
    addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in dict.fromkeys(given)]
    return _taking_turns(addresses)


def _taking_turns(addresses: list[Address]) -> list[Address]:
    """Both families in turns, the resolver's first one first (RFC 8305)."""
    first = [one for one in addresses if one.version == addresses[0].version]
    other = [one for one in addresses if one.version != addresses[0].version]
    turns: list[Address] = []
    while first or other:
        turns += first[:1] + other[:1]
        first, other = first[1:], other[1:]
    return turns


async def _race(addresses: Sequence[Address], port: int) -> socket.socket:
    """The first connection that stands; the others are given up. Raises the first ``OSError`` where none does."""
    ended: asyncio.Queue[socket.socket | OSError] = asyncio.Queue()
    waiting, under_way, failures = list(addresses), 0, list[OSError]()

    async def attempt(address: Address) -> None:
        try:
            ended.put_nowait(await _attempt(address, port))
        except OSError as error:
            ended.put_nowait(error)

    won: socket.socket | None = None
    try:
        async with Supervisor() as attempts:
            while won is None and (waiting or under_way):
                if waiting:
                    attempts.start("connect to a target", attempt(waiting.pop(0)))
                    under_way += 1
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEAD_START_SECONDS if waiting else None):
                        outcome = await ended.get()
                        under_way -= 1
                        if isinstance(outcome, OSError):
                            failures.append(outcome)
                        else:
                            won = outcome
    except BaseException:
        if won is not None:
            won.close()
        raise
    finally:
        while not ended.empty():
            if not isinstance(late := ended.get_nowait(), OSError):
                late.close()
    if won is None:
        raise failures[0]
    return won


async def _attempt(address: Address, port: int) -> socket.socket:
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await asyncio.get_running_loop().sock_connect(connection, (str(address), port))
    except BaseException:
        connection.close()
        raise
    return connection


def _refusing(error: OSError, host: str, port: int) -> Refusing:
    code = getattr(error, "winerror", None) or error.errno
    if code in _REFUSED:
        return Refusing(
            ForwardReason.REFUSED, f"Nothing takes connections at {host} port {port}, seen from the device."
        )
    if code in _NO_WAY | _WINDOWS_NO_WAY:
        return Refusing(ForwardReason.UNREACHABLE, f"No way leads from the device to {host}.")
    if isinstance(error, TimeoutError) or code == errno.ETIMEDOUT:
        return Refusing(ForwardReason.TIMED_OUT, f"{host} port {port} did not answer.")
    return Refusing(ForwardReason.UNREACHABLE, f"The device cannot connect to {host} port {port}: {error.strerror}.")
