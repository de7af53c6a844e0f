"""Strict standard base64 (RFC 4648, section 4): one text for one value, nothing ignored."""

import base64
import binascii


def encode(data: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def decode(text: str) -> bytes:
    """Decode, refusing stray characters, missing padding and non-zero trailing bits.

    Raises:
        ValueError: not exactly the text that :func:`encode` would give.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError("not base64") from error
    if encode(data) != text:
        raise ValueError("not canonical base64")
    return data
