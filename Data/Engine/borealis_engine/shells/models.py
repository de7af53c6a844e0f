"""What is asked of a shell, and what is told of one."""

from dataclasses import dataclass

import msgspec

from borealis_wire.shell import NEW


@dataclass(frozen=True, slots=True)
class ShellAsked:
    """A shell to open, or with ``seen`` other than ``NEW`` to take up again from that byte of its output."""

    session_id: str
    columns: int
    rows: int
    user: str = ""
    seen: int = NEW


class OpenShell(msgspec.Struct, frozen=True):
    """A shell that is open. ``user``: the account on the device; ``connected``: the operator is there now.

    ``since``: Unix seconds.
    """

    session_id: str
    guid: str
    hostname: str
    username: str
    user: str
    shell: str
    since: float
    connected: bool
    recorded: bool


class RecordingRow(msgspec.Struct, frozen=True):
    """What was recorded of a shell. Times in Unix seconds; ``ended_at`` None while it goes on.

    ``account``: on the device; ``seconds``: how long it plays; ``size``: bytes of the file; ``cut``: it is longer
    than what may be kept of one, or the disk did not take all of it; ``status``: how the shell ended.
    """

    recording_id: str
    session_id: str
    guid: str
    hostname: str
    site_id: int | None
    username: str
    account: str
    started_at: float
    ended_at: float | None
    seconds: float
    size: int
    cut: bool
    status: int | None
