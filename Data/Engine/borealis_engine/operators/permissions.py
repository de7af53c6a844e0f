"""Who may do what: the one table of permissions by operator role, and the principal that carries the answer."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal


class OperatorRole(StrEnum):
    """What an operator is; each can be limited to sites."""

    ADMIN = "Admin"
    OPERATOR = "Operator"
    VIEWER = "Viewer"


class Permission(StrEnum):
    """One kind of thing that can be allowed. A personal access token's scopes are a set of these."""

    DEVICES_READ = "devices.read"
    DEVICES_EDIT = "devices.edit"
    DEVICES_REVOKE = "devices.revoke"
    DEVICES_UPDATE = "devices.update"
    """To have agents replace themselves by the version that belongs to this Engine."""
    ENROLMENT_READ = "enrolment.read"
    ENROLMENT_DECIDE = "enrolment.decide"
    RUNS_READ = "runs.read"
    RUNS_START = "runs.start"
    SCREEN_VIEW = "screen.view"
    """To look at the screens of signed-in users."""
    TUNNELS_USE = "tunnels.use"
    """To open and end tunnels to devices, and to see who has one."""
    SHELL = "shell"
    """To open remote shells."""
    DESKTOP = "desktop"
    """To see and use desktops of devices, by VNC or by RDP."""
    FILES = "files"
    """To bring files to devices and to fetch files from them."""
    FORWARD = "forward"
    """To reach other ports through a device."""
    RECORDINGS_READ = "recordings.read"
    """To watch what was printed in remote shells, whoever had them open."""
    RECORDINGS_DELETE = "recordings.delete"
    SCRIPTS_READ = "scripts.read"
    SCRIPTS_EDIT = "scripts.edit"
    CREDENTIALS_USE = "credentials.use"
    """To run playbooks with stored credentials, and to see which there are; never to see a secret."""
    CREDENTIALS_MANAGE = "credentials.manage"
    MACHINES_EDIT = "machines.edit"
    """To say where a machine without an agent is: that is where credentials are sent to."""
    SITES_READ = "sites.read"
    SITES_EDIT = "sites.edit"
    OPERATORS_MANAGE = "operators.manage"
    AUDIT_READ = "audit.read"
    SERVER_READ = "server.read"
    SERVER_MANAGE = "server.manage"
    SELF = "self"
    """One's own account, sessions, tokens, and what one saves for oneself."""


_VIEWER: Final = frozenset(
    {
        Permission.DEVICES_READ,
        Permission.RUNS_READ,
        Permission.SITES_READ,
        Permission.SCRIPTS_READ,
        Permission.SELF,
        Permission.ENROLMENT_READ,
    }
)
_OPERATOR: Final = _VIEWER | {
    Permission.DEVICES_EDIT,
    Permission.DEVICES_UPDATE,
    Permission.RUNS_START,
    Permission.SCREEN_VIEW,
    Permission.TUNNELS_USE,
    Permission.SHELL,
    Permission.DESKTOP,
    Permission.FILES,
    Permission.FORWARD,
    Permission.RECORDINGS_READ,
    Permission.ENROLMENT_DECIDE,
    Permission.SCRIPTS_EDIT,
    Permission.CREDENTIALS_USE,
}
PERMISSIONS: Final[dict[OperatorRole, frozenset[Permission]]] = {
    OperatorRole.VIEWER: _VIEWER,
    OperatorRole.OPERATOR: _OPERATOR,
    OperatorRole.ADMIN: frozenset(Permission),
}
_OF_THE_WHOLE_ENGINE: Final = frozenset({Permission.OPERATORS_MANAGE, Permission.SERVER_READ, Permission.SERVER_MANAGE})
"""Accounts, logs and keys belong to no site: who is limited to sites has no part in them."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in operator. ``sites`` is None for all sites; ``scopes`` is None where no token limits them."""

    operator_id: int | None
    username: str
    role: OperatorRole
    sites: frozenset[int] | None = None
    scopes: frozenset[Permission] | None = None
    via: Literal["session", "token", "owner"] = "session"
    credential_id: str = ""

    def may(self, permission: Permission) -> bool:
        """Whether role, scopes and sites all allow it."""
        return (
            permission in PERMISSIONS[self.role]
            and (self.scopes is None or permission in self.scopes)
            and (self.sites is None or permission not in _OF_THE_WHOLE_ENGINE)
        )

    def sees_site(self, site_id: int | None) -> bool:
        """Whether things of this site exist for them; devices without a site only for those who see all."""
        return self.sites is None or (site_id is not None and site_id in self.sites)
