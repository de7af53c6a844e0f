"""A real RDP server that asks for the account before it shows anything (NLA): FreeRDP's own, over a screen."""

import subprocess
from pathlib import Path
from typing import Final, Self

from tests.programs.programs import free_port, wait_for
from tests.programs.xrdp import listens

USER: Final = "nora"
PASSWORD: Final = "a long sentence"
COLOUR: Final = (0x20, 0x40, 0x20)


class NlaServer:
    """A context, at whose end nothing of it is left. Any account of the machine will do: it knows ``nora`` alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._programs: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        command = ["winpr-hash", "-u", USER, "-p", PASSWORD, "-f", "sam"]
        sam = self.folder / "sam"
        sam.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
        try:
            self._start(sam)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for program in reversed(self._programs):
            program.terminate()
            try:
                program.wait(10)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()
            if program.stdout is not None:
                program.stdout.close()

    def _start(self, sam: Path) -> None:
        display = self._begin(
            ["Xvfb", "-displayfd", "1", "-screen", "0", "800x600x24", "-nolisten", "tcp"], "", pipe=True
        )
        assert display.stdout is not None
        number = display.stdout.readline().decode().strip()
        colour = "#" + bytes(COLOUR).hex()
        self._begin(["xterm", "-geometry", "140x50+0+0", "-bg", colour, "-fg", "white", "-e", "cat"], number)
        bind = [f"/port:{self.port}", "/bind-address:127.0.0.1", "/sec:nla", f"/sam-file:{sam}"]
        self._begin(["freerdp-shadow-cli", *bind], number)
        wait_for("the server", lambda: listens(self.port) or None)

    def _begin(self, words: list[str], display: str, *, pipe: bool = False) -> "subprocess.Popen[bytes]":
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "DISPLAY": f":{display}"}
        with (self.folder / f"{words[0]}.log").open("ab") as log:
            program = subprocess.Popen(
                words,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipe else log,
                stderr=log,
                cwd=self.folder,
            )
        self._programs.append(program)
        return program
