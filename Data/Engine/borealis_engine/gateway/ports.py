"""What the socket door needs of the rooms below, as Protocols; filled in by ``app``."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from borealis_engine.enrolment.standing import Standing
from borealis_engine.enrolment.tokens import AccessClaims
from borealis_engine.operators.models import SignedIn
from borealis_engine.operators.permissions import Principal
from borealis_engine.screens import FrameHead, Viewer, WatchAsked, WindowList
from borealis_engine.shells import Seat, ShellAsked
from borealis_wire.events import RunContext
from borealis_wire.messages import JobOutput, JobResult
from borealis_wire.updates import UpdateTold


class Devices(Protocol):
    """Records and presence of devices; implemented by ``devices.DeviceService``."""

    def auth_state(self, guid: str) -> Standing | None:
        """The device as it is now, from memory; None where it is gone."""

    def session_opened(self, guid: str, context: RunContext, address: str, user: str = "") -> None:
        """A socket is up; said again when a newer one takes its place."""

    def session_closed(self, guid: str, context: RunContext, user: str = "") -> None:
        """No socket is up any more."""

    def active_user(self, guid: str) -> str:
        """Who sits at the device's own screen, as its SYSTEM agent said; empty where that is not known."""

    def on_access_changed(self, listener: Callable[[str], None]) -> None:
        """Call ``listener`` with the GUID of a device whose status, key or site changed."""


class Tokens(Protocol):
    """Access tokens of devices; implemented by ``enrolment.AccessTokens``."""

    def verify(self, token: str, now: float) -> AccessClaims:
        """What a token that holds says. Raises ``Unauthenticated``."""


class Operators(Protocol):
    """Credentials of operators; implemented by ``operators.OperatorService``."""

    async def authenticate_session(self, token: str) -> SignedIn:
        """Who a session cookie belongs to. Raises ``Unauthenticated``."""

    async def authenticate_bearer(self, token: str, *, peer: str, direct: bool) -> Principal:
        """Who an operator's bearer token belongs to. Raises ``Unauthenticated``."""

    def on_rights_changed(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever a session, token or account changed."""


class Dispatch(Protocol):
    """Where devices' messages go; implemented by ``dispatch.Dispatcher``."""

    async def device_ready(self, guid: str, context: RunContext, running: set[str], *, user: str = "") -> None:
        """A session registered; ``running`` are the runs that the device has."""

    async def device_result(
        self, guid: str, context: RunContext, result: JobResult, *, user: str = ""
    ) -> dict[str, str]:
        """Record the end of a run and give the acknowledgement."""

    async def device_output(self, guid: str, context: RunContext, output: JobOutput, *, user: str = "") -> None:
        """Keep a piece of live output."""


class Runs(Protocol):
    """Which runs an operator may see; implemented by ``activity.ActivityHistory``."""

    async def run(self, sites: frozenset[int] | None, *, run_id: str = "") -> Mapping[str, Any]:
        """One run. Raises ``NotFound``, also for one outside ``sites``."""


class KeyStatements(Protocol):
    """Statements about signing keys; implemented by ``signing.SigningService``."""

    def statement_for_devices(self) -> list[dict[str, Any]]:
        """All statements as envelopes, oldest first."""

    def on_rotated(self, listener: Callable[[dict[str, Any]], None]) -> None:
        """Call ``listener`` on the event loop after each rotation."""


class Updates(Protocol):
    """Agents that replace themselves; implemented by ``updates.UpdateService``."""

    async def told(self, guid: str, message: UpdateTold) -> dict[str, str]:
        """A device tells of its update; gives the acknowledgement."""


class Screens(Protocol):
    """Looks at screens; implemented by ``screens.ScreenService``."""

    async def watch(self, principal: Principal, guid: str, asked: WatchAsked, *, address: str) -> Viewer:
        """Watch live. Raises ``EngineError``."""

    def leave(self, viewer: Viewer) -> None:
        """Watch no more; once more does nothing."""

    def picture_arrived(self, guid: str, order_id: str, data: bytes, *, user: str = "") -> dict[str, str]:
        """A device sent a picture."""

    def windows_arrived(self, guid: str, found: WindowList, *, user: str = "") -> dict[str, str]:
        """A device sent its lists."""

    async def frame_arrived(self, guid: str, head: FrameHead, data: bytes, *, user: str = "") -> dict[str, str]:
        """A device sent a frame; waits until somebody has taken it."""

    def ended(self, guid: str, order_id: str, reason: str, *, user: str = "") -> None:
        """A device says that a look is over."""

    def session_closed(self, guid: str, context: RunContext, user: str = "") -> None:
        """A device's socket is gone."""


class Tunnels(Protocol):
    """Tunnels of devices; implemented by ``tunnel.TunnelService``."""

    def device_ready(self, guid: str, context: RunContext, public_key: str) -> None:
        """A session registered; ``public_key`` is the device's for WireGuard, or empty. Never waits."""

    def session_closed(self, guid: str, context: RunContext, user: str = "") -> None:
        """A device's socket is gone."""

    def farewell(self, guid: str) -> dict[str, Any] | None:
        """The sealed order that ends the tunnel of a device whose socket is about to be cut; None for no tunnel."""


class Shells(Protocol):
    """Remote shells; implemented by ``shells.ShellService``."""

    async def open(self, principal: Principal, name: str, asked: ShellAsked, *, host: str, address: str) -> Seat:
        """Open a shell, or take one up again. Raises ``EngineError``."""

    def leave(self, seat: Seat, *, for_good: bool = False) -> None:
        """The operator is gone, or does not want the shell any more; once more does nothing."""

    def expel(self, seat: Seat) -> None:
        """The operator's right is gone."""
