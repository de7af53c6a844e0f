"""Orders about macros for the wire's test vectors: what they mean, what comes of changes, what is refused."""

from typing import Any

from borealis_wire.key_names import parse_chord
from borealis_wire.macro import MacroStart, changed, parse_settings
from vector_material import RUN_ID

_KEY = {"macro_type": "keypress", "key": "F5"}
_TEXT = {"macro_type": "text", "text": "Gr\u00fc\u00dfe, 5 \u20ac\n"}


def macros() -> dict[str, Any]:
    """``macros.json``."""
    least, most = parse_settings(_TEXT), parse_settings(_FULL)
    return {
        "settings": [
            {
                "given": given,
                "settings": parse_settings(given).to_json(),
                "script": MacroStart(parse_settings(given)).to_script().decode(),
            }
            for given in (_TEXT, _KEY, _FULL)
        ],
        "changes": [
            {"before": before.to_json(), "changes": changes, "after": changed(before, changes).to_json()}
            for before, changes in (
                (least, {"trigger": 1}),
                (most, {"window_handle": 77}),
                (
                    parse_settings({**_KEY, "window_handle": 77}),
                    {"window_title": "Mail", "operation_mode": "Continuous"},
                ),
            )
        ],
        "keys": [
            {"key": text, "pressed": parse_chord(text).key, "held": list(parse_chord(text).modifiers)}
            for text in ("a", "A", "+", " ", "Return", "Page Up", "F24", "Ctrl+A", "Ctrl++", "shift+CTRL+Tab")
        ],
        "refused": [
            {"why": why, "script": script}
            for why, script in (
                ("no JSON", "start"),
                ("no object", '["start"]'),
                ("an action that is not known", '{"action":"stop","run_id":"r"}'),
                ("a member that is not known", f'{{"action":"start","settings":{_KEY_TEXT},"at":1}}'),
                ("a setting that is not known", '{"action":"start","settings":{"macro_type":"text","text":"a","x":1}}'),
                ("a name twice", '{"action":"start","action":"start","settings":{"macro_type":"text","text":"a"}}'),
                ("no macro_type", '{"action":"start","settings":{"text":"a"}}'),
                ("a text without text", '{"action":"start","settings":{"macro_type":"text"}}'),
                ("a key that there is not", '{"action":"start","settings":{"macro_type":"keypress","key":"F25"}}'),
                ("a control character", '{"action":"start","settings":{"macro_type":"text","text":"\\u0007"}}'),
                ("an interval too short", f'{{"action":"start","settings":{_KEY_TEXT[:-1]},"interval_ms":49}}}}'),
                ("a number for a truth", f'{{"action":"start","settings":{_KEY_TEXT[:-1]},"active":1}}}}'),
                ("bounds the wrong way", f'{{"action":"start","settings":{_KEY_TEXT[:-1]},"random_min":951}}}}'),
                ("nothing changed", f'{{"action":"change","run_id":"{RUN_ID}","changes":{{}}}}'),
                ("no run", '{"action":"change","run_id":"","changes":{"trigger":1}}'),
            )
        ],
    }


_KEY_TEXT = '{"key":"F5","macro_type":"keypress"}'
_FULL = {
    "macro_type": "keypress",
    "operation_mode": "Trigger-Continuous",
    "window_title": "Dashboard",
    "key": "Ctrl+Shift+Tab",
    "interval_ms": 50,
    "randomize_interval": True,
    "random_min": 60,
    "random_max": 86_400_000,
    "active": False,
    "trigger": 1,
}
