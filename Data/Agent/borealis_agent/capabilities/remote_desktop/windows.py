"""Remote Desktop Services on Windows: read from the registry, changed by the registry, ``sc`` and ``netsh``.

No PowerShell, and nothing that depends on the language Windows speaks: firewall rules are read from the registry and
switched by the resource name of their group. Tested against recorded registries and answers; not run on Windows by us.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from borealis_agent.capabilities.remote_desktop.changes import (
    CannotPrepare,
    CannotUndo,
    Change,
    ChangeLog,
    must,
    must_undo,
)
from borealis_agent.capabilities.remote_desktop.report import RDP_PORT, Report
from borealis_agent.capabilities.remote_desktop.running import Done, Run

SERVER: Final = r"SYSTEM\CurrentControlSet\Control\Terminal Server"
POLICY: Final = r"SOFTWARE\Policies\Microsoft\Windows NT\Terminal Services"
LISTENER: Final = SERVER + r"\WinStations\RDP-Tcp"
SERVICE: Final = r"SYSTEM\CurrentControlSet\Services\TermService"
RULES: Final = r"SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules"
VERSION: Final = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
GROUP: Final = "@FirewallAPI.dll,-28752"
"""The group "Remote Desktop", whatever it is called in the language of this Windows."""
DISABLED: Final = 4
ON_DEMAND: Final = 3
_STARTS: Final = {2: True, 3: False, 4: False}
_NO_HOST: Final = frozenset({"Core", "CoreN", "CoreSingleLanguage", "CoreCountrySpecific"})
"""Home editions: Windows has the client there, and no server."""


class Registry(Protocol):
    """HKEY_LOCAL_MACHINE, 64-bit view."""

    def get(self, path: str, name: str) -> int | str | None:
        """A value; None where there is none or it may not be read."""

    def values(self, path: str) -> Mapping[str, int | str]:
        """All values of a key; empty where there is none."""

    def set_number(self, path: str, name: str, value: int) -> None:
        """Write a DWORD. Raises ``OSError``."""

    def delete(self, path: str, name: str) -> None:
        """Delete a value. Raises ``OSError``."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the registry tells. ``rules``: whether each rule of the firewall's group is on."""

    edition: str
    denied: bool
    by_policy: bool
    nla: bool
    port: int
    start: int
    rules: Mapping[str, bool]


def facts_of(registry: Registry) -> Facts:
    """Read everything that matters."""
    policy = registry.get(POLICY, "fDenyTSConnections")
    denied = policy if isinstance(policy, int) else registry.get(SERVER, "fDenyTSConnections")
    port = registry.get(LISTENER, "PortNumber")
    start = registry.get(SERVICE, "Start")
    rules = {}
    for name, text in registry.values(RULES).items():
        parts = dict(part.partition("=")[::2] for part in str(text).split("|"))
        if parts.get("EmbedCtxt") == GROUP and parts.get("Dir") == "In" and parts.get("Action") == "Allow":
            rules[name] = parts.get("Active", "").upper() == "TRUE"
    return Facts(
        edition=str(registry.get(VERSION, "EditionID") or ""),
        denied=denied != 0,
        by_policy=isinstance(policy, int),
        nla=registry.get(LISTENER, "UserAuthentication") == 1,
        port=port if isinstance(port, int) and 0 < port < 65536 else RDP_PORT,
        start=start if isinstance(start, int) else 0,
        rules=rules,
    )


async def look_windows(registry: Registry, run: Run, *, privileged: bool) -> Report:
    """What is there; ``sc query`` is the one program that is started."""
    facts = facts_of(registry)
    running = is_running(await run(("sc.exe", "query", "TermService")))
    installed = facts.start != 0 and facts.edition not in _NO_HOST
    open_ = all(facts.rules.values()) if facts.rules else None
    problems = []
    if facts.edition in _NO_HOST:
        problems.append(f"this edition of Windows ({facts.edition}) has no remote desktop server")
    elif not installed:
        problems.append("the service TermService is not installed")
    else:
        if facts.denied:
            where = "a group policy" if facts.by_policy else "the registry (fDenyTSConnections)"
            problems.append(f"connections are denied by {where}")
        if not running:
            problems.append("the service TermService does not run")
        if not facts.nla:
            problems.append("network level authentication is off")
    up = installed and running and not facts.denied
    cannot = cannot_prepare(facts, installed=installed, privileged=privileged)
    return Report(
        system="windows",
        server="Remote Desktop Services",
        installed=installed,
        running=running,
        starts_with_system=_STARTS.get(facts.start),
        port=facts.port,
        listening=("0.0.0.0", "::") if up else (),  # noqa: S104  # said, not opened
        reach="nobody" if not up else "this machine" if open_ is False else "network",
        encryption="NLA" if facts.nla else "TLS",
        session="Windows desktop" if installed else "",
        firewall="Windows",
        firewall_open=open_,
        problems=tuple(problems),
        can_prepare=not cannot,
        cannot_prepare=cannot,
    )


