"""Inventory and remote desktop on a registry that the test prepared; run there by ``test_windows_units.py``."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from borealis_agent.capabilities.inventory import child
from borealis_agent.capabilities.remote_desktop.changes import ChangeLog
from borealis_agent.capabilities.remote_desktop.running import Done, run_program

pytestmark = pytest.mark.skipif(sys.platform != "win32", reason="run on Windows by test_windows_units.py")

if sys.platform == "win32":
    import winreg

    from borealis_agent.capabilities.inventory.windows import collect_windows
    from borealis_agent.capabilities.remote_desktop.windows import (
        LISTENER,
        RULES,
        SERVER,
        SERVICE,
        VERSION,
        WindowsDesktop,
        facts_of,
        is_running,
        look_windows,
    )
    from borealis_agent.capabilities.remote_desktop.windows_registry import LocalMachine

UNINSTALL = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall"
RULE = "v2.30|Action=Allow|Active={active}|Dir=In|Protocol=6|LPort=3389|EmbedCtxt=@FirewallAPI.dll,-28752|"


def write(path: str, values: dict[str, int | str], *, view: int = 0x0100, root: int | None = None) -> None:
    """Values below HKEY_LOCAL_MACHINE, in the 64-bit view unless told otherwise (0x0200: that of 32-bit programs)."""
    root = winreg.HKEY_LOCAL_MACHINE if root is None else root
    with winreg.CreateKeyEx(root, path, 0, winreg.KEY_WRITE | view) as key:
        for name, value in values.items():
            kind = winreg.REG_DWORD if isinstance(value, int) else winreg.REG_SZ
            winreg.SetValueEx(key, name, 0, kind, value)


def test_the_machine_is_read() -> None:
    write(r"HARDWARE\DESCRIPTION\System\BIOS", {"SystemManufacturer": "Lab", "SystemProductName": "Seven"})
    found = collect_windows("198.51.100.7")
    details = found.details
    assert not found.notes
    assert details["os"]["version_id"] == "10.0.18362"
    assert "Windows 10" in details["os"]["pretty_name"]
    assert details["cpu"]["logical_cores"] == os.cpu_count()
    assert details["hardware"]["system"] == {"manufacturer": "Lab", "product": "Seven"}
    drives = {drive["drive"]: drive for drive in details["storage"]}
    assert drives["C:"]["total"] > drives["C:"]["free"] > 0
    assert details["memory_totals"]["total"] > 100_000_000
    assert details["state"]["uptime_seconds"] > 0
    assert details["summary"]["external_ip"] == "198.51.100.7"
    json.dumps(details)


async def test_it_is_read_in_a_process_that_gets_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOREALIS_INSTALLER_CODE", "SECRET")
    assert "SECRET" not in child.environment("", os.environ).values()
    assert "SYSTEMROOT" in child.environment("", os.environ)
    report = await child.collect_in_child(None)
    assert report.hostname == os.environ["COMPUTERNAME"]
    again = await child.collect_in_child({"fingerprint": report.fingerprint})
    assert not again.has_details


@pytest.fixture
def programs() -> Iterator[None]:
    """Two programs, of 64 and of 32 bits, and what is no program for people."""
    laid = {
        (f"{UNINSTALL}\\{{90F0-1}}", 0x0100): {
            "DisplayName": "Lab Suite \u00fc",
            "DisplayVersion": "7.1",
            "Publisher": "Lab",
            "EstimatedSize": 2048,
            "InstallDate": "20240131",
            "WindowsInstaller": 1,
        },
        (f"{UNINSTALL}\\Old Tool", 0x0200): {"DisplayName": "Old Tool", "DisplayVersion": "1"},
        (f"{UNINSTALL}\\Part", 0x0100): {"DisplayName": "Part of Windows", "SystemComponent": 1},
        (f"{UNINSTALL}\\Nameless", 0x0200): {"DisplayVersion": "1"},
    }
    for (path, view), values in laid.items():
        write(path, values, view=view)
    yield
    for path, view in laid:
        winreg.DeleteKeyEx(winreg.HKEY_LOCAL_MACHINE, path, view, 0)


def test_software_of_both_views_is_found(programs: None) -> None:
    found = {entry["name"]: entry for entry in collect_windows().details["software"]}
    assert found["Lab Suite \u00fc"] == {
        "name": "Lab Suite \u00fc",
        "version": "7.1",
        "source": "msi",
        "metadata": {
            "architecture": "x86_64",
            "publisher": "Lab",
            "size": 2048 * 1024,
            "installed_at": "2024-01-31",
            "source_package": "{90F0-1}",
        },
    }
    assert (found["Old Tool"]["source"], found["Old Tool"]["metadata"]) == ("registry", {"architecture": "x86"})
    assert not {"Part of Windows", ""} & set(found)


class ServiceManager:
    """Answers in the place of ``sc`` and ``netsh``, which wine lacks; what is asked of them is kept."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.running = False

    async def __call__(self, command: Sequence[str]) -> Done:
        self.asked.append(tuple(command))
        if command[1] == "start":
            self.running = True
        if command[0].startswith("netsh"):
            active = "TRUE" if command[-1].endswith("yes") else "FALSE"
            write(RULES, {"RemoteDesktop-UserMode-In-TCP": RULE.format(active=active)})
        state = "4  RUNNING" if self.running else "1  STOPPED"
        return Done(0, f"        STATE              : {state}\n")


