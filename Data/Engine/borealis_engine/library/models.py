"""What the library hands out: scripts with their versions, and what operators save of how they look at devices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from borealis_wire.limits import KIB, MAX_FILES_BYTES, MAX_SCRIPT_BYTES, MIB

MAX_DOCUMENT_BYTES: Final = MAX_FILES_BYTES * 4 // 3 + MAX_SCRIPT_BYTES * 4 // 3 + MIB
"""A document as JSON: files and script in base64, and what surrounds them."""
MAX_IMPORT_BYTES: Final = 1 * MIB
"""Upstream's limit of an import (upstream-contract 9.1)."""
MAX_SCRIPTS: Final = 5000
MAX_VERSIONS: Final = 1000
MAX_NAME: Final = 128
MAX_SUMMARY: Final = 4000
MAX_CATEGORY: Final = 64
MAX_COMMENT: Final = 500
MAX_TAGS: Final = 64
MAX_METADATA_BYTES: Final = 16 * KIB
MAX_GUID: Final = 64


class Domain(StrEnum):
    """Whose a script is: ``user`` is what operators make; the other two only Admins of all sites change."""

    USER = "user"
    COMMUNITY = "community"
    OFFICIAL = "official"


class Kind(StrEnum):
    """What an assembly is (upstream-contract 9.1). Workflows are kept, not run."""

    SCRIPT = "script"
    ANSIBLE = "ansible"
    WORKFLOW = "workflow"


@dataclass(frozen=True, slots=True)
class ScriptContent:
    """Everything of a script that a version keeps. ``document`` is in the form of ``documents.normalise``."""

    display_name: str
    summary: str
    category: str
    type: str
    document: Mapping[str, Any]
    tags: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScriptRow:
    """A script without its document. Times are Unix seconds; ``checksum`` is the document's hex SHA-256."""

    guid: str
    domain: Domain
    kind: Kind
    type: str
    display_name: str
    summary: str
    category: str
    tags: Mapping[str, Any]
    metadata: Mapping[str, Any]
    version: int
    checksum: str
    size_bytes: int
    created_at: float
    created_by: str
    updated_at: float
    updated_by: str
    deleted_at: float | None = None


@dataclass(frozen=True, slots=True)
class StoredScript:
    """A script with the document of one version."""

    row: ScriptRow
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One saved version without its document; it never changes."""

    guid: str
    version: int
    saved_at: float
    saved_by: str
    comment: str
    display_name: str
    summary: str
    category: str
    type: str
    tags: Mapping[str, Any]
    metadata: Mapping[str, Any]
    checksum: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ScriptToRun:
    """What a job takes from a stored script: the members of ``jobs.ports.StoredScript``."""

    guid: str
    version: int
    name: str
    type: str
    script: str
    variables: list[dict[str, Any]]
    files: list[dict[str, Any]]
    timeout_seconds: int


@dataclass(frozen=True, slots=True)
class SavedView:
    """How somebody likes to see the table of devices. ``owner`` is a user name; shared ones are everybody's."""

    id: int
    name: str
    shared: bool
    owner: str
    columns: list[Any]
    filters: Mapping[str, Any]
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class SavedFilter:
    """A choice of devices under a name. ``site_ids`` None: of all sites."""

    id: int
    name: str
    shared: bool
    owner: str
    description: str
    archived: bool
    site_ids: tuple[int, ...] | None
    criteria: Mapping[str, Any]
    created_at: float
    updated_at: float
    updated_by: str
