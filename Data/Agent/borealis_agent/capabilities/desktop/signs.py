"""The two windows that the user of a screen sees: the question, and the sign that somebody watches. By python-xlib.

Each runs in a process of its own, as that user. They answer to no window manager: nothing covers them for long, nothing
moves them, and a key that was meant for something else answers nothing.
"""

import abc
import contextlib
import select
import time
import unicodedata
from dataclasses import dataclass
from typing import Any, Final

BLACK: Final = 0x101418
LIGHT: Final = 0xF2F4F6
AMBER: Final = 0xE8A317
GREEN: Final = 0x2E7D32
RED: Final = 0xB3261E
ASKS: Final = "Borealis: a request"
WATCHES: Final = "Borealis: somebody watches"
_FONTS: Final = (
    "-misc-fixed-medium-r-normal--20-200-75-75-c-100-iso8859-1",
    "9x15",
    "fixed",
)
SETTLE_SECONDS: Final = 0.7
"""A click so soon after the question appeared was meant for what was there before."""
RAISE_SECONDS: Final = 0.2
"""Two windows that both want to be above all must not fight for all of a processor."""
TICK_SECONDS: Final = 1.0
MAX_NAME: Final = 40


def plain(text: str, most: int = MAX_NAME) -> str:
    """A name in what every X server's own fonts have; nothing that could pass for more than a name."""
    flat = unicodedata.normalize("NFKD", text)
    shown = "".join(char if char.isprintable() else "?" for char in flat if not unicodedata.combining(char))
    shown = shown.encode("latin-1", "replace").decode("latin-1")
    return shown if len(shown) <= most else shown[: most - 3] + "..."


@dataclass(frozen=True, slots=True)
class Button:
    """A place to click, within its window."""

    word: str
    colour: int
    x: int
    y: int
    width: int
    height: int

    def has(self, x: int, y: int) -> bool:
        """Whether a point is in it."""
        return self.x <= x < self.x + self.width and self.y <= y < self.y + self.height


class _Window(abc.ABC):
    """A window above all others that stays where it is. Closed with the process."""

    def __init__(self, title: str, ground: int) -> None:
        from Xlib import display, error

        self._error: type[Exception] = error.XError
        self.screen = display.Display()
        self.root = self.screen.screen().root
        self.font = next(font for name in _FONTS if (font := self._font(name)) is not None)
        extents = self.font.query()
        self.line = extents.font_ascent + extents.font_descent
        self.ascent = extents.font_ascent
        self.letter = max(extents.max_bounds.character_width, 6)
        self._title, self._ground = title, ground
        self._raised = 0.0
        self.window: Any = None
        self.pen: Any = None
        self._place = (0, 0, 0, 0)

    def _font(self, name: str) -> Any:
        if name != "fixed" and not self.screen.list_fonts(name, 1):
            return None
        return self.screen.open_font(name)

    def size_of_screen(self) -> tuple[int, int]:
        """Of the whole screen, as it is now."""
        size = self.root.get_geometry()
        return int(size.width), int(size.height)

    def free_place(self, top: int, step: int) -> int:
        """The upper edge of the first place that no other window of this kind has: they would cover each other."""
        taken = set()
        for window in self.root.query_tree().children:
            with contextlib.suppress(self._error):
                if window.get_wm_name() == self._title:
                    taken.add(int(window.get_geometry().y))
        while top in taken:
            top += step
        return top

    def show(self, x: int, y: int, width: int, height: int) -> None:
        """Put it there."""
        from Xlib import X

        self._place = (x, y, width, height)
        self.window = self.root.create_window(
            *self._place,
            0,
            X.CopyFromParent,
            background_pixel=self._ground,
            override_redirect=True,
            event_mask=X.ExposureMask | X.ButtonPressMask | X.VisibilityChangeMask | X.StructureNotifyMask,
        )
        self.window.set_wm_name(self._title)
        self.window.set_wm_class("borealis", "Borealis")
        self.pen = self.window.create_gc(font=self.font)
        self.window.map()
        self.screen.sync()

    def stay(self, x: int, y: int, width: int, height: int) -> None:
        """Be there, above everything, whatever others did to it."""
        self._place = (x, y, width, height)
        self._keep()

    def _keep(self) -> None:
        from Xlib import X

        self._raised = time.monotonic()
        x, y, width, height = self._place
        self.window.configure(x=x, y=y, width=width, height=height, stack_mode=X.Above)
        self.window.map()
        self.screen.flush()

    def happenings(self, seconds: float) -> list[tuple[int, int]]:
        """Wait; gives where it was clicked. What hides it or moves it is undone."""
        from Xlib import X

        if not self.screen.pending_events():
            select.select([self.screen], [], [], seconds)
        clicks, disturbed = list[tuple[int, int]](), False
        while self.screen.pending_events():
            event = self.screen.next_event()
            if event.type == X.ButtonPress and event.detail == 1:
                clicks.append((event.event_x, event.event_y))
            elif event.type == X.DestroyNotify:
                raise _Gone
            elif event.type == X.ConfigureNotify:
                disturbed = disturbed or (event.x, event.y, event.width, event.height) != self._place
            elif event.type == X.UnmapNotify:
                disturbed = True
            elif event.type == X.VisibilityNotify:
                disturbed = disturbed or event.state != X.VisibilityUnobscured
            elif event.type == X.Expose:
                self.draw()
        if disturbed:
            time.sleep(max(self._raised + RAISE_SECONDS - time.monotonic(), 0.0))
            self._keep()
        return clicks

    @abc.abstractmethod
    def draw(self) -> None:
        """Paint all of it."""

    def write(self, x: int, y: int, text: str, colour: int, ground: int) -> None:
        """A line; ``y``: where its letters stand."""
        self.pen.change(foreground=colour, background=ground)
        self.window.image_text(self.pen, x, y, text.encode("latin-1", "replace"))

    def paint(self, button: Button) -> None:
        """A button with its word in the middle."""
        self.pen.change(foreground=button.colour)
        self.window.fill_rectangle(self.pen, button.x, button.y, button.width, button.height)
        left = button.x + (button.width - self.letter * len(button.word)) // 2
        base = button.y + (button.height - self.line) // 2 + self.ascent
        self.write(left, base, button.word, LIGHT, button.colour)


