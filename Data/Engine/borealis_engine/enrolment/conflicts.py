"""What to do when a device that asks to be let in looks like one that is known. Pure decisions, no I/O.

A device is known by its key (fingerprint) or by its hostname. The key weighs more: only its holder can have
it, unless a disk was copied (threats 15).
"""

from dataclasses import dataclass
from typing import Any, Literal

from borealis_engine.core.errors import Conflict, EngineError, Invalid
from borealis_engine.enrolment.models import KnownDevice, Resolution

AUTO_MERGE = "auto_merge_fingerprint"
ConflictKind = Literal["same_key", "duplicate_identity", "withdrawn_device", "hostname"]


@dataclass(frozen=True, slots=True)
class FoundConflict:
    """A known device in the way.

    ``same_key``: it lost its tokens and comes back; merged without asking. ``duplicate_identity``: the key is in
    use right now, on that device or on two machines that ask. ``withdrawn_device``: it was revoked or quarantined.
    ``hostname``: another key under the same name.
    """

    kind: ConflictKind
    device: KnownDevice | None

    @property
    def fingerprint_match(self) -> bool:
        """Whether the key is the same."""
        return self.kind != "hostname"

    @property
    def requires_prompt(self) -> bool:
        """Whether an operator has to choose."""
        return self.kind != "same_key"


@dataclass(frozen=True, slots=True)
class Decision:
    """``guid`` to take over, or None for a new one; ``resolution`` as recorded and answered."""

    guid: str | None
    resolution: str | None


def find_conflict(
    by_key: KnownDevice | None, by_hostname: KnownDevice | None, *, key_in_use: bool, two_machines: bool
) -> FoundConflict | None:
    """Name the conflict.

    Args:
        by_key: the device on record with the fingerprint that asks.
        by_hostname: the device on record under the claimed hostname.
        key_in_use: ``by_key`` has a live session now: whoever asks is somebody else with its key.
        two_machines: proofs for this one request came from two machines in turn.
    """
    if by_key is not None:
        if key_in_use or two_machines:
            return FoundConflict("duplicate_identity", by_key)
        return FoundConflict("same_key" if by_key.status == "active" else "withdrawn_device", by_key)
    if two_machines:
        return FoundConflict("duplicate_identity", by_hostname)
    return None if by_hostname is None else FoundConflict("hostname", by_hostname)


def decide(
    conflict: FoundConflict | None,
    *,
    hostname: str,
    resolution: Resolution | None,
    guid: str | None,
    guid_known: bool,
) -> Decision:
    """Turn what the operator said into a GUID.

    Args:
        conflict: from :func:`find_conflict`.
        hostname: as claimed, for the sentence.
        resolution: the operator's choice, if any.
        guid: the device to merge into, if named.
        guid_known: whether that device exists for this operator.

    Raises:
        Conflict: ``conflict_resolution_required``; ``duplicate_identity`` for two devices on one key.
        Invalid: ``device_not_found``, ``invalid_conflict_resolution``.
    """
    if guid is not None:
        if resolution is Resolution.COEXIST:
            raise Invalid("invalid_conflict_resolution", "Either merge into a GUID or keep both, not both at once.")
        if not guid_known:
            raise Invalid("device_not_found", "There is no device with the GUID to merge into. Check it and try again.")
        other = conflict.device if conflict is not None and conflict.fingerprint_match else None
        if other is not None and other.guid != guid:
            raise _one_key_two_devices()
        if conflict is not None and conflict.requires_prompt and resolution is None and _not_meant(conflict, guid):
            raise _required(conflict, hostname)
        return Decision(guid, str(resolution or Resolution.MERGE))
    if conflict is None:
        if resolution in (Resolution.OVERWRITE, Resolution.MERGE):
            raise Invalid("invalid_conflict_resolution", "No device is in the way that could be merged or overwritten.")
        return Decision(None, str(resolution) if resolution else None)
    if not conflict.requires_prompt and resolution is None:
        assert conflict.device is not None
        return Decision(conflict.device.guid, AUTO_MERGE)
    if resolution is None:
        raise _required(conflict, hostname)
    if resolution is Resolution.COEXIST:
        if conflict.fingerprint_match and conflict.device is not None:
            raise _one_key_two_devices()
        return Decision(None, str(resolution))
    return Decision(conflict.device.guid if conflict.device is not None else None, str(resolution))


def conflict_block(conflict: FoundConflict, *, site_name: str | None, visible: bool) -> dict[str, Any]:
    """The ``hostname_conflict`` object of upstream-contract 1.6, plus ``kind``, ``hostname`` and ``status``.

    What the operator may not see (a device of another site) is named by its kind only.
    """
    device = conflict.device if visible else None
    return {
        "kind": conflict.kind,
        "guid": device.guid if device else None,
        "hostname": device.hostname if device else None,
        "status": device.status if device else None,
        "ssl_key_fingerprint": device.fingerprint if device else None,
        "site_id": device.site_id if device else None,
        "site_name": site_name if device else None,
        "fingerprint_match": conflict.fingerprint_match,
        "requires_prompt": conflict.requires_prompt,
    }


def _not_meant(conflict: FoundConflict, guid: str) -> bool:
    # Naming the very device that is in the way is the explicit answer; naming another leaves the question open.
    return conflict.device is not None and conflict.device.guid != guid


def _required(conflict: FoundConflict, hostname: str) -> EngineError:
    reasons = {
        "hostname": f"A device named {hostname} with another key exists.",
        "duplicate_identity": f"The key of {hostname} is in use by another machine now: perhaps a copied disk.",
        "withdrawn_device": f"The device {hostname} with this key was revoked or quarantined.",
        "same_key": f"The device {hostname} is known.",
    }
    return Conflict(
        "conflict_resolution_required",
        f"{reasons[conflict.kind]} Approve again with conflict_resolution merge, overwrite or coexist, or deny it.",
    )


def _one_key_two_devices() -> Conflict:
    return Conflict(
        "duplicate_identity",
        "Two devices cannot share one key. Deny this one, delete the folder Certificates/Agent/Identity on the copy "
        "and enrol it again; or merge, which ends the other's access.",
    )
