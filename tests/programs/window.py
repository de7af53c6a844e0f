"""A program with one real X11 window, for tests that look at a screen: a title, and a colour that changes on demand.

    python window.py TITLE COLOUR [FRAMES_A_SECOND [WIDTH HEIGHT]]

Prints ``shown`` once it is on the screen. Each line on standard input is a new colour (six hex digits). With frames a
second it paints coloured boxes all over itself, others each time.
"""

import random
import selectors
import sys

from Xlib import X, display

BOXES = 120


def main(title: str, colour: str, rate: float, width: int, height: int) -> int:
    screen = display.Display()
    root = screen.screen()
    window = root.root.create_window(
        40 if width < 1000 else 0,
        30 if width < 1000 else 0,
        width,
        height,
        0,
        root.root_depth,
        background_pixel=int(colour, 16),
        event_mask=X.ExposureMask,
    )
    pen = window.create_gc()
    window.set_wm_name(title)
    window.set_wm_class("window", "BorealisTest")
    window.map()
    screen.sync()
    print("shown", flush=True)
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    chance = random.Random(7)
    while True:
        if selector.select(1 / rate if rate else None):
            line = sys.stdin.readline()
            if not line:
                return 0
            window.change_attributes(background_pixel=int(line.strip(), 16))
            window.clear_area(0, 0, 0, 0)
        else:
            for _ in range(BOXES):
                pen.change(foreground=chance.getrandbits(24))
                window.fill_rectangle(pen, chance.randrange(width), chance.randrange(height), 90, 60)
        screen.sync()


if __name__ == "__main__":
    given = [*sys.argv[1:], *("0", "320", "200")[max(len(sys.argv) - 3, 0) :]]
    sys.exit(main(given[0], given[1], float(given[2]), int(given[3]), int(given[4])))
