"""What goes into the audit log and what comes out."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One deed.

    Attributes:
        actor: user name of an operator, ``owner``, ``engine``, or ``device:<guid>``.
        action: ``<noun>.<verb>``, for example ``device.revoke``.
        target_kind: what ``target`` names: ``device``, ``user``, ``run``, ``site``, ``token`` ...
        target: its id or name.
        detail: what else matters; never a secret (names that speak of one are masked all the same).
        address: where from.
        site_id: the site of the target, by which site-limited Admins may see the entry.
    """

    actor: str
    action: str
    target_kind: str
    target: str
    detail: dict[str, Any] = field(default_factory=dict)
    address: str = ""
    site_id: int | None = None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One recorded deed; ``at`` in Unix seconds, ``id`` grows."""

    id: int
    at: float
    actor: str
    action: str
    target_kind: str
    target: str
    detail: dict[str, Any]
    address: str
    site_id: int | None
