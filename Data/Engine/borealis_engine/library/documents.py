"""Upstream's documents of scripts, playbooks and workflows (upstream-contract 9.2), checked and in one form; pure.

In that form a script is plain text under ``script``, whatever it came as, so that versions can be compared; members
go by upstream's first names, not by its aliases; members that nobody knows are kept as they are.
"""

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from borealis_engine.core.errors import Invalid, TooLarge
from borealis_engine.library.document_parts import (
    MAX_SHORT,
    MAX_TEXT,
    check_files,
    check_variables,
    invalid,
    text_of,
    under_first_names,
)
from borealis_engine.library.models import MAX_DOCUMENT_BYTES, Kind
from borealis_wire import base64s, strict_json
from borealis_wire.events import OWN_DOOR_TYPES, ScriptType
from borealis_wire.limits import (
    DEFAULT_TIMEOUT_SECONDS,
    MAX_SCRIPT_BYTES,
    MAX_TIMEOUT_SECONDS,
)

SCRIPT_TYPES: Final = frozenset(ScriptType) - OWN_DOOR_TYPES - {ScriptType.ANSIBLE}
_ALIASES: Final = {
    "type": ("type", "script_type"),
    "timeout_seconds": ("timeout_seconds", "timeout"),
    "script": ("script", "content", "script_lines"),
}


def normalise(kind: Kind, given: Any) -> dict[str, Any]:
    """A document in our form.

    Args:
        kind: what it is to be.
        given: the document, or its JSON text.

    Raises:
        Invalid: ``invalid_payload``, ``invalid_script``, ``unsupported_script_type``, ``invalid_variable``,
            ``invalid_file``.
        TooLarge: ``payload_too_large``, ``script_too_large``, ``files_too_large``.
    """
    if isinstance(given, str):
        given = parsed(given)
    if not isinstance(given, Mapping):
        raise invalid("the payload is a JSON object")
    document = _workflow(given) if kind is Kind.WORKFLOW else _script(kind, given)
    if len(encode(document)) > MAX_DOCUMENT_BYTES:
        raise TooLarge("payload_too_large", f"The payload is larger than {MAX_DOCUMENT_BYTES} bytes.")
    return document


def encode(document: Mapping[str, Any]) -> bytes:
    """The bytes that a document is stored as and its checksum is made of."""
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


@dataclass(frozen=True, slots=True)
class Packed:
    """A document as it is stored. ``checksum``: hex SHA-256, the same for the same document."""

    checksum: str
    body: bytes
    size_bytes: int


def pack(document: Mapping[str, Any]) -> Packed:
    """A document as it is stored; takes up to half a second for the largest, so not on the event loop."""
    plain = encode(document)
    return Packed(hashlib.sha256(plain).hexdigest(), zlib.compress(plain), len(plain))


def unpack(body: bytes) -> dict[str, Any]:
    """A stored document."""
    result: dict[str, Any] = json.loads(zlib.decompressobj().decompress(body, 2 * MAX_DOCUMENT_BYTES))
    return result


def portable(kind: Kind, document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as upstream writes it: the script in base64."""
    if kind is Kind.WORKFLOW:
        return dict(document)
    return {**document, "script": base64s.encode(document["script"].encode()), "script_encoding": "base64"}


def guess_kind(given: Mapping[str, Any], payload: Mapping[str, Any]) -> Kind:
    """What an import is, where it may not say so itself (upstream-contract 9.1).

    Raises:
        Invalid: ``unknown_kind``.
    """
    for name in ("assembly_kind", "kind"):
        said = given.get(name)
        if isinstance(said, str) and said.strip():
            try:
                return Kind(said.strip().lower())
            except ValueError as error:
                raise Invalid("unknown_kind", f"{name} is one of {', '.join(Kind)}.") from error
    if "nodes" in payload and "edges" in payload:
        return Kind.WORKFLOW
    said = str(payload.get("type", payload.get("script_type", ""))).strip().lower()
    if said == ScriptType.ANSIBLE or payload.keys() & {"playbook", "tasks", "roles"}:
        return Kind.ANSIBLE
    if payload.keys() & {"script", "content", "script_lines"}:
        return Kind.SCRIPT
    raise Invalid("unknown_kind", "This is neither a script, nor a playbook, nor a workflow of Borealis.")


def parsed(text: str) -> Any:
    """What a JSON text says.

    Raises:
        Invalid: ``invalid_payload``.
    """
    try:
        return strict_json.loads(text.encode(), max_bytes=MAX_DOCUMENT_BYTES)
    except ValueError as error:
        raise invalid("the payload is not JSON") from error


def _workflow(given: Mapping[str, Any]) -> dict[str, Any]:
    for name in ("nodes", "edges"):
        if not isinstance(given.get(name), list):
            raise invalid(f"a workflow has a list of {name}")
    return dict(given)


def _script(kind: Kind, given: Mapping[str, Any]) -> dict[str, Any]:
    known = under_first_names(given, _ALIASES)
    wanted = ScriptType.ANSIBLE if kind is Kind.ANSIBLE else None
    said = known.pop("script_encoding", "")
    return {
        **known,
        "name": text_of(known, "name", MAX_SHORT),
        "description": text_of(known, "description", MAX_TEXT),
        "category": text_of(known, "category", MAX_SHORT) or "script",
        "type": _type(known.get("type"), wanted),
        "script": _source(known.get("script", given.get("playbook")), said),
        "script_encoding": "plain",
        "timeout_seconds": _timeout(known.get("timeout_seconds")),
        "variables": check_variables(known.get("variables")),
        "files": check_files(known.get("files")),
    }


def _type(said: Any, wanted: ScriptType | None) -> str:
    if wanted is not None:
        return wanted.value
    try:
        found = ScriptType(str(said or "").strip().lower())
    except ValueError:
        found = ScriptType.ANSIBLE
    if found not in SCRIPT_TYPES:
        names = ", ".join(sorted(kind.value for kind in SCRIPT_TYPES))
        raise Invalid("unsupported_script_type", f"The type of a script is one of {names}.")
    return found.value


def _source(value: Any, encoding: Any) -> str:
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        value = "\n".join(value)
    if not isinstance(value, str):
        raise Invalid("invalid_script", "The payload holds no script: a text under `script`.")
    if str(encoding or "").strip().lower() == "base64":
        try:
            value = base64s.decode("".join(value.split())).decode("utf-8")
        except ValueError as error:
            raise Invalid(
                "invalid_script", "The script is not UTF-8 text in base64, as script_encoding says."
            ) from error
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise Invalid("invalid_script", "The script holds characters that no text can have.") from error
    if "\0" in value:
        raise Invalid("invalid_script", "The script holds a NUL character.")
    if size > MAX_SCRIPT_BYTES:
        raise TooLarge("script_too_large", f"The script is larger than {MAX_SCRIPT_BYTES} bytes; put data into files.")
    return str(value)


def _timeout(value: Any) -> int:
    if value is None or value == "":
        return DEFAULT_TIMEOUT_SECONDS
    try:
        seconds = int(value) if isinstance(value, str) or float(value).is_integer() else -1
    except (TypeError, ValueError, OverflowError):
        seconds = -1
    if isinstance(value, bool) or not 0 <= seconds <= MAX_TIMEOUT_SECONDS:
        raise invalid(f"timeout_seconds is a whole number from 0 to {MAX_TIMEOUT_SECONDS}")
    return seconds
