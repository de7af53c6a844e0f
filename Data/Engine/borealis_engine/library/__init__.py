"""The library: scripts with all their versions, and the views and filters that operators save.

Owns scripts, script_versions, script_documents, device_list_views, device_filters, device_filter_sites. May be called
by: ``api``, and by ``jobs`` through its port. It runs nothing and knows no device.
"""

from borealis_engine.library import checks, portable, saved
from borealis_engine.library.models import (
    MAX_DOCUMENT_BYTES,
    MAX_IMPORT_BYTES,
    Domain,
    Kind,
    SavedFilter,
    SavedView,
    ScriptContent,
    ScriptRow,
    StoredScript,
    VersionRow,
)
from borealis_engine.library.saved import SavedThings
from borealis_engine.library.scripts import ScriptLibrary

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "MAX_IMPORT_BYTES",
    "Domain",
    "Kind",
    "SavedFilter",
    "SavedThings",
    "SavedView",
    "ScriptContent",
    "ScriptLibrary",
    "ScriptRow",
    "StoredScript",
    "VersionRow",
    "checks",
    "portable",
    "saved",
]
