"""Types on a Windows desktop by SendInput (user32), in the child process. Typed, and not tried on Windows."""

import ctypes
import sys
import time
from collections.abc import Callable
from typing import Final

from borealis_agent.capabilities.macro.errors import CannotType, Stopped
from borealis_agent.capabilities.macro.windows import only
from borealis_agent.capabilities.screen.windows_win32 import list_windows
from borealis_wire.key_names import Chord

KEY_SECONDS: Final = 0.004
FOCUS_SECONDS: Final = 1.0
HELD_SECONDS: Final = 2.0
VIRTUAL_KEYS: Final = {
    "backspace": 0x08, "tab": 0x09, "enter": 0x0D, "shift": 0x10, "ctrl": 0x11, "alt": 0x12, "pause": 0x13,
    "caps_lock": 0x14, "escape": 0x1B, "space": 0x20, "page_up": 0x21, "page_down": 0x22, "end": 0x23, "home": 0x24,
    "left": 0x25, "up": 0x26, "right": 0x27, "down": 0x28, "print_screen": 0x2C, "insert": 0x2D, "delete": 0x2E,
    "super": 0x5B, "menu": 0x5D, "num_lock": 0x90, "scroll_lock": 0x91, "\n": 0x0D, "\t": 0x09,
    **{f"f{number}": 0x70 + number - 1 for number in range(1, 25)},
}  # fmt: skip
"""Microsoft's table of virtual-key codes."""
_EXTENDED: Final = frozenset(
    {"page_up", "page_down", "end", "home", "left", "up", "right", "down", "insert", "delete", "super", "menu"}
)
_KEYBOARD, _EXTENDED_KEY, _UP, _UNICODE = 1, 1, 2, 4
_ROOT_OWNER: Final = 2
_RESTORE: Final = 9
_LOST: Final = "The window it types into does not have the focus any more; nothing was typed into another one."

