"""What the enrolment routes of operators take and give, and how rows become that."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from borealis_engine.enrolment import ApprovalView, CodeRow

MAX_ID: Final = 2**31 - 1


class CodeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What code to make: one hour and two devices unless said. ``allowed_uses`` is upstream's name of ``max_uses``."""

    ttl_hours: Annotated[float, Meta(gt=0, le=10_000)] | None = None
    expires_in_seconds: Annotated[int, Meta(ge=1, le=MAX_ID)] | None = None
    max_uses: Annotated[int, Meta(ge=1, le=MAX_ID)] | None = None
    allowed_uses: Annotated[int, Meta(ge=1, le=MAX_ID)] | None = None
    site_id: Annotated[int, Meta(ge=1, le=MAX_ID)] | None = None
    site: Annotated[str, Meta(max_length=256)] = ""


class CodeView(msgspec.Struct, frozen=True, kw_only=True):
    """A code as kept: ``code`` shows its first group only, nobody can read the rest again."""

    id: int
    code: str
    status: str
    site_id: int | None
    created_at: int
    expires_at: int
    created_by_user_id: int | None
    created_by_username: str
    max_uses: int
    use_count: int
    last_used_at: int | None
    used_at: int | None
    used_by_guid: str | None


class NewCode(msgspec.Struct, frozen=True, kw_only=True):
    """A code just made. ``token`` is what to hand out: address, code and CA pin in one string."""

    id: int
    code: str
    token: str
    expires_at: int
    max_uses: int
    use_count: int
    last_used_at: int | None
    site_id: int | None


class CodeList(msgspec.Struct, frozen=True):
    """Codes, oldest first."""

    codes: list[CodeView]


class ConflictView(msgspec.Struct, frozen=True, kw_only=True):
    """A known device in the way; its members are null where the operator may not see it.

    ``kind``: ``same_key`` is merged without asking; ``duplicate_identity``, ``withdrawn_device`` and ``hostname``
    need a ``conflict_resolution``.
    """

    kind: Literal["same_key", "duplicate_identity", "withdrawn_device", "hostname"]
    guid: str | None
    hostname: str | None
    status: str | None
    ssl_key_fingerprint: str | None
    site_id: int | None
    site_name: str | None
    fingerprint_match: bool
    requires_prompt: bool


class ApprovalItem(msgspec.Struct, frozen=True, kw_only=True):
    """A device that asked to be let in (upstream-contract 1.6).

    ``channel``: ``bound`` where it showed that it talks to this Engine's own certificate, ``unbound`` where it did
    not, ``unknown`` before its first poll.
    """

    id: int
    approval_reference: str
    guid: str | None
    hostname_claimed: str
    ssl_key_fingerprint_claimed: str
    enrollment_code_id: int | None
    site_id: int | None
    site_name: str | None
    peer_address: str
    channel: Literal["unknown", "bound", "unbound"]
    status: Literal["pending", "approved", "denied", "expired", "completed"]
    client_nonce: str
    server_nonce: str
    created_at: int
    updated_at: int
    expires_at: int
    completed_at: int | None
    approved_by_user_id: int | None
    approved_by_username: str | None
    conflict_resolution: str | None
    hostname_conflict: ConflictView | None
    alternate_hostname: str | None
    conflict_requires_prompt: bool
    fingerprint_match: bool


class ApprovalList(msgspec.Struct, frozen=True):
    """Approvals by creation time."""

    approvals: list[ApprovalItem]


class ApproveRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to let a device in. ``guid``: take over this device. ``accept_unbound``: for agents without proof_v2."""

    guid: Annotated[str, Meta(max_length=64)] | None = None
    conflict_resolution: Literal["merge", "overwrite", "coexist"] | None = None
    accept_unbound: bool = False


class Approved(msgspec.Struct, frozen=True, omit_defaults=True):
    """It gets in with its next poll. ``conflict_resolution`` as decided, where there was a conflict."""

    status: str
    conflict_resolution: str | None = None


class Done(msgspec.Struct, frozen=True):
    """``denied`` or ``deleted``."""

    status: Literal["denied", "deleted"]


def code_view(row: CodeRow, now: float) -> CodeView:
    """A code as REST shows it; ``now`` in Unix seconds."""
    return CodeView(
        id=row.id,
        code=row.code_prefix + "-****" * 7,
        status=row.status(now),
        site_id=row.site_id,
        created_at=row.created_at,
        expires_at=row.expires_at,
        created_by_user_id=row.created_by_user_id,
        created_by_username=row.created_by_username,
        max_uses=row.max_uses,
        use_count=row.use_count,
        last_used_at=row.last_used_at,
        used_at=row.used_at,
        used_by_guid=row.used_by_guid,
    )


def approval_item(view: ApprovalView) -> ApprovalItem:
    """An approval as REST shows it."""
    row, conflict = view.row, view.conflict
    return ApprovalItem(
        id=row.id,
        approval_reference=row.reference,
        guid=row.guid,
        hostname_claimed=row.current.hostname,
        ssl_key_fingerprint_claimed=row.fingerprint,
        enrollment_code_id=row.current.code_id,
        site_id=row.current.site_id,
        site_name=view.site_name,
        peer_address=row.current.peer_address,
        channel=row.channel.value,
        status=row.status.value,
        client_nonce=row.current.client_nonce,
        server_nonce=row.current.server_nonce,
        created_at=row.created_at,
        updated_at=row.updated_at,
        expires_at=row.expires_at,
        completed_at=row.completed_at,
        approved_by_user_id=row.approved_by_user_id,
        approved_by_username=row.approved_by_username,
        conflict_resolution=row.conflict_resolution,
        hostname_conflict=None if conflict is None else ConflictView(**conflict),
        alternate_hostname=view.alternate_hostname,
        conflict_requires_prompt=conflict is not None and bool(conflict["requires_prompt"]),
        fingerprint_match=conflict is not None and bool(conflict["fingerprint_match"]),
    )
