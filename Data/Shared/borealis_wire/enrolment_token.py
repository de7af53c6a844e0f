"""The one string that an operator hands out: where the Engine is, the code, and whom to trust.

Form: ``<url>#<code>.<hex SHA-256 of the Engine CA's SPKI>`` (contract 2).
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

CODE_PATTERN = re.compile(r"[0-9A-F]{4}(?:-[0-9A-F]{4}){7}")
_PIN_PATTERN = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class EnrolmentToken:
    """A parsed enrolment token: ``url`` without trailing slash, ``code`` upper-case, ``ca_pin`` 64 hex digits."""

    url: str
    code: str
    ca_pin: str

    def __str__(self) -> str:
        return f"{self.url}#{self.code}.{self.ca_pin}"


def normalise_code(text: str) -> str:
    """Upper-case a typed code and check its form, 8 groups of 4 hex digits.

    Raises:
        ValueError: not such a code.
    """
    code = text.strip().upper()
    if not CODE_PATTERN.fullmatch(code):
        raise ValueError("an enrolment code is 8 groups of 4 hex digits, joined by dashes")
    return code


def looks_like_token(text: str) -> bool:
    """Whether ``text`` is meant as a token rather than a bare code."""
    return "#" in text


def parse_enrolment_token(text: str) -> EnrolmentToken:
    """Read a token.

    Raises:
        ValueError: one sentence that says which part is wrong.
    """
    url, separator, rest = text.strip().partition("#")
    code, dot, pin = rest.partition(".")
    if not separator or not dot:
        raise ValueError("an enrolment token has the form <url>#<code>.<fingerprint>; copy the whole string")
    if not _is_address(url):
        raise ValueError("the address in an enrolment token is https://host[:port]")
    pin = pin.lower()
    if not _PIN_PATTERN.fullmatch(pin):
        raise ValueError("the fingerprint in an enrolment token is 64 hex digits; it was cut short or altered")
    return EnrolmentToken(url.rstrip("/"), normalise_code(code), pin)


def _is_address(url: str) -> bool:
    if "@" in url or "\\" in url or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme == "https" and bool(parts.hostname) and not parts.path.strip("/") and not parts.query and port != 0
    )
