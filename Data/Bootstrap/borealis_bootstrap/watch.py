"""Stay in the foreground, tell what happens, and stop everything at Ctrl-C; and ``down``.

Owns what signals do to the bootstrap. May be called by app.
"""

import signal
import time
from collections.abc import Callable, Sequence
from types import FrameType

from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.layout import Layout
from borealis_bootstrap.prepare import at_work
from borealis_bootstrap.progress import Progress
from borealis_bootstrap.supervision import ProgramState, Supervision, last_words


def end_like_ctrl_c() -> None:
    """Let SIGTERM and a closed terminal do what Ctrl-C does, also where a shell started us with Ctrl-C ignored."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in _signals():
        # nohup says with an ignored SIGHUP that we shall outlive the terminal
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)


def ignore_further() -> None:
    """No second Ctrl-C while we stop: that would leave half of it running."""
    for number in _signals():
        signal.signal(number, signal.SIG_IGN)


def _signals() -> list[signal.Signals]:
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def stay(
    supervisions: Sequence[Supervision], progress: Progress, *, sleep: Callable[[float], None] = time.sleep
) -> int:
    """Watch until Ctrl-C, then stop all of it; gives the exit status."""
    progress.say("  Ctrl-C stops all of it.")
    seen = {supervision.runtime.name: supervision.state() for supervision in supervisions}
    try:
        while True:
            sleep(0.5)
            for supervision in supervisions:
                name = supervision.runtime.name
                now = supervision.state()
                for line in news(name, seen[name], now, last_words(supervision.runtime)):
                    progress.say(f"  {line}")
                seen[name] = now
            if all(state.state == "stopped" for state in seen.values()):
                progress.say("  Stopped by somebody else.")
                return 0
    except KeyboardInterrupt:
        ignore_further()
        progress.say()
        stop_all(supervisions, progress)
        return 0


def news(name: str, before: ProgramState, now: ProgramState, words: str) -> list[str]:
    """What changed for a person between two looks."""
    lines = []
    if len(now.exits) > len(before.exits):
        ended = now.exits[-1]
        lines.append(f"{name} ended with status {ended.status} after {ended.seconds} s.")
    if now.state == "attention" and before.state != "attention":
        lines.append(f"{name} needs you: {words}")
    if now.state == "running" and before.pid != now.pid:
        lines.append(f"{name} runs again (pid {now.pid}).")
    return lines


def stop_all(supervisions: Sequence[Supervision], progress: Progress) -> None:
    """Stop programs in the given order, the agent first: its last results still reach the Engine.

    Raises:
        CannotGoOn: they belong to somebody else.
    """
    for supervision in supervisions:
        name = supervision.runtime.name
        if not supervision.state().is_up:
            continue
        with progress.step(f"Stop {name}") as notes:
            if not supervision.stop():
                notes.append("had to be killed; what it had accepted is on disk")


def down(layout: Layout, progress: Progress) -> int:
    """Stop what this installation started, and wait for it.

    Raises:
        CannotGoOn: it belongs to somebody else, or runs as a service.
        OSError: the files cannot be read.
    """
    supervisions = [Supervision(layout.agent), Supervision(layout.engine)]
    if not any(supervision.state().is_up for supervision in supervisions):
        progress.say(f"Nothing of Borealis runs in {layout.root}.")
        return 0
    with at_work(layout, "down"):
        stop_all(supervisions, progress)
    if any(supervision.state().is_up for supervision in supervisions):
        raise CannotGoOn("Not everything stopped; see ./Borealis.sh status.")
    return 0
