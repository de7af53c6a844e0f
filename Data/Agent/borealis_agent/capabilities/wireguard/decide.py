"""What has to happen to the tunnel: an order, or what was seen of it, to one action. Pure: no clock, no system."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from borealis_base.wireguard.texts import PeerState, carried_data
from borealis_wire.tunnel import TunnelEnd, TunnelStart, TunnelStop, split_endpoint

STALE_SECONDS: Final = 150.0
"""A handshake is renewed every two minutes; one older than this was missed."""
LOST_SECONDS: Final = 300.0
"""So long without a handshake, the Engine is gone or has taken the tunnel away. If it still wants it, it says so when
we reconnect."""
RETRY_SECONDS: Final = 30.0
UNUSED_FACTOR: Final = 2.0
"""The Engine decides what is idle. Where it should have and did not, the device ends the tunnel after this many
times its ``idle_seconds`` without data."""
_LOCAL: Final = frozenset({"localhost", "::1"})


class Step(StrEnum):
    """What to do."""

    UP = "up"
    PORTS = "ports"
    AGAIN = "again"
    REFUSE = "refuse"
    DOWN = "down"
    NOTHING = "nothing"
    CALL = "call"
    REBUILD = "rebuild"


@dataclass(frozen=True, slots=True)
class Active:
    """The tunnel that is up. Times on the steady clock.

    ``state``: what was last seen of the Engine; ``source``: this device's address on the way to it, empty for none.
    """

    order: TunnelStart
    since: float
    told_at: float
    shook_hands_at: float
    data_at: float
    looked_at: float
    state: PeerState | None = None
    source: str = ""
    called_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One action, and why."""

    step: Step
    why: str = ""
    active: Active | None = None


def begin(order: TunnelStart, now: float, source: str) -> Active:
    """A tunnel that has just come up."""
    return Active(order, now, now, now, now, now, None, source, now)


def ordered(active: Active | None, order: TunnelStart, *, public_key: str) -> Answer:
    """A verified start order. While a tunnel is up, only orders about that very tunnel are followed."""
    if order.client_public_key != public_key:
        return Answer(Step.REFUSE, "The order is for another key than this device has now; connect again.")
    if active is None:
        return Answer(Step.UP)
    if order.identity != active.order.identity:
        return Answer(Step.REFUSE, "Another tunnel is up; it has to be stopped first.")
    if order.issued_at < active.order.issued_at:
        return Answer(Step.REFUSE, "The order is older than the one that is followed.")
    if order.allowed_ports != active.order.allowed_ports:
        return Answer(Step.PORTS)
    return Answer(Step.AGAIN)


def stopped(active: Active | None, order: TunnelStop) -> Answer:
    """A verified stop order; about a tunnel that is not up it does nothing."""
    if active is None or order.tunnel_id != active.order.tunnel_id:
        return Answer(Step.NOTHING, "no such tunnel is up")
    return Answer(Step.DOWN, order.reason)


def followed(active: Active, order: TunnelStart, now: float) -> Active:
    """The tunnel after one more order about it."""
    return replace(active, order=order, told_at=now)


def watched(active: Active, state: PeerState | None, source: str, now: float) -> Answer:
    """What was seen just now.

    Args:
        active: as it was.
        state: the Engine's side as the interface has it; None where the interface is gone.
        source: this device's address on the way to the Engine now; empty where there is no way.
        now: on the steady clock.
    """
    if state is None:
        return Answer(Step.REBUILD, "the interface was taken away", active)
    before = active.state
    shook = state.handshake != (before.handshake if before else 0)
    received = before.received if before else 0
    fresh = before is not None and carried_data(
        received, state.received, seconds=now - active.looked_at, keepalive=0, shook_hands=shook
    )
    moved = bool(source) and source != active.source
    seen = replace(
        active,
        state=state,
        looked_at=now,
        source=source or active.source,
        shook_hands_at=now if shook else active.shook_hands_at,
        data_at=now if fresh else active.data_at,
    )
    if now - seen.shook_hands_at > LOST_SECONDS:
        return Answer(Step.DOWN, TunnelEnd.SERVER_STOP.value, seen)
    if now - max(seen.data_at, seen.told_at) > UNUSED_FACTOR * seen.order.idle_seconds:
        return Answer(Step.DOWN, TunnelEnd.IDLE_TIMEOUT.value, seen)
    silent = now - seen.shook_hands_at > (STALE_SECONDS if state.handshake else 10.0)
    if moved or (silent and now - seen.called_at > RETRY_SECONDS):
        return Answer(Step.CALL, "the network changed" if moved else "no handshake", replace(seen, called_at=now))
    return Answer(Step.NOTHING, "", seen)


def endpoint_for(order: TunnelStart, server_url: str) -> tuple[str, int]:
    """Where to call: the order's endpoint, but for ``localhost`` the host that this agent reaches its Engine by."""
    host, port = split_endpoint(order.endpoint)
    if host in _LOCAL or host.startswith("127."):
        host = urlsplit(server_url).hostname or host
    return host, port