if sys.platform == "win32":
    from ctypes import wintypes

    class _Keyboard(ctypes.Structure):
        _fields_ = [
            ("wVk", wintypes.WORD),
            ("wScan", wintypes.WORD),
            ("dwFlags", wintypes.DWORD),
            ("time", wintypes.DWORD),
            ("dwExtraInfo", ctypes.c_size_t),
        ]

    class _Mouse(ctypes.Structure):
        """Never sent: an INPUT is as large as its largest member, which is this one."""

        _fields_ = [
            ("dx", wintypes.LONG),
            ("dy", wintypes.LONG),
            ("mouseData", wintypes.DWORD),
            ("dwFlags", wintypes.DWORD),
            ("time", wintypes.DWORD),
            ("dwExtraInfo", ctypes.c_size_t),
        ]

    class _Either(ctypes.Union):
        _fields_ = [("ki", _Keyboard), ("mi", _Mouse)]

    class _Input(ctypes.Structure):
        _fields_ = [("type", wintypes.DWORD), ("either", _Either)]

    class WindowsHand:
        """Fulfils ``hand.Hand``. A key's press and release are one call, which no other input comes between."""

        def __init__(self, stop: Callable[[], bool]) -> None:
            self._stop = stop
            self._user32 = ctypes.WinDLL("user32", use_last_error=True)
            self._user32.GetForegroundWindow.restype = wintypes.HWND
            self._user32.GetAncestor.restype = wintypes.HWND
            self._user32.GetAncestor.argtypes = [wintypes.HWND, wintypes.UINT]
            self._user32.VkKeyScanW.restype = ctypes.c_short
            self._user32.VkKeyScanW.argtypes = [wintypes.WCHAR]
            self._user32.GetAsyncKeyState.restype = ctypes.c_short
            self._user32.SendInput.argtypes = [wintypes.UINT, ctypes.c_void_p, ctypes.c_int]
            self._target = 0

        def aim(self, handle: int, title: str, *, take: bool) -> None:
            """Choose the window; ``take`` gives it the focus."""
            if not handle and not title:
                self._target = 0
            elif take or not self._target:
                self._target = handle or only(title, list_windows())
                self._take_focus()

        def press(self, chord: Chord) -> None:
            """Press and release one key, with its modifiers."""
            held, key = list(chord.modifiers), VIRTUAL_KEYS.get(chord.key)
            if key is None:
                found = self._user32.VkKeyScanW(chord.key) if len(chord.key.encode("utf-16-le")) == 2 else -1
                if found == -1:
                    if held:
                        raise CannotType(f"This keyboard has no key {chord.key}.")
                    self.type(chord.key)
                    return
                key = found & 0xFF
                held += [name for bit, name in ((1, "shift"), (2, "ctrl"), (4, "alt")) if found >> 8 & bit]
            flags = _EXTENDED_KEY if chord.key in _EXTENDED else 0
            codes = [(VIRTUAL_KEYS[name], 0) for name in dict.fromkeys(held)] + [(key, flags)]
            downs = [self._key(code, 0, flag) for code, flag in codes]
            ups = [self._key(code, 0, flag | _UP) for code, flag in reversed(codes)]
            self._send(self._pinned(), [*downs, *ups])

        def type(self, text: str) -> None:
            """Type a text: characters as themselves, whatever the layout."""
            pinned = self._pinned()
            for char in text:
                if char in VIRTUAL_KEYS:
                    key = VIRTUAL_KEYS[char]
                    self._send(pinned, [self._key(key, 0, 0), self._key(key, 0, _UP)])
                else:
                    data = char.encode("utf-16-le")
                    units = [int.from_bytes(data[at : at + 2], "little") for at in range(0, len(data), 2)]
                    self._send(pinned, [self._key(0, unit, _UNICODE | up) for up in (0, _UP) for unit in units])
                time.sleep(KEY_SECONDS)

        def close(self) -> None:
            """Nothing was changed."""

        def _take_focus(self) -> None:
            if not self._user32.IsWindow(self._target):
                raise CannotType("The window is not there any more.")
            if self._user32.IsIconic(self._target):
                self._user32.ShowWindow(self._target, _RESTORE)
            self._user32.SetForegroundWindow(self._target)
            until = time.monotonic() + FOCUS_SECONDS
            while self._front() != self._target:
                if self._stop():
                    raise Stopped
                if time.monotonic() > until:
                    raise CannotType("Windows does not let the window come to the front.")
                time.sleep(0.02)

        def _front(self) -> int:
            front = self._user32.GetForegroundWindow() or 0
            if front and front != self._target:
                front = self._user32.GetAncestor(front, _ROOT_OWNER) or front  # a dialogue of the window counts as it
            return int(front)

        def _pinned(self) -> int:
            pinned = self._target or self._front()
            if not pinned:
                raise CannotType("No window has the focus: nobody is at the desktop, or the screen is locked.")
            return pinned

        def _key(self, key: int, scan: int, flags: int) -> _Input:
            return _Input(_KEYBOARD, _Either(ki=_Keyboard(key, scan, flags, 0, 0)))

        def _send(self, window: int, inputs: list[_Input]) -> None:
            if self._stop():
                raise Stopped
            until = time.monotonic() + HELD_SECONDS
            while any(self._user32.GetAsyncKeyState(key) < 0 for key in (0x10, 0x11, 0x12, 0x5B, 0x5C)):
                if time.monotonic() > until:
                    raise CannotType("Somebody holds Ctrl, Alt, Shift or the like down.")
                time.sleep(0.02)
            if self._front() != window:
                raise CannotType(_LOST)
            batch = (_Input * len(inputs))(*inputs)
            if self._user32.SendInput(len(inputs), batch, ctypes.sizeof(_Input)) != len(inputs):
                raise CannotType("Windows takes no keys: the window belongs to a program with more rights.")
