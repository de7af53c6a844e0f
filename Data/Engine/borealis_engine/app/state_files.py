"""What the Engine leaves on disk for its owner while it runs: where it listens, and the one-time set-up link."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any, Final

from borealis_base.files import write_atomic
from borealis_engine import VERSION
from borealis_engine.core.paths import EnginePaths
from borealis_engine.core.settings import EngineSettings

STATE_FILE: Final = "engine.json"
LOCK_FILE: Final = "engine.lock"
SETUP_FILE: Final = "setup.link"


def lock_path(paths: EnginePaths) -> Path:
    """Held by the Engine that runs on this root."""
    return paths.root / "Data" / LOCK_FILE


def write_state(settings: EngineSettings, *, ca_pin: str, started_at: float) -> None:
    """Tell other programs of this machine where the Engine is. Holds no secret.

    Raises:
        OSError: cannot be written.
    """
    state = {
        "pid": os.getpid(),
        "port": settings.port,
        "url": settings.url,
        "ca_pin": ca_pin,
        "version": VERSION,
        "started_at": started_at,
    }
    write_atomic(_state_path(settings.paths), json.dumps(state, indent=1).encode(), mode=0o644)


def read_state(paths: EnginePaths) -> dict[str, Any]:
    """What another Engine on this root wrote; empty if it cannot be read."""
    try:
        state = json.loads(_state_path(paths).read_bytes())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def remove_state(paths: EnginePaths) -> None:
    """The Engine has ended."""
    with contextlib.suppress(OSError):
        _state_path(paths).unlink()


def write_setup_link(paths: EnginePaths, link: str | None) -> Path:
    """Keep the one-time link for the owner (0600), or remove one that is of no use any more.

    Raises:
        OSError: cannot be written.
    """
    path = paths.secrets / SETUP_FILE
    if link is None:
        path.unlink(missing_ok=True)
    else:
        write_atomic(path, f"{link}\n".encode(), mode=0o600)
    return path


def _state_path(paths: EnginePaths) -> Path:
    return paths.root / "Data" / STATE_FILE
