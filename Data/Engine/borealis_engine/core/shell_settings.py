"""Settings of remote shells and of what is kept of them; read with the others at start."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from borealis_engine.core.errors import Fatal

_OFF: Final = frozenset({"0", "off", "no", "false"})
_ON: Final = frozenset({"", "1", "on", "yes", "true"})


@dataclass(frozen=True, slots=True)
class ShellSettings:
    """``recorded``: what shells print is kept, ``recording_days`` days long, ``recording_mib`` MiB of each at most."""

    recorded: bool = True
    recording_days: int = 30
    recording_mib: int = 64

    def in_force(self) -> dict[str, str]:
        """What was set or assumed, by the name that sets it."""
        return {
            "BOREALIS_SHELL_RECORDING": "on" if self.recorded else "off",
            "BOREALIS_SHELL_RECORDING_DAYS": str(self.recording_days),
            "BOREALIS_SHELL_RECORDING_MIB": str(self.recording_mib),
        }


def load_shell_settings(environ: Mapping[str, str]) -> ShellSettings:
    """Read them. Raises ``Fatal``: a value that cannot be used, named in the sentence."""
    recording = environ.get("BOREALIS_SHELL_RECORDING", "").strip().lower()
    if recording not in _ON | _OFF:
        raise Fatal("bad_setting", "BOREALIS_SHELL_RECORDING is on or off.")
    return ShellSettings(
        recorded=recording not in _OFF,
        recording_days=_whole(environ, "BOREALIS_SHELL_RECORDING_DAYS", 30, 1, 36500),
        recording_mib=_whole(environ, "BOREALIS_SHELL_RECORDING_MIB", 64, 1, 4096),
    )


def _whole(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise Fatal("bad_setting", f"{name} is a whole number from {low} to {high}, not {text!r}.")
    return int(text)
