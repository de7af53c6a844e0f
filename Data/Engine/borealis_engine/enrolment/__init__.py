"""Enrolment: how machines become devices, how devices keep their tokens, and the TLS identity that they pin.

Owns the tables ``enrollment_install_codes``, ``device_approvals`` and ``refresh_tokens``, the key of access tokens
(``Data/Auth_Tokens``), and the certificates (``Certificates/borealis-*.pem``). May be called by: ``api`` and
``gateway`` (``AccessTokens.verify``, ``require_standing``), and ``app``. Lets a device in through
``devices.admission``, inside its own transaction; what the device then is and does is not this room's.
"""

from borealis_engine.enrolment.admission import UnknownReference
from borealis_engine.enrolment.models import (
    ApprovalRow,
    ApprovalStatus,
    ApprovalView,
    Channel,
    CodeRow,
    EnrolmentLimits,
    IssuedCode,
    Resolution,
    context_of,
)
from borealis_engine.enrolment.service import EnrolmentService
from borealis_engine.enrolment.standing import require_standing
from borealis_engine.enrolment.tls import EngineCertificates
from borealis_engine.enrolment.tokens import AccessClaims, AccessTokens

__all__ = [
    "AccessClaims",
    "AccessTokens",
    "ApprovalRow",
    "ApprovalStatus",
    "ApprovalView",
    "Channel",
    "CodeRow",
    "EngineCertificates",
    "EnrolmentLimits",
    "EnrolmentService",
    "IssuedCode",
    "Resolution",
    "UnknownReference",
    "context_of",
    "require_standing",
]
