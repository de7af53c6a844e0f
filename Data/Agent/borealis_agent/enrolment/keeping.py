"""What an approval brings, read strictly, and put on disk in an order that a crash cannot spoil."""

from dataclasses import dataclass
from typing import Any

from borealis_agent.enrolment.first_contact import Anchor
from borealis_agent.http.answer import Answer
from borealis_agent.http.tokens import EXPIRY_MARGIN_SECONDS, MAX_EXPIRES_IN
from borealis_agent.identity import AccessToken, DeviceIdentity
from borealis_agent.identity.guid import parse_guid
from borealis_agent.trust import TrustedKeys, TrustStore, keys_after_enrolment
from borealis_wire.events import RunContext


@dataclass(frozen=True, slots=True, repr=False)
class Approval:
    """GUID, tokens and the signing keys to trust from now on."""

    guid: str
    refresh_token: str
    access: AccessToken
    keys: TrustedKeys


def read_approval(answer: Answer, *, pinned: TrustedKeys, same_engine: bool, fresh: bool, now: float) -> Approval:
    """Read the poll's answer that completes an enrolment.

    Args:
        answer: of a poll, with status ``approved``.
        pinned: the signing keys that this device trusted before.
        same_engine: the CA pin is the one it had before.
        fresh: the code was not used before.
        now: Unix seconds.

    Raises:
        ValueError: something is missing or of the wrong form; nothing was changed.
        Refused: ``unknown_key``: see ``trust.keys_after_enrolment``.
    """
    body = answer.body
    guid, refresh, access = body.get("guid"), body.get("refresh_token"), body.get("access_token")
    if not isinstance(guid, str) or not isinstance(refresh, str) or not isinstance(access, str):
        raise ValueError("GUID or tokens are missing")
    if not refresh or not access:
        raise ValueError("a token is empty")
    offered = TrustedKeys.from_enrolment(
        body.get("signing_keys"), body.get("signing_key"), issued_at=answer.server_time or 0.0
    )
    keys = keys_after_enrolment(offered, pinned=pinned, same_engine=same_engine, fresh=fresh)
    expires_at = now + _seconds(body.get("expires_in")) - EXPIRY_MARGIN_SECONDS
    return Approval(parse_guid(guid), refresh, AccessToken(access, expires_at), keys)


def keep_approval(
    approval: Approval, anchor: Anchor, *, trust: TrustStore, identity: DeviceIdentity, context: RunContext
) -> None:
    """Trust first, then GUID, then tokens: whatever a crash leaves behind is a row of ``identity.assess``.

    The caller holds the token lock.

    Raises:
        OSError: disk full or read-only; the enrolment is then not complete.
    """
    trust.pin(engine_url=anchor.engine_url, ca_pem=anchor.ca_pem, ca_pin=anchor.ca_pin, keys=approval.keys)
    identity.store_guid(approval.guid)
    vault = identity.vault(anchor.ca_pin)
    vault.clear()
    vault.store_refresh(approval.refresh_token)
    vault.store_access(context, approval.access)


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_EXPIRES_IN:
        raise ValueError("expires_in is not a number of seconds")
    return float(value)