@pytest.fixture
def windows_as_delivered() -> Iterator[None]:
    """Remote desktop as a fresh Windows has it: there, denied, the firewall shut."""
    write(VERSION, {"EditionID": "Professional"})
    write(SERVER, {"fDenyTSConnections": 1})
    write(LISTENER, {"UserAuthentication": 0, "PortNumber": 3389})
    write(SERVICE, {"Start": 4})
    write(RULES, {"RemoteDesktop-UserMode-In-TCP": RULE.format(active="FALSE")})
    yield
    for path in (LISTENER, SERVICE, RULES):
        winreg.DeleteKey(winreg.HKEY_LOCAL_MACHINE, path)


async def test_remote_desktop_is_prepared_and_taken_back(windows_as_delivered: None, tmp_path: Path) -> None:
    registry, services, said = LocalMachine(), ServiceManager(), []
    before = facts_of(registry)
    assert (before.denied, before.nla, before.start, list(before.rules.values())) == (True, False, 4, [False])

    def desktop() -> WindowsDesktop:
        return WindowsDesktop(
            registry=registry, run=services, changes=ChangeLog(tmp_path / "changes.json"), say=said.append
        )

    await desktop().prepare(open_network=True)
    ready = facts_of(registry)
    assert (ready.denied, ready.nla, ready.start, list(ready.rules.values())) == (False, True, 3, [True])
    report = await look_windows(registry, services, privileged=True)
    assert (report.problems, report.reach) == ((), "network")
    assert await desktop().undo() == []
    assert facts_of(registry) == before


def test_values_that_are_not_there_are_none_and_can_be_made_and_deleted() -> None:
    registry, path = LocalMachine(), r"SOFTWARE\Borealis\Test"
    assert registry.get(path, "number") is None
    assert registry.values(path) == {}
    registry.set_number(path, "number", 7)
    assert (registry.get(path, "number"), registry.values(path)) == (7, {"number": 7})
    registry.delete(path, "number")
    assert registry.get(path, "number") is None
    with pytest.raises(OSError):
        registry.delete(path, "number")


async def test_a_stand_in_for_sc_is_not_taken_for_a_running_service() -> None:
    """Wine's ``sc query`` prints its usage and says that all went well."""
    done = await asyncio.wait_for(run_program(("sc.exe", "query", "TermService"), seconds=30), 60)
    assert not is_running(done)