class _Gone(Exception):
    """The window was destroyed."""


class Question(_Window):
    """Whether an operator may see the screen."""

    def __init__(self, who: str, *, view_only: bool, seconds: float) -> None:
        super().__init__(ASKS, LIGHT)
        what = "see this screen" if view_only else "see and use this screen"
        self._line = f"Borealis: {plain(who)} wants to {what}."
        self._until = time.monotonic() + seconds
        pad, height = 20, self.line + 16
        width = max(self.letter * max(len(self._line), len(self._rest(seconds))) + 2 * pad, 420)
        tall = pad + 3 * self.line + height + pad
        self.allow = Button("Allow", GREEN, width - pad - 260, tall - pad - height, 120, height)
        self.deny = Button("Deny", RED, width - pad - 120, tall - pad - height, 120, height)
        across, down = self.size_of_screen()
        self._pad = pad
        top = self.free_place(max((down - tall) // 3, 0), tall + 10)
        self.show(max((across - width) // 2, 0), top, width, tall)

    @staticmethod
    def _rest(seconds: float) -> str:
        return f"Without an answer in {max(int(seconds + 0.999), 0)} s it is denied. "

    def draw(self) -> None:
        """The question, the time that is left, and two buttons."""
        base = self._pad + self.ascent
        self.write(self._pad, base, self._line, BLACK, LIGHT)
        left = self._until - time.monotonic()
        self.write(self._pad, base + self.line + 4, self._rest(left), BLACK, LIGHT)
        self.paint(self.allow)
        self.paint(self.deny)
        self.screen.flush()

    def answer(self) -> bool | None:
        """What the user says; None for nothing in time."""
        began = time.monotonic()
        while (left := self._until - time.monotonic()) > 0:
            for x, y in self.happenings(min(left, TICK_SECONDS)):
                if time.monotonic() - began < SETTLE_SECONDS:
                    continue
                if self.allow.has(x, y):
                    return True
                if self.deny.has(x, y):
                    return False
            self.draw()
        return None


class Sign(_Window):
    """Says who watches, for as long as somebody does."""

    def __init__(self, who: str, *, view_only: bool) -> None:
        super().__init__(WATCHES, AMBER)
        self._text = f"{plain(who)} {'sees' if view_only else 'sees and uses'} this screen"
        self._pad, self._tall = 10, self.line + 10
        wide = self.letter * len(self._text) + 3 * self._pad + self.letter * 5
        self._wide = wide
        side = self.letter * 5
        self.end = Button("End", RED, wide - self._pad // 2 - side, 3, side, self._tall - 6)
        self._top = self.free_place(0, self._tall)
        self.show(*self._where())

    def _where(self) -> tuple[int, int, int, int]:
        across, _ = self.size_of_screen()
        return max((across - self._wide) // 2, 0), self._top, self._wide, self._tall

    def draw(self) -> None:
        """The name and a button."""
        self.write(self._pad, (self._tall - self.line) // 2 + self.ascent, self._text, BLACK, AMBER)
        self.paint(self.end)
        self.screen.flush()

    def watch(self) -> None:
        """Stay until the user ends it."""
        with contextlib.suppress(_Gone):
            while not any(self.end.has(x, y) for x, y in self.happenings(TICK_SECONDS)):
                self.stay(*self._where())


def ask(who: str, *, view_only: bool, seconds: float) -> bool | None:
    """Ask the user of the display in the environment; None for no answer. Whoever destroys the window gives none."""
    question = Question(who, view_only=view_only, seconds=seconds)
    try:
        return question.answer()
    except _Gone:
        return None
