"""A device as the Engine's enrolment meets it: its key, its nonces, its proofs. Honest unless a test says otherwise."""

import base64
import hashlib
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from borealis_wire import base64s
from borealis_wire.keys import SigningKey
from borealis_wire.messages import EnrolPending, EnrolPoll, EnrolRequest
from borealis_wire.proof import proof_message, proof_v2_message_for_leaf

ADDRESS = "198.51.100.7"


class EnrollingDevice:
    """One machine; two objects of one name are one key on two machines."""

    def __init__(self, name: str = "device", *, hostname: str = "LAB-PC", address: str = ADDRESS) -> None:
        self.key = SigningKey.from_seed(hashlib.sha256(name.encode()).digest())
        self.hostname = hostname
        self.address = address
        self.client_nonce = ""
        self.pending: EnrolPending | None = None
        self._count = 0

    @property
    def fingerprint(self) -> str:
        """As operators see it."""
        return self.key.public.fingerprint

    def request(self, code: str) -> EnrolRequest:
        """A request with a new nonce."""
        self._count += 1
        seed = f"{self.address} {self.fingerprint} {id(self)} {self._count}"
        self.client_nonce = base64s.encode(hashlib.sha256(seed.encode()).digest())
        return EnrolRequest(
            hostname=self.hostname,
            enrollment_code=code,
            agent_pubkey=self.key.public.spki_base64,
            client_nonce=self.client_nonce,
        )

    def poll(self, leaf_sha256: bytes | None, *, signer: SigningKey | None = None) -> EnrolPoll:
        """A poll for the newest answer; without ``leaf_sha256`` as an upstream agent."""
        assert self.pending is not None
        key = signer or self.key
        reference = self.pending.approval_reference
        server_nonce, client_nonce = base64s.decode(self.pending.server_nonce), base64s.decode(self.client_nonce)
        proof_v2 = ""
        if leaf_sha256 is not None:
            message = proof_v2_message_for_leaf(server_nonce, reference, client_nonce, leaf_sha256)
            proof_v2 = base64s.encode(key.sign(message))
        return EnrolPoll(
            approval_reference=reference,
            client_nonce=self.client_nonce,
            proof_sig=base64s.encode(key.sign(proof_message(server_nonce, reference, client_nonce))),
            proof_v2=proof_v2,
        )

    def dpop(self, *, url: str, now: float, jti: str, **changes: Any) -> str:
        """A proof of possession; ``changes`` replace claims, or ``key`` and ``headers`` that it is made with."""
        key: SigningKey = changes.pop("key", self.key)
        headers = {"typ": "dpop+jwt", "jwk": jwk(key), **changes.pop("headers", {})}
        algorithm = changes.pop("algorithm", "EdDSA")
        claims = {"htm": "POST", "htu": url, "iat": int(now), "jti": jti, **changes}
        private = Ed25519PrivateKey.from_private_bytes(key.seed) if algorithm == "EdDSA" else ""
        return jwt.encode(claims, private, algorithm=algorithm, headers=headers)


def jwk(key: SigningKey) -> dict[str, str]:
    """The public key as a JWK."""
    x = base64.urlsafe_b64encode(key.public.raw).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "x": x}
