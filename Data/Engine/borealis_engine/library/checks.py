"""What may be saved, and who may save it: pure decisions about a script before anything is stored."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from borealis_engine.core.errors import Conflict, Forbidden, Invalid, TooLarge
from borealis_engine.library import documents
from borealis_engine.library.models import (
    MAX_CATEGORY,
    MAX_GUID,
    MAX_METADATA_BYTES,
    MAX_NAME,
    MAX_SUMMARY,
    MAX_TAGS,
    Domain,
    Kind,
    ScriptContent,
    ScriptRow,
)
from borealis_engine.operators.permissions import OperatorRole, Permission, Principal

_GUID: Final = re.compile(rf"[0-9a-z][0-9a-z_-]{{0,{MAX_GUID - 1}}}")


def make_content(
    kind: Kind,
    *,
    display_name: str,
    summary: str,
    category: str,
    type_: str,
    payload: Any,
    tags: Mapping[str, Any],
    metadata: Mapping[str, Any],
) -> ScriptContent:
    """Check what a script is to consist of.

    Args:
        kind: what it is; decides the form of ``payload``.
        display_name: 1 to 128 printable characters.
        summary: what it does.
        category: where it is shown.
        type_: what interprets it; empty to take it from the payload.
        payload: upstream's document, or its JSON text.
        tags: names, each with anything.
        metadata: anything.

    Raises:
        Invalid: ``invalid_name``, ``invalid_summary``, ``invalid_category``, ``invalid_tags``,
            ``unsupported_script_type``, and see ``documents.normalise``.
        TooLarge: ``metadata_too_large``, and see ``documents.normalise``.
    """
    wanted = type_.strip().lower()
    if kind is Kind.SCRIPT and isinstance(payload, Mapping) and not (payload.get("type") or payload.get("script_type")):
        payload = {**payload, "type": wanted}
    document = documents.normalise(kind, payload)
    found = Kind.WORKFLOW.value if kind is Kind.WORKFLOW else str(document["type"])
    if wanted and wanted != found:
        raise Invalid("unsupported_script_type", f"assembly_type says {wanted!r}, the payload is {found!r}.")
    if len(tags) > MAX_TAGS or any(not 1 <= len(name) <= MAX_CATEGORY for name in tags):
        raise Invalid("invalid_tags", f"There are at most {MAX_TAGS} tags, each of 1 to {MAX_CATEGORY} characters.")
    for name, value in (("tags", tags), ("metadata", metadata)):
        if len(json.dumps(value)) > MAX_METADATA_BYTES:
            raise TooLarge("metadata_too_large", f"{name} takes more than {MAX_METADATA_BYTES} bytes.")
    return ScriptContent(
        display_name=check_name(display_name),
        summary=check_text("summary", summary, MAX_SUMMARY),
        category=check_text("category", category, MAX_CATEGORY),
        type=found,
        document=document,
        tags=tags,
        metadata=metadata,
    )


def may_edit(principal: Principal, row: ScriptRow) -> bool:
    """Whether this operator may change a script."""
    try:
        require_edit(principal, row)
    except Forbidden:
        return False
    return True


def require_domain(principal: Principal, domain: Domain) -> None:
    """Let pass who may make scripts in a domain.

    Raises:
        Forbidden: ``forbidden``.
    """
    if not principal.may(Permission.SCRIPTS_EDIT):
        raise Forbidden("forbidden", f"This needs the permission {Permission.SCRIPTS_EDIT}. Ask an Admin.")
    if domain is not Domain.USER and (principal.role is not OperatorRole.ADMIN or principal.sites is not None):
        raise Forbidden("forbidden", f"Scripts of the domain {domain.value} are changed by Admins of all sites only.")


def require_edit(principal: Principal, row: ScriptRow) -> None:
    """Let pass who may change this script.

    Raises:
        Forbidden: ``forbidden``, ``not_your_script``.
    """
    require_domain(principal, row.domain)
    if principal.sites is not None and row.created_by != principal.username:
        raise Forbidden(
            "not_your_script",
            "Your account is limited to sites, and others may run this script elsewhere. Clone it and change the copy.",
        )


def same_content(row: ScriptRow, content: ScriptContent, checksum: str) -> bool:
    """Whether saving this would change nothing."""
    before = (row.display_name, row.summary, row.category, row.type, row.checksum, row.tags, row.metadata)
    after = (
        content.display_name,
        content.summary,
        content.category,
        content.type,
        checksum,
        content.tags,
        content.metadata,
    )
    return before == after


def check_version(row: ScriptRow, expected: int | None) -> None:
    """Refuse to save over what somebody else saved meanwhile.

    Raises:
        Conflict: ``version_conflict``.
    """
    if expected is not None and expected != row.version:
        raise Conflict(
            "version_conflict",
            f"{row.updated_by} saved version {row.version} meanwhile; yours was made from {expected}. Load it, compare "
            "and save again.",
        )


def check_guid(text: str) -> str:
    """A GUID that a caller chose, in the form in which it is kept.

    Raises:
        Invalid: ``invalid_guid``.
    """
    guid = text.strip().strip("{}").lower()
    if not _GUID.fullmatch(guid):
        raise Invalid("invalid_guid", f"assembly_guid has 1 to {MAX_GUID} letters, digits, dashes or underscores.")
    return guid


def check_name(text: str) -> str:
    """A name as it is kept.

    Raises:
        Invalid: ``invalid_name``.
    """
    name = text.strip()
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise Invalid("invalid_name", f"display_name has 1 to {MAX_NAME} printable characters.")
    return name


def check_text(name: str, text: str, limit: int) -> str:
    """A text of at most ``limit`` characters as it is kept.

    Raises:
        Invalid: ``invalid_<name>``.
    """
    if len(text) > limit or "\0" in text:
        raise Invalid(f"invalid_{name}", f"{name} has at most {limit} characters.")
    return text.strip()
