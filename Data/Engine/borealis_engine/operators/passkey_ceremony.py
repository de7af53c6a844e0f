"""The two ceremonies of WebAuthn for one site: options out, answers checked; pure, by the library py_webauthn.

A challenge carries its own proof that we made it, what for, and until when: nothing is kept for people who only ask
for one, so asking without end fills no memory. What is used up is the caller's to remember.
"""

import hmac
import ipaddress
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, options_to_json_dict, parse_client_data_json
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from borealis_engine.core.errors import Conflict

CHALLENGE_SECONDS: Final = 300.0
NONCE_BYTES: Final = 24
MAX_CREDENTIAL_ID: Final = 1023
_HTTPS_PORT: Final = 443
_MILLISECONDS: Final = 1000


class PasskeyRefused(Exception):
    """An answer that does not hold; ``reason`` is for the log alone."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Whom passkeys are made for: the host of the Engine's public URL, and the origin that pages of it have."""

    id: str
    origin: str
    name: str


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A credential that an authenticator made. ``credential_id`` is base64url."""

    credential_id: str
    public_key: bytes
    sign_count: int
    aaguid: str
    backed_up: bool


def relying_party(url: str, name: str) -> RelyingParty:
    """The relying party of an Engine that people reach at ``url``.

    Raises:
        Conflict: ``passkeys_unavailable``: browsers make passkeys for names only.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    try:
        ipaddress.ip_address(host)
    except ValueError:
        port = "" if parts.port in {None, _HTTPS_PORT} else f":{parts.port}"
        if host:
            return RelyingParty(host, f"https://{host}{port}", name)
    raise Conflict(
        "passkeys_unavailable",
        "Passkeys need a host name, and this Engine is reached by an address. Set BOREALIS_PUBLIC_URL to the https "
        "address with a name that people open.",
    )


def make_challenge(key: bytes, purpose: str, nonce: bytes, now: float) -> bytes:
    """A challenge for one purpose, good for 300 s of the steady clock ``now``."""
    expires = struct.pack(">Q", int((now + CHALLENGE_SECONDS) * _MILLISECONDS))
    return nonce + expires + _seal(key, purpose, nonce + expires)


def challenge_of(credential: Mapping[str, Any], key: bytes, purpose: str, now: float) -> bytes:
    """The challenge that an answer is for, once it is found to be ours, for this purpose, and fresh.

    Raises:
        PasskeyRefused: it is not.
    """
    try:
        data = parse_client_data_json(base64url_to_bytes(str(credential["response"]["clientDataJSON"])))
        challenge = bytes(data.challenge)
    except Exception as error:  # whatever a stranger sends must end as a refusal
        raise PasskeyRefused("the client data cannot be read") from error
    body, seal = challenge[: NONCE_BYTES + 8], challenge[NONCE_BYTES + 8 :]
    if len(body) != NONCE_BYTES + 8 or not hmac.compare_digest(seal, _seal(key, purpose, body)):
        raise PasskeyRefused("the challenge is not ours")
    if now * _MILLISECONDS >= struct.unpack(">Q", body[NONCE_BYTES:])[0]:
        raise PasskeyRefused("the challenge has expired")
    return challenge


def registration_options(
    party: RelyingParty, *, challenge: bytes, handle: bytes, username: str, display_name: str, known: Sequence[str]
) -> dict[str, Any]:
    """What a browser needs to make a passkey; ``known`` are credential ids of the account, not to be made again."""
    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_name=username,
        user_id=handle,
        user_display_name=display_name or username,
        challenge=challenge,
        timeout=int(CHALLENGE_SECONDS * _MILLISECONDS),
        attestation=AttestationConveyancePreference.NONE,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            require_resident_key=True,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(text)) for text in known],
    )
    return options_to_json_dict(options)


def authentication_options(party: RelyingParty, *, challenge: bytes) -> dict[str, Any]:
    """What a browser needs to sign in with any passkey it has for us: no user name, so nobody learns who exists."""
    options = webauthn.generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        timeout=int(CHALLENGE_SECONDS * _MILLISECONDS),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def check_registration(party: RelyingParty, credential: Mapping[str, Any], challenge: bytes) -> NewPasskey:
    """A new credential, if the answer holds: origin, host, challenge, presence and verification of the user.

    The make of the authenticator is not asked for and not checked.

    Raises:
        PasskeyRefused: it does not.
    """
    try:
        found = webauthn.verify_registration_response(
            credential=dict(credential),
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except Exception as error:  # the library lets errors of its parsers through
        raise PasskeyRefused(str(error) or type(error).__name__) from error
    if len(found.credential_id) > MAX_CREDENTIAL_ID:
        raise PasskeyRefused("the credential id is longer than WebAuthn allows")
    return NewPasskey(
        credential_id=bytes_to_base64url(found.credential_id),
        public_key=found.credential_public_key,
        sign_count=found.sign_count,
        aaguid=found.aaguid,
        backed_up=found.credential_backed_up,
    )


def check_authentication(
    party: RelyingParty, credential: Mapping[str, Any], challenge: bytes, *, public_key: bytes, sign_count: int
) -> int:
    """The new signature counter, if the answer holds; a counter that did not grow is refused where it ever counted.

    Raises:
        PasskeyRefused: it does not.
    """
    try:
        found = webauthn.verify_authentication_response(
            credential=dict(credential),
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )
    except Exception as error:  # the library lets errors of its parsers through
        raise PasskeyRefused(str(error) or type(error).__name__) from error
    return found.new_sign_count


def names_other_owner(credential: Mapping[str, Any], handle: bytes) -> bool:
    """Whether an answer says that its passkey belongs to another account than that of ``handle``."""
    response = credential.get("response")
    said = response.get("userHandle") if isinstance(response, Mapping) else None
    return bool(said) and said != bytes_to_base64url(handle)


def _seal(key: bytes, purpose: str, body: bytes) -> bytes:
    return hmac.digest(key, purpose.encode() + b"\0" + body, "sha256")
