"""What a device sent, checked: in upstream's order and with its codes (upstream-contract 1.1, 1.2). Pure."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from borealis_engine.core.errors import Invalid
from borealis_engine.devices.names import clean_hostname
from borealis_engine.enrolment.models import ApprovalRow, Channel
from borealis_wire import base64s
from borealis_wire.keys import VerifyKey
from borealis_wire.limits import MIN_CLIENT_NONCE_BYTES
from borealis_wire.messages import EnrolPoll, EnrolRequest
from borealis_wire.proof import proof_message, proof_v2_message_for_leaf

_SIGNATURE_BYTES = 64
_URL_SAFE = str.maketrans("-_", "+/")


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A request whose members have the right form; ``client_nonce`` is base64 text as sent."""

    hostname: str
    code: str
    key: VerifyKey
    client_nonce: str


@dataclass(frozen=True, slots=True)
class CheckedPoll:
    """A poll whose members have the right form; nothing is verified yet."""

    reference: str
    client_nonce: str
    client_nonce_bytes: bytes
    signature: bytes
    signature_v2: bytes | None


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """Which challenge the device's key answered, and whether over a channel that ends here."""

    of_other: bool
    channel: Channel


class ForeignChannel(Invalid):
    """The key is right, but it saw a certificate that is not ours: somebody sits between."""


def check_request(message: EnrolRequest) -> CheckedRequest:
    """Check the form of a request.

    Raises:
        Invalid: ``hostname_required``, ``enrollment_code_required``, ``agent_pubkey_required``,
            ``client_nonce_required``, ``invalid_agent_pubkey`` or ``invalid_client_nonce``, the first that holds.
    """
    hostname = clean_hostname(message.hostname)
    for name, value in (
        ("hostname", hostname),
        ("enrollment_code", message.enrollment_code.strip()),
        ("agent_pubkey", message.agent_pubkey.strip()),
        ("client_nonce", message.client_nonce),
    ):
        _require(name, value)
    try:
        # White space and the URL-safe alphabet are tolerated here as upstream does; nowhere else.
        key = VerifyKey.from_spki_base64("".join(message.agent_pubkey.split()).translate(_URL_SAFE))
    except ValueError as error:
        raise Invalid(
            "invalid_agent_pubkey", "agent_pubkey is the base64 SPKI DER of an Ed25519 public key; this is not."
        ) from error
    _nonce(message.client_nonce)
    return CheckedRequest(hostname, message.enrollment_code, key, message.client_nonce)


def check_poll(message: EnrolPoll) -> CheckedPoll:
    """Check the form of a poll.

    Raises:
        Invalid: ``approval_reference_required``, ``client_nonce_required``, ``proof_sig_required``,
            ``invalid_client_nonce``, ``invalid_proof_sig``, or ``invalid_proof`` for a malformed ``proof_v2``.
    """
    for name in ("approval_reference", "client_nonce", "proof_sig"):
        _require(name, getattr(message, name))
    nonce = _nonce(message.client_nonce)
    signature = _signature(message.proof_sig)
    if signature is None:
        raise Invalid("invalid_proof_sig", "proof_sig is the base64 of a 64-byte Ed25519 signature; this is not.")
    signature_v2 = _signature(message.proof_v2) if message.proof_v2 else None
    if message.proof_v2 and signature_v2 is None:
        raise Invalid("invalid_proof", "proof_v2 is the base64 of a 64-byte Ed25519 signature; this is not.")
    return CheckedPoll(message.approval_reference, message.client_nonce, nonce, signature, signature_v2)


def verify_proof(row: ApprovalRow, poll: CheckedPoll, leaves: Iterable[bytes]) -> VerifiedProof:
    """Check that the poll was signed by the key that asked, for a challenge that is open, over our certificate.

    Does not check whether the proof was used before, nor what it is good for: see ``polling.judge``.

    Args:
        row: the approval that the poll names.
        poll: from :func:`check_poll`.
        leaves: SHA-256 digests of the leaf certificates that count as ours.

    Raises:
        Invalid: ``nonce_mismatch`` or ``invalid_proof``.
        ForeignChannel: ``invalid_proof``, where only the certificate was another.
    """
    key = VerifyKey.from_spki(row.public_key_spki)
    challenges = [(False, row.current), *([(True, row.other)] if row.other is not None else [])]
    named = [
        (of_other, base64s.decode(challenge.server_nonce))
        for of_other, challenge in challenges
        if hmac.compare_digest(challenge.client_nonce.encode(), poll.client_nonce.encode())
    ]
    if not named:
        raise Invalid("nonce_mismatch", "client_nonce is not the one of the enrolment request. Start over.")
    for of_other, server_nonce in named:
        if not key.verifies(poll.signature, proof_message(server_nonce, poll.reference, poll.client_nonce_bytes)):
            continue
        if poll.signature_v2 is None:
            return VerifiedProof(of_other, Channel.UNBOUND)
        for leaf in leaves:
            message = proof_v2_message_for_leaf(server_nonce, poll.reference, poll.client_nonce_bytes, leaf)
            if key.verifies(poll.signature_v2, message):
                return VerifiedProof(of_other, Channel.BOUND)
        raise ForeignChannel(
            "invalid_proof",
            "proof_v2 was made over a certificate that is not this Engine's: somebody may sit between. Where a proxy "
            "ends TLS on purpose, list its certificate in BOREALIS_PROXY_LEAF_SHA256.",
        )
    raise Invalid("invalid_proof", "proof_sig is not the device key's signature over this challenge.")


def _require(name: str, value: str) -> None:
    if not value:
        raise Invalid(f"{name}_required", f"{name} is missing or empty.")


def _nonce(text: str) -> bytes:
    try:
        nonce = base64s.decode(text)
    except ValueError:
        nonce = b""
    if len(nonce) < MIN_CLIENT_NONCE_BYTES:
        raise Invalid("invalid_client_nonce", f"client_nonce is base64 of {MIN_CLIENT_NONCE_BYTES} bytes or more.")
    return nonce


def _signature(text: str) -> bytes | None:
    try:
        signature = base64s.decode(text)
    except ValueError:
        return None
    return signature if len(signature) == _SIGNATURE_BYTES else None
