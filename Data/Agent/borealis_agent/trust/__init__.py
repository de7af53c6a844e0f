"""Whom this device believes: the pinned Engine CA, the pinned signing keys, and what an order must pass.

Owns: ``Certificates/Agent/Trusted_Server_Cert``. May be called by: ``intake``, ``enrolment``, ``app``; ``http`` is
given a ``TrustStore`` through its port. Does not check replay: the journal (``outbox``) does, after ``policy``.
"""

from borealis_agent.trust.policy import (
    apply_keys,
    check_user,
    keys_after_enrolment,
    verify_cancel,
    verify_entry,
    verify_job,
    verify_screen,
    verify_tunnel,
    verify_update,
)
from borealis_agent.trust.signing_keys import TrustedKeys
from borealis_agent.trust.store import TrustStore

__all__ = [
    "TrustStore",
    "TrustedKeys",
    "apply_keys",
    "check_user",
    "keys_after_enrolment",
    "verify_cancel",
    "verify_entry",
    "verify_job",
    "verify_screen",
    "verify_tunnel",
    "verify_update",
]
