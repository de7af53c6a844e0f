"""What an enrolling device signs to show that it holds its key."""

import hashlib
import struct
from typing import Final

PROOF_V2_LABEL: Final = b"borealis-enrolment-proof-v2"


def proof_message(server_nonce: bytes, approval_reference: str, client_nonce: bytes) -> bytes:
    """Upstream's proof: the three parts with nothing between them (upstream-contract 1.2)."""
    return server_nonce + approval_reference.encode("utf-8") + client_nonce


def proof_v2_message(
    server_nonce: bytes, approval_reference: str, client_nonce: bytes, leaf_certificate_der: bytes
) -> bytes:
    """The proof bound to the TLS channel: a man in the middle shows another leaf and is found out.

    Label, server nonce, approval reference, client nonce and the SHA-256 of the leaf certificate, each
    preceded by its length as four bytes, big-endian (contract 2).
    """
    leaf_sha256 = hashlib.sha256(leaf_certificate_der).digest()
    return proof_v2_message_for_leaf(server_nonce, approval_reference, client_nonce, leaf_sha256)


def proof_v2_message_for_leaf(
    server_nonce: bytes, approval_reference: str, client_nonce: bytes, leaf_sha256: bytes
) -> bytes:
    """As :func:`proof_v2_message`, where only the leaf's SHA-256 (32 bytes) is known: behind a proxy."""
    parts = (
        PROOF_V2_LABEL,
        server_nonce,
        approval_reference.encode("utf-8"),
        client_nonce,
        leaf_sha256,
    )
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)
