"""Types on an X11 desktop by XTEST (python-xlib), in the child process.

Before each key the server is held for a moment (XGrabServer): who has the focus is asked, and the key pressed and
released, with nobody in between. So no key reaches another window, and none stays down whatever ends this process.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from Xlib import X, display, error, protocol
from Xlib.ext import xtest

from borealis_agent.capabilities.macro.errors import CannotType, Stopped
from borealis_agent.capabilities.macro.keysyms import CAPS_LOCK, LOCKS, keysym_of
from borealis_agent.capabilities.macro.windows import only
from borealis_agent.capabilities.macro.x11_layout import Layout, neighbours
from borealis_agent.capabilities.screen.windows_x11 import list_windows, numbers_of
from borealis_wire.key_names import Chord

KEY_SECONDS: Final = 0.004
"""From one key to the next."""
NEW_KEY_SECONDS: Final = 0.05
"""From giving a spare key a character to pressing it: programs read the new mapping meanwhile."""
USED_KEY_SECONDS: Final = 0.3
"""From the last press to taking a spare key's character away: who looks it up late must still find it."""
FOCUS_SECONDS: Final = 1.0
HELD_SECONDS: Final = 2.0
"""How long somebody may hold Ctrl, Alt or the like down before typing is given up."""
MAX_DEPTH: Final = 32
MAX_WINDOW: Final = 2**29 - 1
"""An X11 resource has 29 bits."""
_STEP: Final = 0.02
_GONE: Final = "The window is not there any more."
_LOST: Final = "The window it types into does not have the focus any more; nothing was typed into another one."
_GRABBED: Final = (
    "Another program has the keyboard for itself: a menu is open, or the screen is locked. Nothing more was typed."
)
_HELD: Final = "Somebody holds Ctrl, Alt, Shift or the like down; what is typed would become something else."
_NO_KEY: Final = "This keyboard has no key {name}."

Stop = Callable[[], bool]


