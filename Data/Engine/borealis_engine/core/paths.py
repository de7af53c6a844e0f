"""Where the Engine keeps things, all below ``$BOREALIS_ROOT/Engine`` (upstream's names, upstream-contract 11.5)."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class EnginePaths:
    """Folders and files of one Engine."""

    root: Path

    @property
    def database(self) -> Path:
        """The embedded SQLite database."""
        return self.root / "database.db"

    @property
    def agent_build(self) -> Path:
        """What the bootstrap staged the Engine with: the build of the agents that belong to it."""
        return self.root / "Code" / "agent-build"

    @property
    def agent_package(self) -> Path:
        """What the bootstrap tells of the agent's package, which lies beside it."""
        return self.root / "Code" / "agent-package.json"

    @property
    def certificates(self) -> Path:
        """CA, leaf, and the keys below."""
        return self.root / "Certificates"

    @property
    def code_signing(self) -> Path:
        """The script-signing key; opened by ``signing`` alone."""
        return self.certificates / "Code-Signing"

    @property
    def stored_credentials(self) -> Path:
        """The key that stored credentials are sealed with; opened by ``credentials`` alone."""
        return self.certificates / "Credentials"

    @property
    def controller(self) -> Path:
        """Ansible for machines without an agent, and the runs under way there."""
        return self.root / "Data" / "Controller"

    @property
    def rdp(self) -> Path:
        """An empty folder, over which each RDP session mounts the file system that it alone sees."""
        return self.root / "Data" / "Remote_Desktop"

    @property
    def vpn_server(self) -> Path:
        """The Engine's WireGuard key pair."""
        return self.certificates / "VPN_Server"

    @property
    def auth_tokens(self) -> Path:
        """The key that signs access tokens."""
        return self.root / "Data" / "Auth_Tokens"

    @property
    def secrets(self) -> Path:
        """Owner's CLI token and other 0600 files."""
        return self.root / "Data" / "Secrets"

    @property
    def output(self) -> Path:
        """Output of runs that is too large for a database row."""
        return self.root / "Data" / "Run_Output"

    @property
    def recordings(self) -> Path:
        """What remote shells printed."""
        return self.root / "Data" / "Recordings"

    @property
    def logs(self) -> Path:
        """All log files."""
        return self.root / "Logs"
