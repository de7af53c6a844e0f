"""The real agent in a Windows Python under wine, beside a real Engine on this machine: both have one loopback."""

import subprocess
import threading
from typing import Self

from tests.programs.programs import DATA, AgentProgram
from tests.programs.windows_python import Windows, windows_path

ROOT = "Borealis Root"
"""With a space in it, as ``C:\\Program Files`` has."""


class WindowsAgent(AgentProgram):
    """A real agent in ``C:\\Borealis Root`` of a Windows of its own."""

    def __init__(self, windows: Windows, *arguments: str) -> None:
        super().__init__(windows.prefix / "drive_c" / ROOT, *arguments)
        self.windows = windows
        self.environment = {**windows.environment, "BOREALIS_ROOT": f"C:\\{ROOT}"}
        entry = windows_path(DATA / "Agent" / "agent.py")
        self.command = windows.python_command("-OO", entry, "--system-service", *arguments)
        self._reader: threading.Thread | None = None

    def start(self) -> Self:
        """Start, or start again; its output comes by a pipe, for the reason that ``Windows.run`` gives."""
        self.output.parent.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            self.command,
            env=self.environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()
        return self

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout, self.output.open("ab") as file:
            for line in process.stdout:
                file.write(line)
                file.flush()

    def end(self) -> None:
        """As Windows ends a task: at once."""
        self.kill()
        if self._reader is not None:
            self._reader.join(10)
