"""A program with one real X11 window that says what is typed into it, for tests of macros.

    python typed.py TITLE

Prints ``shown`` once it is on the screen; then one JSON object a line: ``{"key": keysym, "state": modifiers, "time":
ms}`` for each key that goes down, ``{"up": keycode}`` for each that is let go. Lines on standard input: ``focus`` takes
the focus, ``grab`` and ``free`` the keyboard, ``close`` closes the window; each is answered with ``{"done": line}``.
"""

import json
import selectors
import sys
from typing import Any

from Xlib import X, display

LEVEL3 = X.Mod5Mask


def main(title: str) -> int:
    screen = display.Display()
    root = screen.screen()
    window = root.root.create_window(
        40, 30, 320, 200, 0, root.root_depth, event_mask=X.KeyPressMask | X.KeyReleaseMask | X.StructureNotifyMask
    )
    window.set_wm_name(title)
    window.set_wm_class("typed", "BorealisTest")
    window.map()
    while screen.next_event().type != X.MapNotify:
        pass
    say("shown")
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    selector.register(screen, selectors.EVENT_READ)
    while True:
        while screen.pending_events():
            heard(screen, screen.next_event())
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                line = sys.stdin.readline().strip()
                if not line:
                    return 0
                obey(screen, window, line)


def heard(screen: Any, event: Any) -> None:
    """As a toolkit does: the character is looked up in the mapping that the program knows."""
    if event.type == X.MappingNotify:
        screen.refresh_keyboard_mapping(event)
    elif event.type == X.KeyPress:
        column = (1 if event.state & X.ShiftMask else 0) + (4 if event.state & LEVEL3 else 0)
        keysym = screen.keycode_to_keysym(event.detail, column)
        if event.state & X.LockMask and 0x61 <= keysym <= 0x7A:
            keysym -= 0x20
        say(json.dumps({"key": keysym, "state": event.state & 0xFF, "time": event.time}))
    elif event.type == X.KeyRelease:
        say(json.dumps({"up": event.detail}))


def obey(screen: Any, window: Any, line: str) -> None:
    match line:
        case "focus":
            window.configure(stack_mode=X.Above)
            window.set_input_focus(X.RevertToParent, X.CurrentTime)
        case "grab":
            window.grab_keyboard(True, X.GrabModeAsync, X.GrabModeAsync, X.CurrentTime)
        case "free":
            screen.ungrab_keyboard(X.CurrentTime)
        case "close":
            window.destroy()
    screen.sync()
    say(json.dumps({"done": line}))


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