class XHand:
    """One connection to the X server. ``stop()`` is asked between two keys."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._screen = display.Display()
        if not self._screen.has_extension("XTEST"):
            self._screen.close()
            raise CannotType("This screen's server lacks XTEST, by which keys are pressed.")
        self._root = self._screen.screen().root
        self._ours: dict[int, int] = {}
        self._used_at = 0.0
        self._target: Any = None
        self._caps: int | None = None
        self._harmless = 0

    def aim(self, handle: int, title: str, *, take: bool) -> None:
        """Choose the window; with ``take`` it is raised and given the focus. Neither: whatever has the focus now.

        Raises:
            CannotType: there is none such, or it does not get the focus.
        """
        if not handle and not title:
            self._target = None
        elif take or self._target is None:
            if handle > MAX_WINDOW:
                raise CannotType(_GONE)
            self._target = self._screen.create_resource_object("window", handle or only(title, list_windows()))
            self._take_focus()

    def press(self, chord: Chord) -> None:
        """Press and release one key, with its modifiers.

        Raises:
            CannotType, Stopped: nothing was pressed.
        """
        layout = self._layout([keysym_of(chord.key)])
        held = [self._key(layout, name) for name in chord.modifiers]
        strokes = layout.strokes(keysym_of(chord.key)) or (self._key(layout, chord.key),)
        codes = tuple(dict.fromkeys((*held, *strokes)))  # Ctrl+Shift+? has one Shift
        self._strike(self._pinned(), codes, caps=chord.key == "caps_lock")

    def type(self, text: str) -> None:
        """Type a text, key by key.

        Raises:
            CannotType, Stopped: between two keys; what came before was typed.
        """
        pinned = self._pinned()
        while text:
            text = self._type_some(pinned, text)

    def close(self) -> None:
        """Take from spare keys what they were given, and let go of the server. Never raises."""
        try:
            if self._ours:
                time.sleep(max(0.0, self._used_at + USED_KEY_SECONDS - time.monotonic()))
                self._give_back(list(self._ours))
            self._screen.close()
        except Exception:  # noqa: BLE001, S110  # the server is gone, and all that with it
            pass

    # --- the focus

    def _take_focus(self) -> None:
        if self._is_focused(self._target):
            return
        if numbers_of(self._screen, self._root, "_NET_SUPPORTING_WM_CHECK"):
            kind = self._screen.get_atom("_NET_ACTIVE_WINDOW")
            # Source 2: an order of the user's, not a window that wants to be seen.
            wish = protocol.event.ClientMessage(
                window=self._target, client_type=kind, data=(32, [2, X.CurrentTime, 0, 0, 0])
            )
            self._root.send_event(wish, event_mask=X.SubstructureRedirectMask | X.SubstructureNotifyMask)
            if self._gets_focus():
                return
        if self._attributes(self._target).map_state != X.IsViewable:
            raise CannotType("The window is minimised or hidden, and nothing brings it to the front.")
        self._target.configure(stack_mode=X.Above)
        self._target.set_input_focus(X.RevertToParent, X.CurrentTime, onerror=error.CatchError())
        if not self._gets_focus():
            raise CannotType("The window does not take the focus.")

    def _gets_focus(self) -> bool:
        self._screen.sync()
        until = time.monotonic() + FOCUS_SECONDS
        while time.monotonic() < until:
            if self._is_focused(self._target):
                return True
            if self._stop():
                raise Stopped
            time.sleep(_STEP)
        return False

    def _is_focused(self, window: Any) -> bool:
        """Whether it, or a window inside it, has the focus."""
        inside = self._screen.get_input_focus().focus
        for _ in range(MAX_DEPTH):
            if isinstance(inside, int) or inside.id == self._root.id:
                return False
            if inside.id == window.id:
                return True
            try:
                inside = inside.query_tree().parent
            except error.BadWindow:
                return False
        return False

    def _attributes(self, window: Any) -> Any:
        try:
            return window.get_attributes()
        except (error.BadWindow, error.BadDrawable) as gone:
            raise CannotType(_GONE) from gone

    def _pinned(self) -> Any:
        """The window that all of one text goes to: the target, or what has the focus as it begins."""
        if self._target is not None:
            self._attributes(self._target)
            return self._target
        focus = self._screen.get_input_focus().focus
        if focus == X.PointerRoot:
            focus = self._root.query_pointer().child  # no window manager: keys go where the pointer is
        if isinstance(focus, int):
            raise CannotType("No window has the focus.")
        return focus

    def _has_keys(self, window: Any) -> bool:
        focus = self._screen.get_input_focus().focus
        if focus == X.PointerRoot and self._target is None:
            return bool(self._root.query_pointer().child == window)
        return self._is_focused(window)

    # --- keys

    def _type_some(self, window: Any, text: str) -> str:
        """Type as far as the spare keys go; gives what is left."""
        layout, count = self._layout([]), 0
        wanted: list[int] = []
        room = len(layout.spares(self._ours)) + len(self._ours)
        for char in text:
            keysym = keysym_of(char)
            if layout.strokes(keysym) is None and keysym not in wanted:
                if len(wanted) == room:
                    break
                wanted.append(keysym)
            count += 1
        if not count:
            raise CannotType("This keyboard lacks a character, and has no spare key to give it.")
        layout = self._layout([keysym_of(char) for char in text[:count]])
        for char in text[:count]:
            strokes = layout.strokes(keysym_of(char))
            if strokes is None:
                raise CannotType("The keyboard's layout was changed while it typed.")
            self._strike(window, strokes)
            time.sleep(KEY_SECONDS)
        return text[count:]

    def _layout(self, wanted: Sequence[int]) -> Layout:
        """The keyboard as it is now, with each of ``wanted`` somewhere on it."""
        layout = self._read()
        missing = list(dict.fromkeys(keysym for keysym in wanted if layout.strokes(keysym) is None))
        if not missing:
            return self._noted(layout)
        spares = layout.spares(self._ours)
        if len(spares) < len(missing):
            idle = [code for code, keysym in self._ours.items() if keysym not in wanted]
            time.sleep(max(0.0, self._used_at + USED_KEY_SECONDS - time.monotonic()))
            self._give_back(idle)
            spares = self._read().spares(self._ours)
        given = dict(zip(spares, missing, strict=False))
        self._ours |= given
        self._give(given)
        time.sleep(NEW_KEY_SECONDS)
        return self._noted(self._read())

    def _noted(self, layout: Layout) -> Layout:
        """Keep what each key that is pressed with this layout needs to know of it."""
        self._caps = layout.key(CAPS_LOCK)
        locks = {layout.key(keysym) for keysym in LOCKS} - {None}
        mapping = enumerate(self._screen.get_modifier_mapping())
        self._harmless = X.LockMask | sum(1 << number for number, held in mapping if locks & set(held))
        return layout

    def _read(self) -> Layout:
        while self._screen.pending_events():  # nobody else reads what the server tells of mappings
            self._screen.next_event()
        first, last = self._screen.display.info.min_keycode, self._screen.display.info.max_keycode
        rows = self._screen.get_keyboard_mapping(first, last - first + 1)
        group = self._root.query_pointer().mask >> 13 & 3
        return Layout(first, [tuple(row) for row in rows], group)

    def _give_back(self, codes: Sequence[int]) -> None:
        now, empty = self._read(), dict[int, int]()
        for code in codes:
            keysym = self._ours.pop(code)
            if set(now.rows[code - now.first]) <= {0, keysym}:  # else somebody loaded another layout
                empty[code] = 0
        self._give(empty)

    def _give(self, keysyms: dict[int, int]) -> None:
        """Give keys their keysyms; neighbours together, for every change makes all programs read the mapping again."""
        for first, last in neighbours(keysyms):
            rows = [[keysyms[code], keysyms[code]] for code in range(first, last + 1)]
            self._screen.change_keyboard_mapping(first, rows)
        self._screen.sync()

    def _key(self, layout: Layout, name: str) -> int:
        code = layout.key(keysym_of(name))
        if code is None:
            raise CannotType(_NO_KEY.format(name=name))
        return code

    def _strike(self, window: Any, codes: Sequence[int], *, caps: bool = False) -> None:
        """Press and release, if the window has the focus; waits a moment for modifiers that somebody holds."""
        until = time.monotonic() + HELD_SECONDS
        while not self._struck(window, codes, caps):
            if time.monotonic() > until:
                raise CannotType(_HELD)
            time.sleep(_STEP)
        self._used_at = time.monotonic()

    def _struck(self, window: Any, codes: Sequence[int], caps: bool) -> bool:
        if self._stop():
            raise Stopped
        self._screen.grab_server()
        try:
            if not self._has_keys(window):
                raise CannotType(_LOST)
            state = self._root.query_pointer().mask
            if state & 0xFF & ~self._harmless:
                return False
            self._must_be_free(window)
            sequence = [*((X.KeyPress, code) for code in codes), *((X.KeyRelease, code) for code in reversed(codes))]
            if state & X.LockMask and not caps:
                if self._caps is None:
                    raise CannotType("Caps Lock is on, and no key turns it off.")
                off = [(X.KeyPress, self._caps), (X.KeyRelease, self._caps)]
                sequence = [*off, *sequence, *off]
            for kind, code in sequence:
                xtest.fake_input(self._screen, kind, code)
        finally:
            self._screen.ungrab_server()
            self._screen.sync()
        return True

    def _must_be_free(self, window: Any) -> None:
        # A grab of the window that has the focus tells nobody anything, and fails where somebody else has one.
        grabbed = self._screen.get_input_focus().focus
        grabbed = window if isinstance(grabbed, int) else grabbed
        if grabbed.grab_keyboard(False, X.GrabModeAsync, X.GrabModeAsync, X.CurrentTime) != X.GrabSuccess:
            raise CannotType(_GRABBED)
        self._screen.ungrab_keyboard(X.CurrentTime)
