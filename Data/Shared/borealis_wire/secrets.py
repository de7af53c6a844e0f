"""A secret inside a sealed order, for one device's eyes: libsodium's sealed box to its Ed25519 key's X25519 form.

Whoever holds the Engine's database, a backup or a log of the wire holds nothing that opens it. That it was meant for
this run, and by whom, is what the order's own signature says.
"""

from typing import Final

from nacl import bindings
from nacl.exceptions import CryptoError

from borealis_wire import base64s
from borealis_wire.keys import SigningKey, VerifyKey

MAX_SECRET_BYTES: Final = 8 * 1024


def seal_secret(text: str, key: VerifyKey) -> str:
    """Seal a text for the device with this key; base64. Each call gives another result.

    Raises:
        ValueError: longer than 8 KiB in UTF-8, or the key is no point to encrypt to.
    """
    data = text.encode("utf-8")
    if len(data) > MAX_SECRET_BYTES:
        raise ValueError(f"a secret has at most {MAX_SECRET_BYTES} bytes")
    try:
        box = bindings.crypto_box_seal(data, bindings.crypto_sign_ed25519_pk_to_curve25519(key.raw))
    except (CryptoError, RuntimeError) as error:
        raise ValueError("nothing can be sealed for this key") from error
    return base64s.encode(box)


def open_secret(sealed: str, key: SigningKey) -> str:
    """Open what :func:`seal_secret` made for this device.

    Raises:
        ValueError: it was sealed for another key, or was altered.
    """
    public = bindings.crypto_sign_ed25519_pk_to_curve25519(key.public.raw)
    private = bindings.crypto_sign_ed25519_sk_to_curve25519(key.seed + key.public.raw)
    try:
        return bytes(bindings.crypto_box_seal_open(base64s.decode(sealed), public, private)).decode("utf-8")
    except (CryptoError, TypeError) as error:
        raise ValueError("the secret was sealed for another key of this device, or altered") from error
