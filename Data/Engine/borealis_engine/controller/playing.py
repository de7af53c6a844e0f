"""One play as a child process: told by a pipe, heard by pipes, ended as a whole."""

import asyncio
import codecs
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from borealis_base.clock import Clock
from borealis_playbooks.launch import MAX_RECAP_BYTES
from borealis_wire.limits import MAX_OUTPUT_CHUNK_BYTES, MAX_RESULT_STREAM_BYTES

READ_BYTES: Final = MAX_OUTPUT_CHUNK_BYTES // 2
"""Even where each byte is no UTF-8 and becomes a replacement, a piece fits a message."""
COALESCE_SECONDS: Final = 0.05
MARKER: Final = "\n[Borealis keeps no more of this output.]\n"
_PASSED_ON: Final = ("PATH", "HOME", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "TMPDIR")
_FLAGS: Final = ("-P", "-s", "-u", "-X", "utf8")
_CODE: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from borealis_playbooks.elsewhere import main; sys.exit(main())"
)

Heard = Callable[[str, str], Awaitable[None]]
"""Takes a stream's name and a piece of text."""


@dataclass(slots=True)
class Played:
    """What is left of a play. ``exit_code`` None: it was ended."""

    exit_code: int | None = None
    output: dict[str, str] = field(default_factory=lambda: {"stdout": "", "stderr": ""})
    recap: dict[str, Any] = field(default_factory=dict)


class Play:
    """Runs one. :meth:`end` may be called at any time."""

    def __init__(self, *, clock: Clock, code_root: Path) -> None:
        self._clock = clock
        self._code_root = code_root
        self._process: asyncio.subprocess.Process | None = None
        self._ended = False

    def end(self) -> None:
        """End it, and with it all that it started. Never waits."""
        self._ended = True
        if self._process is not None and self._process.returncode is None:
            # The first process takes the namespace's first along, and the system all others with that.
            self._process.kill()

    async def run(self, request: Mapping[str, Any], heard: Heard) -> Played:
        """Play to the end. ``request`` holds secrets: it goes through a pipe and is in no file, argument or variable.

        Raises:
            OSError: no process could be started.
        """
        played = Played()
        recap = os.memfd_create("recap")
        try:
            if self._ended:
                return played
            command = [sys.executable, *_FLAGS, "-c", _CODE, str(self._code_root)]
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(recap,),
                env=_environment(os.environ),
                start_new_session=True,
            )
            try:
                if self._ended:
                    self.end()
                await self._converse(self._process, {**request, "recap_fd": recap}, played, heard)
            finally:
                self.end_now()
                code = await self._process.wait()
            played.exit_code = code if code >= 0 else None
            played.recap = _read_recap(recap)
            return played
        finally:
            os.close(recap)

    def end_now(self) -> None:
        """End what may still run of it."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _converse(
        self, process: asyncio.subprocess.Process, request: Mapping[str, Any], played: Played, heard: Heard
    ) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            process.stdin.write(json.dumps(request).encode())
            await process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            pass  # it ended already; how is told below
        process.stdin.close()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen("stdout", process.stdout, played, heard))
            group.create_task(self._listen("stderr", process.stderr, played, heard))
        await process.wait()

    async def _listen(self, stream: str, reader: asyncio.StreamReader, played: Played, heard: Heard) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        parts: list[str] = []
        room = MAX_RESULT_STREAM_BYTES
        while True:
            data = await reader.read(READ_BYTES)
            text = decoder.decode(data, final=not data)
            if text:
                await heard(stream, text)
                if room > 0:
                    parts.append(text if len(data) <= room else text[:room] + MARKER)
                    room -= len(data)
            if not data:
                break
            await self._clock.sleep(COALESCE_SECONDS)  # one piece for what comes together; and no flood takes a core
        played.output[stream] = "".join(parts)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What installing Ansible may need, and nothing of the Engine's. The playbook gets none of it."""
    kept = {name: environ[name] for name in _PASSED_ON if name in environ}
    proxies = {
        name: value for name, value in environ.items() if name.lower() in {"http_proxy", "https_proxy", "no_proxy"}
    }
    return {**kept, **proxies, **{name: value for name, value in environ.items() if name.startswith("PIP_")}}


def _read_recap(descriptor: int) -> dict[str, Any]:
    data = os.pread(descriptor, MAX_RECAP_BYTES + 1, 0)
    if len(data) > MAX_RECAP_BYTES:
        return {}
    try:
        found = json.loads(data)
    except ValueError:
        return {}  # cut off while it was written
    return found if isinstance(found, dict) else {}
