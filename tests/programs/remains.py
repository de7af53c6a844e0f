"""What an agent may leave behind when it is killed at its work: processes, files, open ports.

    before = Rest.of(agent)              # at rest
    ...                                  # the work is under way
    with killed_at_work(agent, before):  # kill -9, start again
        ...                              # what the operator is told
    # here nothing is left

Processes are followed by pid, from the agent down, whatever they are called; whoever left the tree is still below the
agent, which is the reaper of its orphans.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from tests.programs.programs import AgentProgram, wait_for

SECONDS = 15.0


@dataclass(frozen=True)
class Rest:
    """The files and listening ports of an agent that does nothing. ``folders``: where work leaves its files."""

    folders: tuple[Path, ...]
    files: frozenset[str]
    ports: frozenset[int]

    @classmethod
    def of(cls, agent: AgentProgram, home: Path | None = None) -> "Rest":
        """Look now. ``home``: the agent's own folder, where it is not ``Agent`` in its root."""
        home = home or agent.root / "Agent"
        folders = tuple(home / name for name in ("Temp", "Run", "Spool/output", "Borealis/Settings/Roles"))
        return cls(folders, files_in(folders), ports_of([agent.pid, *(one.pid for one in offspring(agent.pid))]))


def offspring(pid: int) -> list[psutil.Process]:
    """Every process below this one; none where it has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


def has_ended(process: psutil.Process) -> bool:
    """Also where nobody collects it: who gets the orphans of an agent is up to the machine."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def files_in(folders: tuple[Path, ...]) -> frozenset[str]:
    """Every file below these, and in ``Temp`` every folder; links are not followed."""
    return frozenset(
        os.path.join(place, name)  # noqa: PTH118
        for folder in folders
        for place, inner, names in os.walk(folder)
        for name in (*(inner if folder.name == "Temp" else ()), *names)
    )


def ports_of(pids: list[int]) -> frozenset[int]:
    """The TCP ports that these processes listen on."""
    return frozenset(
        one.laddr.port
        for one in psutil.net_connections("tcp")
        if one.status == psutil.CONN_LISTEN and one.pid in set(pids)
    )


def listening() -> set[int]:
    """Every TCP port of this machine that somebody listens on."""
    return {one.laddr.port for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN}


@contextlib.contextmanager
def killed_at_work(agent: AgentProgram, before: Rest) -> Iterator[None]:
    """``kill -9`` and a new start; at the end nothing may be left."""
    worked = offspring(agent.pid)
    assert worked, "there was no work to kill it at"
    opened = ports_of([one.pid for one in worked]) - before.ports
    agent.kill()
    agent.start()
    yield

    def left() -> list[str]:
        alive = [one for one in worked if not has_ended(one)]
        files = files_in(before.folders) ^ before.files
        ports = (opened & listening()) | (ports_of([agent.pid]) ^ before.ports)
        return [*(f"process {one.pid} {one.name()}" for one in alive), *sorted(files), *map(str, sorted(ports))]

    try:
        wait_for("nothing to be left", lambda: not left(), seconds=SECONDS)
    except AssertionError as error:
        raise AssertionError(f"left behind: {left()}") from error
