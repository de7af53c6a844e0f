"""Scripts as files: upstream's export written and read (upstream-contract 9.1); pure.

Read is an export, or a bare document of a script, playbook or workflow as it lay in upstream's older trees.
"""

from collections.abc import Mapping
from typing import Any

from borealis_engine.core.errors import Invalid
from borealis_engine.library.checks import make_content
from borealis_engine.library.documents import guess_kind, parsed, portable
from borealis_engine.library.models import MAX_CATEGORY, MAX_NAME, MAX_SUMMARY, Kind, ScriptContent, StoredScript


def write(script: StoredScript) -> dict[str, Any]:
    """The export of a script."""
    row = script.row
    return {
        "assembly_guid": row.guid,
        "domain": row.domain,
        "assembly_kind": row.kind,
        "assembly_type": row.type,
        "version": row.version,
        "display_name": row.display_name,
        "summary": row.summary,
        "category": row.category,
        "metadata": dict(row.metadata),
        "tags": dict(row.tags),
        "payload": portable(row.kind, script.document),
        "payload_type": "workflow" if row.kind is Kind.WORKFLOW else "script",
        "payload_guid": row.guid,
        "payload_checksum": row.checksum,
        "created_at": int(row.created_at),
        "updated_at": int(row.updated_at),
    }


def read(given: Mapping[str, Any] | str) -> tuple[Kind, ScriptContent, str]:
    """What an import holds: kind, content, and the GUID that it had (empty if it had none).

    Raises:
        Invalid: ``unknown_kind``, ``invalid_payload``, and see ``checks.make_content``.
        TooLarge: see ``checks.make_content``.
    """
    whole = parsed(given) if isinstance(given, str) else given
    if not isinstance(whole, Mapping):
        raise Invalid("invalid_payload", "An import is a JSON object: an export, or a script's document.")
    payload = whole.get("payload")
    if isinstance(payload, str):
        payload = parsed(payload)
    if not isinstance(payload, Mapping):
        payload = whole
    kind = guess_kind(whole, payload)
    content = make_content(
        kind,
        display_name=_line(_first(whole, payload, "display_name", "name", "tab_name"))[:MAX_NAME] or "Imported",
        summary=_first(whole, payload, "summary", "description")[:MAX_SUMMARY],
        category=_line(_first(whole, payload, "category"))[:MAX_CATEGORY],
        type_=_text(whole.get("assembly_type")) if kind is Kind.SCRIPT else "",
        payload=payload,
        tags=_object(whole.get("tags")),
        metadata=_object(whole.get("metadata")),
    )
    return kind, content, _text(whole.get("assembly_guid"))


def _first(whole: Mapping[str, Any], payload: Mapping[str, Any], *names: str) -> str:
    """The first of these members that says something."""
    found = (_text(source.get(name)) for source in (whole, payload) for name in names)
    return next((text for text in found if text), "")


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _line(text: str) -> str:
    kept = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(kept.split())


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, list):  # tags of other tools are a list of names
        return {str(name): True for name in value if isinstance(name, str) and name}
    return dict(value) if isinstance(value, Mapping) else {}
