"""The audit log: who did what to which thing, when and from where. Append-only, also for us.

Owns audit_log. May be called by every room above it: inside a transaction with :func:`store.record`, so that
the deed and its record commit together, or on its own with :meth:`AuditLog.record`.
"""

from borealis_engine.audit.models import AuditEntry, AuditRow
from borealis_engine.audit.service import AuditLog

__all__ = ["AuditEntry", "AuditLog", "AuditRow"]
