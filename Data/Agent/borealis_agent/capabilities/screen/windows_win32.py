"""The windows of a Windows desktop, by user32. Runs in the child process. Typed, and not tried on Windows."""

import ctypes
import sys
from typing import Any, Final

MAX_WINDOWS: Final = 256
MAX_TITLE: Final = 200

if sys.platform == "win32":
    from ctypes import wintypes

    def list_windows() -> list[dict[str, Any]]:
        """Top-level windows that are shown and have a title, the uppermost first; members as in ``windows_x11``."""
        user32 = ctypes.windll.user32
        active = user32.GetForegroundWindow()
        found: list[dict[str, Any]] = []

        def take(handle: int, _extra: int) -> bool:
            length = user32.GetWindowTextLengthW(handle)
            if length and user32.IsWindowVisible(handle) and len(found) < MAX_WINDOWS:
                title = ctypes.create_unicode_buffer(length + 1)
                user32.GetWindowTextW(handle, title, length + 1)
                area = wintypes.RECT()
                user32.GetWindowRect(handle, ctypes.byref(area))
                found.append(
                    {
                        "id": int(handle),
                        "title": title.value[:MAX_TITLE],
                        "program": "",
                        "x": area.left,
                        "y": area.top,
                        "width": area.right - area.left,
                        "height": area.bottom - area.top,
                        "active": handle == active,
                    }
                )
            return True

        kind = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.HWND, wintypes.LPARAM)
        user32.EnumWindows(kind(take), 0)
        return found

else:

    def list_windows() -> list[dict[str, Any]]:
        """There are none here."""
        return []
