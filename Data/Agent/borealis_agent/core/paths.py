"""Where the agent keeps things, all below one root (upstream's names; contract 1, agent-runtime "Settings")."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class AgentPaths:
    """Folders of one agent. ``root``: ``$BOREALIS_ROOT/Agent``, or a folder of the signed-in user."""

    root: Path

    @property
    def settings(self) -> Path:
        """Server URL, GUID, tokens, agent settings."""
        return self.root / "Borealis" / "Settings"

    @property
    def identity(self) -> Path:
        """The device key."""
        return self.root / "Borealis" / "Certificates" / "Agent" / "Identity"

    @property
    def trusted_server(self) -> Path:
        """The pinned CA and the pinned signing keys."""
        return self.root / "Borealis" / "Certificates" / "Agent" / "Trusted_Server_Cert"

    @property
    def logs(self) -> Path:
        """All log files."""
        return self.root / "Logs"

    @property
    def temp(self) -> Path:
        """Scripts while they run; emptied at start."""
        return self.root / "Temp"

    @property
    def spool(self) -> Path:
        """Journal, outbox and long outputs."""
        return self.root / "Spool"
