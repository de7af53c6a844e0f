"""Starts the child process that looks at the machine, and reads its answer. Runs in the agent."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from borealis_agent.capabilities.inventory.clean import MAX_DOCUMENT_BYTES
from borealis_agent.capabilities.inventory.source import SAFE_PATH
from borealis_agent.core.errors import Retryable
from borealis_agent.platform.label import own_label

SECONDS: Final = 60.0
"""The child needs a tenth of one; a machine whose rpm database is locked or whose disk is ill gets this long."""
_MAX_ANSWER: Final = 4 * MAX_DOCUMENT_BYTES
_MAX_COMPLAINT: Final = 2000
_CODE: Final = Path(__file__).resolve().parents[3]
_START: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from borealis_agent.capabilities.inventory.__main__ import main; "
    "sys.exit(main(sys.argv[2:], sys.stdin.buffer, sys.stdout.buffer))"
)
_PASSED_ON: Final = ("https_proxy", "http_proxy", "no_proxy", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE")
"""What reaching an external address service may need; given to the child only where one is configured."""
_WINDOWS_KEPT: Final = frozenset(
    {
        *("ALLUSERSPROFILE", "PROGRAMDATA", "PROGRAMFILES", "PROGRAMFILES(X86)", "SYSTEMDRIVE", "SYSTEMROOT", "WINDIR"),
        *("TEMP", "TMP", "PATHEXT", "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE", "PROCESSOR_IDENTIFIER"),
        *("COMPUTERNAME", "USERDOMAIN", "USERNAME"),
    }
)
"""On Windows: what its own libraries look for, and what the inventory tells."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The child's answer.

    ``details`` stay the JSON text that the child printed, null where nothing worth sending changed: the agent passes
    them on and never builds their thousands of objects, which would stay in its memory.
    """

    changed: bool
    fingerprint: dict[str, Any]
    details: msgspec.Raw
    hostname: str
    complete: list[str]
    """Sections that were collected without trouble: what is empty in them is really so."""
    facts: int
    milliseconds: float
    notes: list[str]
    external_ip: str

    @property
    def has_details(self) -> bool:
        """Whether there is something to send."""
        return bytes(self.details) != b"null"


def command(external_ip_url: str = "", root: str = "/") -> list[str]:
    """The child's command line.

    Isolated (-I: no PYTHON* variables, no user folder) and without site packages (-S): the child runs with the
    agent's rights and must load nothing that somebody else may write.
    """
    words = [sys.executable, "-I", "-S", "-OO", "-c", _START, str(_CODE), "--known"]
    words += ["--external-ip-url", external_ip_url] if external_ip_url else []
    return words if root == "/" else [*words, "--root", root]


def environment(external_ip_url: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """The child's environment: nothing that it does not need."""
    if sys.platform == "win32":
        found = {name: text for name, text in inherited.items() if name.upper() in _WINDOWS_KEPT}
    else:
        found = {"PATH": SAFE_PATH, "LC_ALL": "C.UTF-8"} | own_label()
    if external_ip_url:
        found.update({name: inherited[name] for name in _PASSED_ON if name in inherited})
    return found


async def collect_in_child(
    known: Mapping[str, Any] | None,
    external_ip_url: str = "",
    *,
    root: str = "/",
    timeout: float = SECONDS,
) -> Report:
    """Run the child to its end.

    Args:
        known: ``{"fingerprint", "external_ip"}`` to compare with; None sends everything back.
        external_ip_url: the service to ask, or empty.
        root: the machine's ``/``.
        timeout: seconds.

    Raises:
        Retryable: the child could not be started, failed, was too slow, or said something unreadable.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command(external_ip_url, root),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(external_ip_url, os.environ),
            process_group=0,  # in the agent's session, where its next life looks for what an earlier one left
            limit=_MAX_ANSWER,
        )
    except OSError as error:
        raise Retryable(f"the inventory process could not be started: {error}") from error
    try:
        async with asyncio.timeout(timeout):
            answer, complaint = await process.communicate(json.dumps(known or {}).encode())
    except TimeoutError as error:
        raise Retryable(f"the inventory took longer than {timeout:g} s and was stopped") from error
    finally:
        # Also when the agent stops: neither the child nor a process that it started may stay behind.
        await _end(process)
    if process.returncode != 0:
        last = complaint[-_MAX_COMPLAINT:].decode("utf-8", "replace").strip().splitlines()[-1:]
        raise Retryable(f"the inventory process failed with status {process.returncode}: {' '.join(last)}")
    return read_answer(answer)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def read_answer(answer: bytes) -> Report:
    """Read what the child printed.

    Raises:
        Retryable: it is not what a child of this version prints.
    """
    try:
        return msgspec.json.decode(answer[:_MAX_ANSWER], type=Report)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Retryable("the inventory process gave an unreadable answer") from error
