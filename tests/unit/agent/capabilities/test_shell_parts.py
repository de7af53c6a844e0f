"""The parts of a shell on the device: what is kept of its output, its frames, and a terminal of its own."""

import asyncio
import os
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_agent.capabilities.shell import frames
from borealis_agent.capabilities.shell.choice import Account, NoShell, choose
from borealis_agent.capabilities.shell.frames import FrameReader, frame
from borealis_agent.capabilities.shell.ring import Ring
from borealis_agent.capabilities.shell.terminal import Terminal

posix = pytest.mark.skipif(sys.platform == "win32", reason="a POSIX terminal")


@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(0, 700))
def test_the_last_output_is_there_by_its_position(printed: list[bytes], position: int) -> None:
    ring, everything = Ring(kept=100), b"".join(printed)
    for data in printed:
        ring.append(data)
    assert ring.end == len(everything)
    assert ring.end - ring.start >= min(100, len(everything))
    assert ring.end - ring.start <= 240
    begin = min(max(position, ring.start), ring.end)
    end, data = ring.read(position, 50)
    assert (end, data) == (begin + len(data), everything[begin : begin + 50])


@given(st.lists(st.binary(max_size=50), max_size=6), st.integers(1, 20))
def test_frames_come_through_however_they_are_cut(sent: list[bytes], size: int) -> None:
    reader, data = FrameReader(), b"".join(frame(frames.OUTPUT, each) for each in sent)
    found = [each for start in range(0, len(data), size) for each in reader.feed(data[start : start + size])]
    assert found == [(frames.OUTPUT, each) for each in sent]


def test_rejects_a_frame_that_is_longer_than_any() -> None:
    with pytest.raises(ValueError, match="too long"):
        FrameReader().feed(frames.HEAD.pack(frames.OUTPUT, frames.MAX_FRAME + 1))


@posix
def test_an_account_that_is_not_there_has_no_shell() -> None:
    with pytest.raises(NoShell, match="no account"):
        choose("no-such-person")


@posix
def test_a_shell_gets_a_log_in_environment_and_nothing_of_the_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOREALIS_INSTALLER_CODE", "secret")
    monkeypatch.setenv("LD_PRELOAD", "/tmp/evil.so")
    chosen = choose("")
    assert set(chosen.environment) == {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "COLORTERM", "LANG"}
    assert chosen.account is None
    assert chosen.environment["LANG"].lower().replace("-", "").endswith("utf8")


async def printed(command: tuple[str, ...], **changes: object) -> tuple[str, int | None]:
    """What a command prints in a terminal of its own, and its status."""
    chosen = replace(choose(""), command=command, name=command[0], **changes)  # type: ignore[arg-type]
    terminal = await Terminal.open(chosen, columns=90, rows=33)
    await terminal.took(0)
    running = asyncio.ensure_future(terminal.run())
    text, position = b"", 0
    async with asyncio.timeout(30):
        while True:
            position, data = await terminal.next_output(position, 4096)
            if not data:
                break
            text += data
            await terminal.took(position)
        await running
    return text.decode(), terminal.status


@posix
async def test_a_command_has_a_terminal_of_its_own_and_its_status_is_told() -> None:
    text, status = await printed(("/bin/sh", "-c", "stty size; tty; exit 4"))
    assert text.startswith("33 90\r\n/dev/pts/")
    assert status == 4
    assert (await printed(("/bin/sh", "-c", "kill -9 $$")))[1] == 137


@posix
async def test_a_shell_that_cannot_be_started_says_why() -> None:
    text, status = await printed(("/no/such/shell",))
    assert (text, status) == ("", 127)


@posix
@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="needs root to become somebody else")
async def test_a_shell_of_another_account_has_its_rights_and_no_more() -> None:
    import pwd

    entry = pwd.getpwnam("daemon")
    account = Account(entry.pw_name, entry.pw_uid, entry.pw_gid, "/", "/bin/sh")
    text, _ = await printed(("/bin/sh", "-c", "id -u; id -g; id -G; cat /etc/shadow; ls -l $(tty)"), account=account)
    uid, gid, groups, denied, terminal = text.splitlines()
    assert (uid, gid) == (str(entry.pw_uid), str(entry.pw_gid))
    assert "0" not in groups.split()
    assert "denied" in denied.lower()
    assert " daemon " in terminal
