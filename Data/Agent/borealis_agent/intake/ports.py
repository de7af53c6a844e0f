"""What this room needs of the rooms below it, as Protocols: a test needs neither disk nor socket."""

from collections.abc import Mapping
from typing import Any, Protocol

from borealis_agent.role_api import JobHandler, VerifiedJob
from borealis_wire.events import ScriptType
from borealis_wire.keys import VerifyKey
from borealis_wire.messages import JobResult
from borealis_wire.updates import UpdateOrder


class Trust(Protocol):
    """Whom this device believes; ``trust.TrustStore`` fulfils it."""

    @property
    def trusted(self) -> Mapping[str, VerifyKey]:
        """The pinned signing keys, by key id."""

    def reload(self) -> bool:
        """Take up what the other agent of this device wrote; true if something changed."""

    def apply_statement(self, payload: Any) -> bool:
        """Follow ``signing_keys_changed``. Raises ``Refused`` or ``OSError``."""


class Router(Protocol):
    """Which role gets what; ``roles.RoleSupervisor`` fulfils it."""

    def job_handler(self, script_type: ScriptType) -> JobHandler | None:
        """The handler that a role registered for this type."""

    def hears(self, event: str) -> bool:
        """Whether some role listens to this event in upstream's way."""

    async def tell(self, event: str, payload: Any) -> Any:
        """Let all listeners of an event hear it; gives the first answer that is not None. Never raises."""

    async def config_arrived(self, roles: list[dict[str, Any]]) -> None:
        """``agent_config``. Never raises."""


class Door(Protocol):
    """The way to the Engine; ``link.Link`` fulfils it."""

    @property
    def connected(self) -> bool:
        """Whether the Engine hears us now."""

    async def call(self, event: str, data: Any = None, *, timeout: float = 15.0) -> Any:
        """Send and wait for the acknowledgement. Raises ``NotConnected`` or ``TimeoutError``."""


class Rest(Protocol):
    """The other way; ``http.AgentHttpClient`` fulfils it."""

    @property
    def guid(self) -> str:
        """This device's GUID; empty before enrolment."""

    async def post_json(self, path: str, payload: Mapping[str, Any], *, require_auth: bool = True) -> dict[str, Any]:
        """POST. Raises ``AgentError``."""


class Updater(Protocol):
    """Replaces the agent; ``updating.Updating`` fulfils it."""

    def check(self, order: UpdateOrder) -> None:
        """Whether it may be followed now. Raises ``Refused``."""

    def follow(self, order: UpdateOrder) -> None:
        """Begin with it. Raises ``Refused`` or ``OSError``."""


class Results(Protocol):
    """Where results go; ``delivery.Delivery`` fulfils it."""

    def keep(self, result: JobResult) -> None:
        """The end of a run that was begun: on disk until the Engine has it."""

    def mention(self, result: JobResult) -> None:
        """A refusal: sent, and forgotten if it cannot be. The Engine offers again what it heard nothing of."""

    def session_began(self) -> None:
        """The Engine hears us again."""


__all__ = ["Door", "Rest", "Results", "Router", "Trust", "Updater", "VerifiedJob"]
