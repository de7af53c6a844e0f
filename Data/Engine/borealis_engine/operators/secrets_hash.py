"""How random secrets are kept: SHA-256 of what has at least 80 random bits needs no slow hash. Pure."""

import base64
import hashlib
import hmac


def fingerprint(secret: str) -> str:
    """Lower-case hex SHA-256."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def csrf_of(session_token: str) -> str:
    """The CSRF value that belongs to a session; nothing has to be stored for it, and it does not give the session."""
    digest = hmac.new(session_token.encode("utf-8", "surrogatepass"), b"borealis-csrf-v1", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
