"""The settings file ``agent_settings_<SCOPE>.json``: what roles keep, and what may change while the agent runs.

Implements ``role_api.ConfigPort`` in upstream's form: ``data``, ``_write()``, ``watch()``.
"""

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from borealis_base.clock import Clock
from borealis_base.files import move_aside, write_atomic

MAX_CONFIG_BYTES: Final = 1024 * 1024
DEFAULTS: Final[dict[str, Any]] = {"config_file_watcher_interval": 2, "agent_id": "", "regions": {}}
_MOST: Final = 86_400.0

log = logging.getLogger(__name__)


class AgentConfig:
    """One settings file. A torn one is moved aside and the defaults are used; nothing else is lost by that."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._seen: tuple[int, int, int] | None = None
        self._data: dict[str, Any] = dict(DEFAULTS)
        self.watch()

    @property
    def data(self) -> dict[str, Any]:
        """The settings; change them, then call ``_write()``."""
        return self._data

    @property
    def interval(self) -> float:
        """How often to call :meth:`watch`, in seconds; at least one."""
        return number_setting(self._data, "config_file_watcher_interval", otherwise=2.0, least=1.0)

    def _write(self) -> None:
        """Store the settings.

        Raises:
            OSError: the old file is then untouched.
        """
        write_atomic(self.path, json.dumps(self._data, indent=2, ensure_ascii=False).encode("utf-8"))
        self._seen = self._stamp()

    def watch(self) -> bool:
        """Reload if the file changed; true if it did."""
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        self._seen = stamp
        if stamp is None:
            return False
        loaded = read_object(self.path, clock=self._clock)
        if loaded is None:
            self._seen = self._stamp()
            return False
        self._data = {**DEFAULTS, **loaded}
        return True

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def number_setting(data: Mapping[str, Any], name: str, *, otherwise: float, least: float, most: float = _MOST) -> float:
    """A number of the settings, from ``least`` to ``most``, a day of seconds; ``otherwise`` where there is none.

    People write these files: a number beyond the bounds counts as the bound, and what is no number as nothing.
    """
    value = data.get(name)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or (isinstance(value, float) and math.isnan(value))
    ):
        return otherwise
    return float(max(least, min(value, most)))


def read_object(path: Path, *, clock: Clock) -> dict[str, Any] | None:
    """A JSON object from a file; None where it is missing, or torn and now moved aside."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_CONFIG_BYTES + 1)
        value = json.loads(text.decode("utf-8-sig")) if len(text) <= MAX_CONFIG_BYTES else None
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        value = None
    except OSError as error:
        log.warning("%s cannot be read: %s", path, error)
        return None
    if isinstance(value, dict):
        return value
    try:
        log.warning("%s is torn; moved to %s, going on without it", path, move_aside(path, clock.now()).name)
    except OSError as error:
        log.warning("%s is torn and cannot be moved aside: %s", path, error)
    return None
