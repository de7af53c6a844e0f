"""HKEY_LOCAL_MACHINE by ``winreg``. Imported on Windows alone."""

import contextlib
import sys
from collections.abc import Mapping

if sys.platform == "win32":  # so that the other platform's type check passes over it
    import winreg

    _READ = winreg.KEY_READ | winreg.KEY_WOW64_64KEY
    _WRITE = winreg.KEY_SET_VALUE | winreg.KEY_WOW64_64KEY

    class LocalMachine:
        """Implements ``windows.Registry``."""

        def get(self, path: str, name: str) -> int | str | None:
            """A value; None where there is none or it may not be read."""
            try:
                with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path, 0, _READ) as key:
                    value = winreg.QueryValueEx(key, name)[0]
            except OSError:
                return None
            return value if isinstance(value, int | str) else None

        def values(self, path: str) -> Mapping[str, int | str]:
            """All values of a key; empty where there is none."""
            found: dict[str, int | str] = {}
            with contextlib.suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path, 0, _READ) as key:
                for number in range(winreg.QueryInfoKey(key)[1]):
                    name, value, _ = winreg.EnumValue(key, number)
                    if isinstance(value, int | str):
                        found[name] = value
            return found

        def set_number(self, path: str, name: str, value: int) -> None:
            """Write a DWORD. Raises ``OSError``."""
            with winreg.CreateKeyEx(winreg.HKEY_LOCAL_MACHINE, path, 0, _WRITE) as key:
                winreg.SetValueEx(key, name, 0, winreg.REG_DWORD, value)

        def delete(self, path: str, name: str) -> None:
            """Delete a value. Raises ``OSError``."""
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path, 0, _WRITE) as key:
                winreg.DeleteValue(key, name)
