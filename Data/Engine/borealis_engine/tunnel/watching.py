"""What a look at the interface says of a lease; pure. Changes the lease it is given and nothing else."""

from typing import Final

from borealis_base.wireguard.texts import PeerState, carried_data
from borealis_engine.tunnel.models import Lease

REFRESH_SHARE: Final = 0.5
RESUME_SECONDS: Final = 60.0


def observe(lease: Lease, state: PeerState, *, monotonic: float, now: float) -> bool:
    """Take in what the interface shows; whether the tunnel was used since the last look.

    What the Engine sends decides: it sends only what an operator wants. A device cannot keep its tunnel by chattering.
    """
    received, sent, at = lease.seen
    shook = state.handshake != lease.handshake
    used = at > 0 and carried_data(sent, state.sent, seconds=monotonic - at, keepalive=0, shook_hands=shook)
    lease.received += state.received - received if state.received >= received else state.received
    lease.sent += state.sent - sent if state.sent >= sent else state.sent
    lease.seen = (state.received, state.sent, monotonic)
    lease.handshake = state.handshake or lease.handshake
    lease.device_endpoint = state.endpoint or lease.device_endpoint
    if used:
        touch(lease, monotonic=monotonic, now=now)
    lease.dirty = True
    return used


def touch(lease: Lease, *, monotonic: float, now: float) -> None:
    """Somebody uses it."""
    lease.used_at, lease.last_used, lease.dirty = monotonic, now, True


def is_idle(lease: Lease, *, monotonic: float, idle_seconds: float) -> bool:
    """Whether nobody used it for so long."""
    return monotonic - lease.used_at >= idle_seconds


def used_at_after_restart(last_used: float, *, monotonic: float, now: float, idle_seconds: float) -> float | None:
    """``last_used`` on the steady clock of the Engine's new life; None where the tunnel is not taken up any more.

    Nobody could use it while the Engine was away: who did shortly before gets a minute to come back. A wall clock that
    went backwards counts as now.
    """
    ago = max(0.0, now - last_used)
    if ago >= idle_seconds + RESUME_SECONDS:
        return None
    return monotonic - min(ago, max(0.0, idle_seconds - RESUME_SECONDS))


def wants_refresh(lease: Lease, *, monotonic: float, idle_seconds: float) -> bool:
    """Whether to tell the device again that its tunnel is wanted: one that nothing goes through, it ends by itself."""
    return monotonic - lease.told_at >= idle_seconds * REFRESH_SHARE
