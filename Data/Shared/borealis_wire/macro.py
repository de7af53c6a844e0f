"""Orders about macros: keys and text that a device types by itself. Upstream's names; shape only, like ``orders``."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final

from borealis_wire import strict_json
from borealis_wire.events import RefusalCode
from borealis_wire.key_names import parse_chord, typable
from borealis_wire.refusal import Refused

MIN_INTERVAL_MS: Final = 50
MAX_INTERVAL_MS: Final = 24 * 3600 * 1000
MAX_TEXT: Final = 4096
MAX_TITLE: Final = 200
MAX_HANDLE: Final = 2**53 - 1
"""The largest number that every JSON reader gives back as it was."""
MAX_MACRO_BYTES: Final = 64 * 1024
MAX_MACRO_SECONDS: Final = 24 * 3600
DEFAULT_MACRO_SECONDS: Final = 3600


class MacroType(StrEnum):
    """What is typed."""

    KEYPRESS = "keypress"
    TEXT = "text"


class OperationMode(StrEnum):
    """When."""

    RUN_ONCE = "Run Once"
    CONTINUOUS = "Continuous"
    TRIGGER_CONTINUOUS = "Trigger-Continuous"
    TRIGGER_ONCE = "Trigger-Once"


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroSettings:
    """One macro. Made by ``parse_settings`` and ``changed`` only: what cannot be typed is refused there.

    Attributes:
        window_handle: the window's number on its desktop; 0: see ``window_title``.
        window_title: part of the title of exactly one window; empty, and no handle: whatever has the focus.
        key: of a keypress, as ``key_names`` knows it.
        text: of a text, with Tab and line feeds.
        interval_ms: from one time to the next.
        randomize_interval: each wait is drawn from ``random_min`` to ``random_max`` ms, in place of ``interval_ms``.
        active: false: it rests, and goes on when this is true again.
        trigger: 1 sets off the modes that wait for it; ``Trigger-Once`` lets it fall back to 0.
    """

    macro_type: MacroType
    operation_mode: OperationMode = OperationMode.RUN_ONCE
    window_handle: int = 0
    window_title: str = ""
    key: str = ""
    text: str = ""
    interval_ms: int = 1000
    randomize_interval: bool = False
    random_min: int = 750
    random_max: int = 950
    active: bool = True
    trigger: int = 0

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; reads back with :func:`parse_settings`."""
        return {name: value.value if isinstance(value, StrEnum) else value for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class MacroStart:
    """Begin a macro: the run that brings it is the macro, and lasts as long."""

    settings: MacroSettings

    def to_script(self) -> bytes:
        """The canonical bytes that are the job's script."""
        return strict_json.canonical({"action": "start", "settings": self.settings.to_json()})


@dataclass(frozen=True, slots=True)
class MacroChange:
    """Change a macro that runs: ``changes`` are some of its settings, each of the right type."""

    run_id: str
    changes: Mapping[str, Any]

    def to_script(self) -> bytes:
        """The canonical bytes that are the job's script."""
        return strict_json.canonical({"action": "change", "run_id": self.run_id, "changes": dict(self.changes)})


MacroOrder = MacroStart | MacroChange


def parse_macro(script: bytes) -> MacroOrder:
    """Read a signed order.

    Raises:
        Refused: ``malformed``; a member that is not known may be a condition, so nothing is done.
    """
    try:
        found = strict_json.loads(script, max_bytes=MAX_MACRO_BYTES)
    except strict_json.JsonError as error:
        raise _malformed(str(error)) from error
    if not isinstance(found, dict):
        raise _malformed("an order about a macro is an object")
    match found.get("action"):
        case "start" if set(found) == {"action", "settings"}:
            return MacroStart(parse_settings(found["settings"]))
        case "change" if set(found) == {"action", "run_id", "changes"}:
            run_id = found["run_id"]
            if not isinstance(run_id, str) or not 1 <= len(run_id) <= 64:
                raise _malformed("run_id is a text of 1 to 64 characters")
            return MacroChange(run_id, parse_changes(found["changes"]))
    raise _malformed("an order about a macro is start with settings, or change with run_id and changes")


def parse_settings(value: Any) -> MacroSettings:
    """Read the settings of a macro; what is absent has its default.

    Raises:
        Refused: ``malformed``: a wrong type, an unknown member, or nothing that could be typed.
    """
    members = _members(value)
    if "macro_type" not in members:
        raise _malformed("macro_type is missing: keypress or text")
    return _checked(MacroSettings(**members))


def parse_changes(value: Any) -> dict[str, Any]:
    """Read a part of the settings of a macro.

    Raises:
        Refused: ``malformed``, also where nothing is changed.
    """
    members = _members(value)
    if not members:
        raise _malformed("changes names at least one setting")
    return {name: found.value if isinstance(found, StrEnum) else found for name, found in members.items()}


def changed(settings: MacroSettings, changes: Mapping[str, Any]) -> MacroSettings:
    """The settings with some of them changed. Another window takes the place of the one there was.

    Raises:
        Refused: ``malformed``: what comes of it is no macro.
    """
    members = _members(changes)
    if members.get("window_handle") and "window_title" not in members:
        members["window_title"] = ""
    if members.get("window_title") and "window_handle" not in members:
        members["window_handle"] = 0
    return _checked(replace(settings, **members))


def _members(value: Any) -> dict[str, Any]:
    """Each member alone: known, and of its type."""
    if not isinstance(value, Mapping):
        raise _malformed("the settings of a macro are an object")
    found: dict[str, Any] = {}
    for name, member in value.items():
        reader = _READERS.get(name)
        if reader is None:
            raise _malformed(f"a macro has no setting {str(name)[:40]!r}")
        found[name] = reader(name, member)
    return found


def _checked(settings: MacroSettings) -> MacroSettings:
    """All members together."""
    if settings.macro_type is MacroType.KEYPRESS and not settings.key:
        raise _malformed("a keypress needs a key")
    if settings.macro_type is MacroType.TEXT and not settings.text:
        raise _malformed("a text needs text")
    if settings.random_min > settings.random_max:
        raise _malformed("random_min is not above random_max")
    if settings.window_handle and settings.window_title:
        raise _malformed("a window is named by window_handle or by window_title, not by both")
    return settings


def _kind(_name: str, value: Any) -> MacroType:
    try:
        return MacroType(value)
    except ValueError as error:
        raise _malformed(f"macro_type is one of {', '.join(MacroType)}") from error


def _mode(_name: str, value: Any) -> OperationMode:
    try:
        return OperationMode(value)
    except ValueError as error:
        raise _malformed(f"operation_mode is one of {', '.join(OperationMode)}") from error


def _whole(name: str, value: Any, least: int, most: int, unit: str = "") -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _malformed(f"{name} is a whole number from {least} to {most}{unit}")
    return value


def _handle(name: str, value: Any) -> int:
    return _whole(name, value, 0, MAX_HANDLE)


def _milliseconds(name: str, value: Any) -> int:
    return _whole(name, value, MIN_INTERVAL_MS, MAX_INTERVAL_MS, " (ms)")


def _trigger(name: str, value: Any) -> int:
    return _whole(name, value, 0, 1)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _malformed(f"{name} is true or false")
    return value


def _title(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_TITLE or not value.isprintable():
        raise _malformed(f"{name} is printable text of at most {MAX_TITLE} characters")
    return value.strip()


def _key(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _malformed(f"{name} is the name of a key")
    try:
        if value:
            parse_chord(value)
    except ValueError as error:
        raise _malformed(str(error)) from error
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise _malformed(f"{name} is text of at most {MAX_TEXT} characters")
    if not typable(value):
        raise _malformed(f"{name} has only characters that can be typed, Tab and line feeds")
    return value


_READERS: Final = {
    "macro_type": _kind,
    "operation_mode": _mode,
    "window_handle": _handle,
    "window_title": _title,
    "key": _key,
    "text": _text,
    "interval_ms": _milliseconds,
    "randomize_interval": _flag,
    "random_min": _milliseconds,
    "random_max": _milliseconds,
    "active": _flag,
    "trigger": _trigger,
}


def _malformed(detail: str) -> Refused:
    return Refused(RefusalCode.MALFORMED, detail)
