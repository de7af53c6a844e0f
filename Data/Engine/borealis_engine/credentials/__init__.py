"""Credentials: how the Engine signs in to machines without an agent. Kept sealed, used by runs, shown to nobody.

Owns the tables ``credentials`` and ``credential_uses`` and the key in ``Certificates/Credentials``. May be called by:
``machines`` (whose credential is it, sealing), ``controller`` (a secret for a run) and ``api``. No call for operators
gives a secret; every use is in the audit log.
"""

from borealis_engine.credentials.models import (
    BECOME_METHODS,
    KINDS,
    TRANSPORTS,
    BecomeSecret,
    Credential,
    CredentialSecret,
    NewCredential,
)
from borealis_engine.credentials.service import CredentialService

__all__ = [
    "BECOME_METHODS",
    "KINDS",
    "TRANSPORTS",
    "BecomeSecret",
    "Credential",
    "CredentialSecret",
    "CredentialService",
    "NewCredential",
]
