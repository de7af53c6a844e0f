"""What this room needs of the rooms beside it, as Protocols; filled in by ``app``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from borealis_base.trial import Build


class Engine(Protocol):
    """REST; ``http.AgentHttpClient`` fulfils it."""

    async def download(self, path: str, target: Path, *, size: int, timeout: float = 30.0) -> None:
        """GET a file. Raises ``AgentError`` or ``OSError``."""


class Line(Protocol):
    """The socket; ``link.Link`` fulfils it."""

    @property
    def connected(self) -> bool:
        """Whether the Engine hears us now."""

    async def call(self, event: str, data: Any = None, *, timeout: float = 15.0) -> Any:
        """Send and wait for the acknowledgement. Raises ``NotConnected`` or ``TimeoutError``."""


class Runs(Protocol):
    """Scripts under way; ``intake.Intake`` fulfils it."""

    def take_no_more(self, closed: bool) -> None:
        """Put off every new job while ``closed``; the Engine offers them again."""

    def under_way(self) -> int:
        """How many runs have not ended."""


class Steps(Protocol):
    """What others do; ``capabilities.update.child.Steps`` fulfils it. All raise ``AgentError``."""

    async def unpack(self, package: Path, folder: Path, *, sha256: str, size: int) -> None:
        """Verify and unpack."""

    async def adopt(self, folder: Path, build: str) -> Build:
        """Stage the unpacked package."""

    async def settle(self) -> None:
        """Move the pointers to what was confirmed."""


Health = Mapping[str, Mapping[str, Any]]
"""Role to what the heartbeat says of it."""
