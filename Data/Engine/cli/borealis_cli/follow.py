"""Waiting for runs: to the end of each, with their output as it comes where people look.

One thread for each run, up to a limit, so that no silent device holds back another's output. An Engine that is
away for a while (restarting) is waited for.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

from borealis_cli.client import WAIT_SECONDS, EngineClient, segment
from borealis_cli.text import TerminalFilter, clean
from borealis_wire.events import TERMINAL_STATUSES

MAX_FOLLOWED: Final = 32
_OVER: Final = frozenset(status.value for status in TERMINAL_STATUSES)


class Printer:
    """Prints output of runs; with several, each line begins with its device's name."""

    def __init__(self, stdout: TextIO, stderr: TextIO, *, prefixed: bool) -> None:
        self._streams = {"stdout": stdout, "stderr": stderr}
        self._prefixed = prefixed
        self._lock = threading.Lock()

    def write(self, device: str, stream: str, text: str) -> None:
        """Print whole lines of a device, or any text where there is one device only."""
        if not text:
            return
        target = self._streams[stream]
        with self._lock:
            if self._prefixed:
                name = clean(device)
                text = "".join(f"{name} | {line}" for line in text.splitlines(keepends=True))
            target.write(text)
            target.flush()

    def is_terminal(self, stream: str) -> bool:
        """Whether somebody's terminal would act on what is printed."""
        return self._streams[stream].isatty()

    @property
    def prefixed(self) -> bool:
        """Whether there are several devices."""
        return self._prefixed


@dataclass
class RunOutput:
    """The output of one run on its way to the printer: what came live, and the rest from the result."""

    device: str
    printer: Printer
    _shown: dict[str, list[str]] = field(default_factory=lambda: {"stdout": [], "stderr": []})
    _held: dict[str, str] = field(default_factory=lambda: {"stdout": "", "stderr": ""})
    _filters: dict[str, TerminalFilter] = field(
        default_factory=lambda: {"stdout": TerminalFilter(), "stderr": TerminalFilter()}
    )

    def piece(self, stream: str, data: str) -> None:
        """The next piece."""
        if stream not in self._shown:
            return
        self._shown[stream].append(data)
        text = self._filters[stream].feed(data) if self.printer.is_terminal(stream) else data
        if self.printer.prefixed:
            text = self._held[stream] + text
            whole, newline, self._held[stream] = text.rpartition("\n")
            text = whole + newline
        self.printer.write(self.device, stream, text)

    def end(self, run: dict[str, Any]) -> bool:
        """The result is there: print what did not come live. False where the live output differed from it."""
        agrees = True
        for stream, pieces in self._shown.items():
            shown, final = "".join(pieces), str(run.get(stream) or "")
            if final.startswith(shown):
                self.piece(stream, final[len(shown) :])
            elif not shown.startswith(final):  # the result is cut at 1 MiB, live output is not
                agrees = False
            rest = self._held[stream] + self._filters[stream].end()
            self._held[stream] = ""
            if self.printer.prefixed and rest and not rest.endswith("\n"):
                rest += "\n"
            self.printer.write(self.device, stream, rest)
        return agrees


def wait_for_run(client: EngineClient, run_id: str, stopped: Callable[[], bool] = lambda: False) -> dict[str, Any]:
    """The run once it is over.

    Raises:
        Refusal, Unreachable: as ``EngineClient.patient_get``.
    """
    run: dict[str, Any] = {}
    while not stopped():
        run = client.patient_get(f"/api/runs/{segment(run_id)}", wait=WAIT_SECONDS)
        if run["status"] in _OVER:
            break
    return run


def wait_for_all(client: EngineClient, run_ids: Sequence[str]) -> list[dict[str, Any]]:
    """All runs once they are over, in order; they run side by side, so waiting for one after the other is enough.

    Raises:
        Refusal, Unreachable: as ``EngineClient.patient_get``.
    """
    return [wait_for_run(client, run_id) for run_id in run_ids]


def follow_all(client: EngineClient, started: Sequence[dict[str, Any]], printer: Printer) -> list[dict[str, Any]]:
    """Print the output of runs as it comes, and give them once they are over, in the order given.

    Raises:
        Refusal, Unreachable: of the first run that cannot be followed.
    """
    results: dict[str, dict[str, Any]] = {}
    failures: list[Exception] = []
    waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    for run in started:
        waiting.put(run)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            try:
                run = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                results[run["run_id"]] = _follow(client, run, printer, stop)
            except Exception as error:  # noqa: BLE001  raised again below, in the thread that asked
                failures.append(error)
                stop.set()

    # Daemons: Ctrl-C must not wait for a long poll.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(len(started), MAX_FOLLOWED))]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)  # in steps, so that Ctrl-C is heard on every system
    finally:
        stop.set()
    if failures:
        raise failures[0]
    return [results[run["run_id"]] for run in started]


def _follow(client: EngineClient, started: dict[str, Any], printer: Printer, stop: threading.Event) -> dict[str, Any]:
    run_id = str(started["run_id"])
    output = RunOutput(str(started["hostname"]), printer)
    after = -1
    while not stop.is_set():
        page = client.patient_get(f"/api/runs/{segment(run_id)}/output", after_seq=after, wait=WAIT_SECONDS)
        for chunk in page["chunks"]:
            after = max(after, int(chunk["seq"]))
            output.piece(str(chunk["stream"]), str(chunk["data"]))
        if page["done"]:
            break
    run = wait_for_run(client, run_id, stop.is_set)
    if run and not output.end(run):
        printer.write(
            output.device, "stderr", f"(live output was incomplete; the whole: borealis activity --run {run_id})\n"
        )
    return run