def cannot_prepare(facts: Facts, *, installed: bool, privileged: bool) -> str:
    """Why it cannot be prepared here; empty where it can."""
    if not privileged:
        return "the agent does not run as SYSTEM or an administrator; install it as a service"
    if not installed:
        return "this Windows has no remote desktop server"
    if facts.by_policy and facts.denied:
        return "a group policy denies remote desktop; it has to be changed where it is made"
    return ""


def is_running(done: Done) -> bool:
    """Read ``sc query``: the words are Windows' own language, the number of the state is not (4: running)."""
    for line in done.output.splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip().isascii() and value.split()[:1] == ["4"] and "RUNNING" in value:
            return True
    return False


class WindowsDesktop:
    """Changes one Windows."""

    def __init__(self, *, registry: Registry, run: Run, changes: ChangeLog, say: Callable[[str], None]) -> None:
        self._registry = registry
        self._run = run
        self._changes = changes
        self._say = say

    async def prepare(self, *, open_network: bool) -> None:
        """Allow connections, with network level authentication; open the firewall only if asked.

        Raises:
            CannotPrepare: a step failed.
            OSError: the registry would not have it.
        """
        facts = facts_of(self._registry)
        cannot = cannot_prepare(facts, installed=facts.start != 0 and facts.edition not in _NO_HOST, privileged=True)
        if cannot:
            raise CannotPrepare(cannot)
        if open_network:
            self._refuse_half_open(facts)
        # Never allowed without NLA, not even for a moment: so it comes first.
        self._set(LISTENER, "UserAuthentication", 1, "network level authentication is asked for")
        self._set(SERVER, "fDenyTSConnections", 0, "connections are allowed (fDenyTSConnections)")
        if facts.start == DISABLED:
            self._set(SERVICE, "Start", ON_DEMAND, "the service TermService may be started")
            must(await self._run(("sc.exe", "config", "TermService", "start=", "demand")), "TermService is disabled")
        if not is_running(await self._run(("sc.exe", "query", "TermService"))):
            self._changes.intend(Change("service", "started the service TermService", {"running": False}))
            must(await self._run(("sc.exe", "start", "TermService")), "TermService could not be started")
            self._say("started the service TermService")
        if open_network and not all(facts.rules.values()):
            what = "the firewall lets remote desktop in"
            self._changes.intend(Change("firewall", what, {"rules": dict(facts.rules)}))
            must(await self._switch_rules("yes"), "the firewall could not be opened")
            self._say(what)

    async def undo(self) -> list[str]:
        """Take every change back, the last one first; gives a sentence for each that has to stay."""
        return await self._changes.take_back(list(reversed(list(self._changes))), self._undo, self._say)

    async def recover(self) -> None:
        """Nothing here stands only for a while."""

    @staticmethod
    def _refuse_half_open(facts: Facts) -> None:
        if not facts.rules:
            raise CannotPrepare(
                "the firewall has no rules for remote desktop; make one there, or ask without opening it"
            )
        if any(facts.rules.values()) and not all(facts.rules.values()):
            on = ", ".join(sorted(name for name, active in facts.rules.items() if active))
            raise CannotPrepare(
                f"of the firewall's rules for remote desktop only these are on: {on}. Somebody chose them: set them by "
                "hand, or ask without opening the firewall"
            )

    def _set(self, path: str, name: str, value: int, what: str) -> None:
        before = self._registry.get(path, name)
        if before == value:
            return
        if isinstance(before, str):
            raise CannotPrepare(f"{name} in the registry is a text where a number belongs; mend it by hand")
        self._changes.intend(Change("registry", what, {"path": path, "name": name, "value": before}, (str(value),)))
        self._registry.set_number(path, name, value)
        self._say(what)

    async def _undo(self, change: Change) -> None:
        before = change.before
        match change.kind:
            case "registry":
                await self._undo_registry(change)
            case "service":
                if is_running(await self._run(("sc.exe", "query", "TermService"))):
                    must_undo(await self._run(("sc.exe", "stop", "TermService")))
            case "firewall":
                rules = facts_of(self._registry).rules
                if not all(rules.get(name) for name in before["rules"]):
                    raise CannotUndo("somebody switched rules off since; they stay as they are")
                must_undo(await self._switch_rules("no"))
            case _:
                raise CannotUndo("this version of the agent does not know how")

    async def _undo_registry(self, change: Change) -> None:
        path, name, value = change.before["path"], change.before["name"], change.before["value"]
        now = self._registry.get(path, name)
        if now == value:
            return
        if str(now) not in change.ours:
            raise CannotUndo("somebody changed the value since; it stays as it is")
        if path == SERVICE:  # the service manager keeps its own copy, so it is told and writes the registry itself
            must_undo(await self._run(("sc.exe", "config", "TermService", "start=", "disabled")))
        if value is None:
            self._registry.delete(path, name)
        else:
            self._registry.set_number(path, name, int(value))

    async def _switch_rules(self, enable: str) -> Done:
        words = ("netsh.exe", "advfirewall", "firewall", "set", "rule", f"group={GROUP}", "new", f"enable={enable}")
        return await self._run(words)
