"""Remote Desktop Services, against recorded registries and answers of ``sc``; nothing here ran on Windows."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from borealis_agent.capabilities.remote_desktop.changes import CannotPrepare, ChangeLog
from borealis_agent.capabilities.remote_desktop.running import Done
from borealis_agent.capabilities.remote_desktop.windows import (
    GROUP,
    LISTENER,
    POLICY,
    RULES,
    SERVER,
    SERVICE,
    VERSION,
    WindowsDesktop,
    is_running,
    look_windows,
)

RUNNING = """
SERVICE_NAME: TermService
        TYPE               : 30  WIN32
        STATE              : 4  RUNNING
                                (STOPPABLE, NOT_PAUSABLE, IGNORES_SHUTDOWN)
        WIN32_EXIT_CODE    : 0  (0x0)
"""
GERMAN = RUNNING.replace("STATE  ", "STATUS ")
STOPPED = RUNNING.replace("4  RUNNING", "1  STOPPED")
RULE = (
    "v2.31|Action=Allow|Active={active}|Dir=In|Protocol={protocol}|LPort=3389|App=%SystemRoot%\\system32\\svchost.exe|"
    "Svc=termservice|Name=@FirewallAPI.dll,-28775|Desc=@FirewallAPI.dll,-28756|EmbedCtxt=@FirewallAPI.dll,-28752|"
)
TCP, UDP = "RemoteDesktop-UserMode-In-TCP", "RemoteDesktop-UserMode-In-UDP"


class FakeWindows:
    """A registry, and what ``sc`` and ``netsh`` do to it. Implements ``windows.Registry``."""

    def __init__(self, *, edition: str = "Professional", start: int = 3, running: bool = False) -> None:
        self.keys: dict[str, dict[str, int | str]] = {
            VERSION: {"EditionID": edition},
            SERVER: {"fDenyTSConnections": 1},
            LISTENER: {"UserAuthentication": 0, "PortNumber": 3389},
            SERVICE: {"Start": start},
            RULES: {
                TCP: RULE.format(active="FALSE", protocol=6),
                UDP: RULE.format(active="FALSE", protocol=17),
                "Other-In-TCP": RULE.format(active="TRUE", protocol=6).replace("-28752", "-28502"),
            },
        }
        self.running = running
        self.ran: list[str] = []
        self.fails = ""

    def get(self, path: str, name: str) -> int | str | None:
        return self.keys.get(path, {}).get(name)

    def values(self, path: str) -> Mapping[str, int | str]:
        return self.keys.get(path, {})

    def set_number(self, path: str, name: str, value: int) -> None:
        self.keys.setdefault(path, {})[name] = value

    def delete(self, path: str, name: str) -> None:
        del self.keys[path][name]

    async def run(self, command: Sequence[str]) -> Done:
        line = " ".join(command)
        self.ran.append(line)
        if self.fails and self.fails in line:
            return Done(5, "[SC] OpenService FAILED 5: Access is denied.")
        match command[0], command[1]:
            case "sc.exe", "query":
                return Done(0, RUNNING if self.running else STOPPED)
            case "sc.exe", "start" | "stop":
                self.running = command[1] == "start"
            case "sc.exe", "config":
                self.keys[SERVICE]["Start"] = {"demand": 3, "disabled": 4}[command[-1]]
            case "netsh.exe", _:
                assert f"group={GROUP}" in command
                active = "TRUE" if command[-1] == "enable=yes" else "FALSE"
                self.keys[RULES] |= {TCP: RULE.format(active=active, protocol=6)}
                self.keys[RULES] |= {UDP: RULE.format(active=active, protocol=17)}
        return Done(0, "Ok.")

    def state(self) -> tuple[object, ...]:
        return {path: dict(values) for path, values in self.keys.items()}, self.running

    def desktop(self, folder: Path) -> WindowsDesktop:
        return WindowsDesktop(registry=self, run=self.run, changes=ChangeLog(folder / "c.json"), say=lambda _: None)


async def test_what_a_fresh_windows_says() -> None:
    report = await look_windows(windows := FakeWindows(), windows.run, privileged=True)
    assert (report.installed, report.ready, report.reach, report.firewall_open) == (True, False, "nobody", False)
    assert report.starts_with_system is False
    assert [problem.split()[0] for problem in report.problems] == ["connections", "the", "network"]
    assert report.can_prepare
    assert windows.ran == ["sc.exe query TermService"]


@pytest.mark.parametrize("open_network", [False, True])
@pytest.mark.parametrize("start", [2, 3, 4])
async def test_preparing_and_undoing(tmp_path: Path, open_network: bool, start: int) -> None:
    windows = FakeWindows(start=start)
    before = windows.state()
    await windows.desktop(tmp_path).prepare(open_network=open_network)
    report = await look_windows(windows, windows.run, privileged=True)
    assert report.problems == ()
    assert report.ready
    assert report.reach == ("network" if open_network else "this machine")
    assert any("netsh" in line for line in windows.ran) == open_network
    assert await windows.desktop(tmp_path).undo() == []
    assert windows.state() == before


async def test_what_was_ready_stays_as_it_is(tmp_path: Path) -> None:
    windows = FakeWindows(running=True)
    windows.set_number(SERVER, "fDenyTSConnections", 0)
    windows.set_number(LISTENER, "UserAuthentication", 1)
    before = windows.state()
    await windows.desktop(tmp_path).prepare(open_network=False)
    assert windows.state() == before
    assert not (tmp_path / "c.json").exists()


async def test_a_value_that_was_not_there_is_deleted_again(tmp_path: Path) -> None:
    windows = FakeWindows()
    windows.delete(LISTENER, "UserAuthentication")
    await windows.desktop(tmp_path).prepare(open_network=False)
    assert windows.get(LISTENER, "UserAuthentication") == 1
    await windows.desktop(tmp_path).undo()
    assert windows.get(LISTENER, "UserAuthentication") is None


async def test_undoing_leaves_what_somebody_changed_since(tmp_path: Path) -> None:
    windows = FakeWindows()
    await windows.desktop(tmp_path).prepare(open_network=False)
    windows.set_number(LISTENER, "UserAuthentication", 7)
    (stays,) = await windows.desktop(tmp_path).undo()
    assert "somebody changed the value" in stays
    assert windows.get(LISTENER, "UserAuthentication") == 7
    assert windows.get(SERVER, "fDenyTSConnections") == 1


async def test_rejects_home_edition_and_group_policy_and_half_open_firewall(tmp_path: Path) -> None:
    home = FakeWindows(edition="Core")
    policy = FakeWindows()
    policy.set_number(POLICY, "fDenyTSConnections", 1)
    half = FakeWindows()
    half.keys[RULES][TCP] = RULE.format(active="TRUE", protocol=6)
    for windows, words in ((home, "no remote desktop server"), (policy, "group policy"), (half, "only these are on")):
        before = windows.state()
        with pytest.raises(CannotPrepare, match=words):
            await windows.desktop(tmp_path).prepare(open_network=True)
        assert windows.state() == before


async def test_survives_service_that_will_not_start(tmp_path: Path) -> None:
    windows = FakeWindows()
    before = windows.state()
    windows.fails = "start TermService"
    with pytest.raises(CannotPrepare, match="Access is denied"):
        await windows.desktop(tmp_path).prepare(open_network=False)
    assert await windows.desktop(tmp_path).undo() == []
    assert windows.state() == before


@pytest.mark.parametrize(("text", "running"), [(RUNNING, True), (GERMAN, True), (STOPPED, False), ("", False)])
def test_reading_sc(text: str, running: bool) -> None:
    assert is_running(Done(0, text)) is running
