"""Whether an access token still speaks for its device; pure. Used by both doors (upstream-contract 2.2)."""

from typing import Final, Protocol, TypeVar

from borealis_engine.core.errors import Forbidden, NotFound
from borealis_engine.enrolment.tokens import AccessClaims

MAY_CONNECT: Final = frozenset({"active", "quarantined"})
"""Statuses of devices that may talk to the Engine; only ``active`` ones get work."""


class Standing(Protocol):
    """What matters of a device's record here."""

    @property
    def fingerprint(self) -> str:
        """Of the key it has now."""

    @property
    def token_version(self) -> int:
        """Goes up when the key changes."""

    @property
    def status(self) -> str:
        """``active``, ``quarantined``, ``revoked`` or ``decommissioned``."""


Device = TypeVar("Device", bound=Standing)


def require_standing(claims: AccessClaims, device: Device | None) -> Device:
    """Compare a token that verified with the device's record as it is now, and give the record.

    Does not check the token itself, its context, or whether a quarantined device may do what it asks for.

    Raises:
        NotFound: ``device_not_found``: devices that are gone are not made again.
        Forbidden: ``fingerprint_mismatch``, ``token_version_mismatch`` or ``device_revoked``.
    """
    if device is None:
        raise NotFound("device_not_found", "The Engine has no such device. Enrol it again.")
    if device.fingerprint != claims.fingerprint:
        raise Forbidden("fingerprint_mismatch", "The device has another key now. Enrol it again.")
    if device.token_version != claims.token_version:
        raise Forbidden("token_version_mismatch", "The token is of an earlier enrolment. Ask for a new one.")
    if device.status not in MAY_CONNECT:
        raise Forbidden("device_revoked", "An operator revoked this device. It has to be enrolled again.")
    return device
