"""DSSE envelopes: sealing bytes under a type, and opening them against trusted keys only.

Source: Dead Simple Signing Envelope 1.0.2 (the in-toto project). An ``Envelope`` is a claim; what
:func:`open_envelope` gives is proven to come from a trusted key. That is all it proves: whom the payload
is for, when it is valid and whether it was seen before is for the caller (``borealis_agent.trust``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from borealis_wire import base64s
from borealis_wire.events import RefusalCode
from borealis_wire.keys import VerifyKey
from borealis_wire.limits import MAX_ENVELOPE_PAYLOAD_BYTES, MAX_SIGNATURES
from borealis_wire.refusal import Refused

JOB_TYPE: Final = "application/vnd.borealis.job+json"
CANCEL_TYPE: Final = "application/vnd.borealis.cancel+json"
KEYS_TYPE: Final = "application/vnd.borealis.keys+json"
TUNNEL_TYPE: Final = "application/vnd.borealis.tunnel+json"
SCREEN_TYPE: Final = "application/vnd.borealis.screen+json"
UPDATE_TYPE: Final = "application/vnd.borealis.update+json"
SHELL_TYPE: Final = "application/vnd.borealis.shell+json"
DESKTOP_TYPE: Final = "application/vnd.borealis.desktop+json"
FILES_TYPE: Final = "application/vnd.borealis.files+json"
FORWARD_TYPE: Final = "application/vnd.borealis.forward+json"
SIGNED_START: Final = b"DSSEv1 "
"""How everything begins that an envelope signs. A key that seals must sign nothing else that begins so."""


class Signer(Protocol):
    """What sealing needs of a key; a key service can stand behind it."""

    @property
    def public(self) -> VerifyKey:
        """The public half."""

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature over ``message``."""


@dataclass(frozen=True, slots=True)
class OpenedEnvelope:
    """Payload bytes whose signature held under a trusted key."""

    payload_type: str
    payload: bytes
    key_id: str


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """DSSE's PAE: what is really signed, so that type and body cannot be confused."""
    kind = payload_type.encode("utf-8")
    return b"%b%d %b %d %b" % (SIGNED_START, len(kind), kind, len(payload), payload)


def seal(payload_type: str, payload: bytes, signer: Signer) -> dict[str, Any]:
    """Sign ``payload`` and give the envelope as the JSON object that travels."""
    signature = signer.sign(pre_authentication_encoding(payload_type, payload))
    return {
        "payloadType": payload_type,
        "payload": base64s.encode(payload),
        "signatures": [{"keyid": signer.public.key_id, "sig": base64s.encode(signature)}],
    }


def open_envelope(envelope: Any, *, expected_type: str, trusted: Mapping[str, VerifyKey]) -> OpenedEnvelope:
    """Check shape, size, type and signature, in that order.

    Args:
        envelope: the JSON value as it came; anything.
        expected_type: the only type that is accepted here.
        trusted: key id to key. Keys inside the message are never looked at.

    Raises:
        Refused: ``malformed``, ``too_large``, ``unsupported_type``, ``bad_signature`` or ``unknown_key``.
    """
    payload_type, payload, signatures = _read(envelope)
    if payload_type != expected_type:
        raise Refused(RefusalCode.UNSUPPORTED_TYPE, "the envelope is of another type than the event")
    if not signatures:
        raise Refused(RefusalCode.BAD_SIGNATURE, "the envelope carries no signature")
    message = pre_authentication_encoding(payload_type, payload)
    known = False
    for key_id, signature in signatures:
        key = trusted.get(key_id)
        if key is None:
            continue
        known = True
        if key.verifies(signature, message):
            return OpenedEnvelope(payload_type, payload, key_id)
    if known:
        raise Refused(RefusalCode.BAD_SIGNATURE, "the signature does not match the payload")
    raise Refused(RefusalCode.UNKNOWN_KEY, "no signature is by a key that this device trusts")


def _read(envelope: Any) -> tuple[str, bytes, list[tuple[str, bytes]]]:
    if not isinstance(envelope, dict) or set(envelope) != {"payloadType", "payload", "signatures"}:
        raise Refused(RefusalCode.MALFORMED, "not a DSSE envelope")
    payload_type, payload, signatures = envelope["payloadType"], envelope["payload"], envelope["signatures"]
    if not isinstance(payload_type, str) or not isinstance(payload, str) or not isinstance(signatures, list):
        raise Refused(RefusalCode.MALFORMED, "an envelope member has the wrong type")
    if len(payload) > MAX_ENVELOPE_PAYLOAD_BYTES * 4 // 3 + 4 or len(signatures) > MAX_SIGNATURES:
        raise Refused(RefusalCode.TOO_LARGE, "the envelope is larger than allowed")
    try:
        return payload_type, base64s.decode(payload), [_signature(item) for item in signatures]
    except ValueError as error:
        raise Refused(RefusalCode.MALFORMED, "an envelope member is not base64") from error


def _signature(item: Any) -> tuple[str, bytes]:
    if not isinstance(item, dict) or set(item) != {"keyid", "sig"}:
        raise Refused(RefusalCode.MALFORMED, "a signature has missing or extra members")
    key_id, signature = item["keyid"], item["sig"]
    if not isinstance(key_id, str) or not isinstance(signature, str):
        raise Refused(RefusalCode.MALFORMED, "a signature member has the wrong type")
    return key_id, base64s.decode(signature)
