"""The script-signing key: seals orders and signs scripts, rotates itself, and tells devices so.

Owns ``Certificates/Code-Signing/``. May be called by: ``jobs`` and ``dispatch`` (seal), ``enrolment`` (public
keys), ``gateway`` (statements), ``api`` (rotation). Nothing but ``_vault`` ever holds the private key, so a key
service can take its place (contract 4).
"""

from borealis_engine.signing.service import SigningService

__all__ = ["SigningService"]
