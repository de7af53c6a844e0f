"""Prepares xrdp on Linux and takes that back: each step is on record before it is made.

The order matters: nothing starts before it is told where to listen. A package that starts its daemon by itself while it
is installed is kept from that by ``policy-rc.d``, which is how Debian lets a machine say so.
"""

import asyncio
import base64
import contextlib
import hashlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from borealis_agent.capabilities.remote_desktop import linux
from borealis_agent.capabilities.remote_desktop.changes import (
    CannotPrepare,
    CannotUndo,
    Change,
    ChangeLog,
    must,
    must_undo,
)
from borealis_agent.capabilities.remote_desktop.report import RDP_PORT
from borealis_agent.capabilities.remote_desktop.running import Run
from borealis_base.files import write_atomic

assert sys.platform != "win32"  # so that the other platform's type check passes over this file

PACKAGES: Final = ("xrdp", "xorgxrdp")
LOOPBACK: Final = f"tcp://127.0.0.1:{RDP_PORT}"
ANYWHERE: Final = str(RDP_PORT)
POLICY: Final = "usr/sbin/policy-rc.d"
UNITS: Final = ("xrdp-sesman.service", "xrdp.service")
LISTEN_SECONDS: Final = 20.0
_PACKAGE_MANAGERS: Final = frozenset({"apt-get", "dpkg"})
_LOOK_SECONDS: Final = 0.5
_POLICY_TEXT: Final = "#!/bin/sh\n# Borealis installs xrdp; it is started once it is configured.\nexit 101\n"
_INST: Final = re.compile(r"^Inst (\S+)", re.MULTILINE)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9+.-]*(:[a-z0-9]+)?")


class LinuxDesktop:
    """Changes one machine. ``root`` is its ``/``; ``say`` tells an operator each step."""

    def __init__(self, *, root: Path, run: Run, changes: ChangeLog, say: Callable[[str], None]) -> None:
        self._root = root
        self._run = run
        self._changes = changes
        self._say = say

    async def prepare(self, *, open_network: bool) -> None:
        """Bring xrdp up: installed, encrypted, running; reachable from this machine, or from the network too.

        Raises:
            CannotPrepare: a step failed.
            OSError: a file cannot be written.
        """
        reached = linux.look_linux(self._root, privileged=True).reach
        if not (self._root / linux.SERVER).exists():
            await self._install()
        moved = self._choose_address(open_network=open_network, reached=reached)
        joined = await self._let_read_key()
        await self._start(again=moved or joined)
        if open_network:
            await self._open_firewall()
        await self._until_listening()

    async def undo(self) -> list[str]:
        """Take every change back, the last one first; gives a sentence for each that has to stay."""
        # What ran before is started again at the very end, with the configuration it had.
        backwards = list(reversed(list(self._changes)))
        order = sorted(backwards, key=lambda item: item.kind == "service" and bool(item.before["running"]))
        return await self._changes.take_back(order, self._undo, self._say)

    async def recover(self) -> None:
        """Take back what only stands while a package is installed; an agent that was ended then left it.

        The package manager that it had started goes on by itself: cut off half-way it would leave the machine's
        packages broken. What it installs must not start its services either, so this waits for its end.
        """
        if any(change.kind == "hold" for change in self._changes):
            await self._until_packages_rest()
            self._let_services_start()

    async def _until_packages_rest(self) -> None:
        told = False
        while busy := linux.names_of_processes(self._root) & _PACKAGE_MANAGERS:
            if not told:
                told = True
                self._say(f"waiting for {', '.join(sorted(busy))}, which an earlier life of this agent may have begun")
            await asyncio.sleep(_LOOK_SECONDS)

    def _let_services_start(self) -> None:
        for change in self._changes:
            if change.kind == "hold":
                self._remove_hold()
                self._changes.forget(change)

    # --- packages

    async def _install(self) -> None:
        if (self._root / "usr/bin/apt-get").exists():
            await self._install_by_apt()
        elif (self._root / "usr/bin/dnf").exists():
            missing = [name for name in PACKAGES if (await self._run(("rpm", "-q", name))).code != 0]
            self._changes.intend(Change("dnf", f"installed {', '.join(missing)}", {"packages": missing}))
            self._say(f"installing {', '.join(missing)} by dnf")
            must(await self._run(("dnf", "install", "-y", "-q", *missing)), "dnf could not install xrdp")
        else:
            raise CannotPrepare("xrdp is not installed, and neither apt-get nor dnf is there to install it")
        if not (self._root / linux.SERVER).exists():
            raise CannotPrepare("the package was installed, but /usr/sbin/xrdp is not there")

    async def _install_by_apt(self) -> None:
        wanted = ("install", "-y", "-q", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", *PACKAGES)
        planned = await self._run(("apt-get", "-s", *wanted))
        if planned.code != 0:
            self._say("reading the lists of packages anew")
            must(await self._run(("apt-get", "update", "-q")), "apt-get update failed")
            planned = must(await self._run(("apt-get", "-s", *wanted)), "apt-get cannot install xrdp")
        names = [name for name in _INST.findall(planned.output) if _NAME.fullmatch(name)]
        missing = [name for name in names if not await self._dpkg_knows(name)]
        self._changes.intend(Change("apt", f"installed {', '.join(missing)}", {"packages": missing}))
        self._say(f"installing {', '.join(missing)} by apt-get")
        policy = self._root / POLICY
        hold = Change("hold", "no package starts a service while xrdp is installed", {})
        held = not policy.exists()
        if held:
            self._changes.intend(hold)
            write_atomic(policy, _POLICY_TEXT.encode(), mode=0o755)
        try:
            done = await self._run(("apt-get", *wanted))
        finally:
            if held:
                self._let_services_start()
        must(done, "apt-get could not install xrdp")

    def _remove_hold(self) -> None:
        policy = self._root / POLICY
        if linux.text_of(policy) == _POLICY_TEXT:
            policy.unlink(missing_ok=True)

    async def _dpkg_knows(self, name: str) -> bool:
        done = await self._run(("dpkg-query", "-W", "-f", "${db:Status-Status}", name))
        return done.code == 0 and done.output.strip() not in {"", "not-installed"}

    # --- configuration

    def _choose_address(self, *, open_network: bool, reached: str) -> bool:
        """Keep what could be reached as it is; what could not is opened to this machine alone, or as asked."""
        path = self._root / linux.INI
        try:
            ini = path.read_bytes().decode("utf-8", "surrogateescape")
        except OSError as error:
            raise CannotPrepare(f"/{linux.INI} cannot be read ({error})") from error
        local = all(listen.host.startswith("127.") or listen.host == "::1" for listen in linux.listens_of(ini))
        if (open_network and not local) or (not open_network and (local or reached == "network")):
            return False
        value = ANYWHERE if open_network else LOOPBACK
        self._write(path, linux.with_port(ini, value).encode("utf-8", "surrogateescape"))
        self._say(f"xrdp listens on {'every address' if open_network else 'this machine alone'} (port={value})")
        return True

    def _write(self, path: Path, data: bytes) -> None:
        found = path.stat()
        before = {
            "path": path.relative_to(self._root).as_posix(),
            "data": base64.b64encode(path.read_bytes()).decode(),
            "mode": found.st_mode & 0o7777,
            "owner": [found.st_uid, found.st_gid],
        }
        what = f"changed /{before['path']}"
        self._changes.intend(Change("file", what, before, (hashlib.sha256(data).hexdigest(),)))
        write_atomic(path, data, mode=found.st_mode & 0o7777)
        os.chown(path, found.st_uid, found.st_gid)

    async def _let_read_key(self) -> bool:
        """Debian's package leaves its own key unreadable to itself: the key is for the group ``ssl-cert``."""
        ini = linux.text_of(self._root / linux.INI)
        account = linux.account_of(self._root)
        key = self._root / (linux.setting(ini, "key_file") or "/etc/xrdp/key.pem").lstrip("/")
        group = "ssl-cert"
        named = any(line.startswith(f"{group}:") for line in linux.text_of(self._root / "etc/group").splitlines())
        snakeoil = "ssl-cert-snakeoil" in str(key.resolve())
        if account == "root" or not snakeoil or not named or linux.readable(self._root, key, account):
            return False
        self._changes.intend(
            Change("group", f"{account} joined the group {group}", {"account": account, "group": group})
        )
        must(await self._run(("usermod", "-a", "-G", group, account)), "xrdp could not be let read its TLS key")
        self._say(f"{account} may read its TLS key (group {group})")
        return True

    # --- service

    async def _start(self, *, again: bool) -> None:
        names = linux.names_of_processes(self._root)
        running = {"xrdp", "xrdp-sesman"} <= names
        enabled = linux.starts_with_system(self._root)
        if running and enabled and not again:
            return
        before = {"running": running, "enabled": enabled, "sesman": "xrdp-sesman" in names}
        self._changes.intend(Change("service", "started xrdp", before))
        self._say("starting xrdp again" if running else "starting xrdp")
        if linux.has_systemd(self._root):
            if not enabled:
                must(await self._run(("systemctl", "enable", *UNITS)), "xrdp could not be enabled")
            verb = "restart" if again and running else "start"
            must(await self._run(("systemctl", verb, "xrdp.service")), "xrdp could not be started")
        else:
            await self._init_script("restart" if again and running else "start")

    async def _init_script(self, verb: str) -> None:
        script = self._root / "etc/init.d/xrdp"
        if not script.exists():
            raise CannotPrepare("neither systemd nor /etc/init.d/xrdp is there to start xrdp")
        must(await self._run((str(script), verb)), f"/etc/init.d/xrdp {verb} failed")
        collect_ended(self._root)

    async def _until_listening(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LISTEN_SECONDS
        while loop.time() < deadline:
            report = linux.look_linux(self._root, privileged=True)
            if report.listening:
                self._say(f"xrdp listens on {', '.join(report.listening)} port {report.port}")
                return
            await asyncio.sleep(0.1)
        log = linux.text_of(self._root / "var/log/xrdp.log").strip().splitlines()[-1:]
        raise CannotPrepare(f"xrdp was started but does not listen; /var/log/xrdp.log ends with: {''.join(log)[-300:]}")

    # --- firewall

    async def _open_firewall(self) -> None:
        rule = f"{RDP_PORT}/tcp"
        walls = list(linux.firewalls(self._root))
        for wall in walls:
            if wall == "ufw":
                if re.search(rf"^{rule}\s+ALLOW", (await self._run(("ufw", "status"))).output, re.MULTILINE):
                    continue
                self._changes.intend(Change("ufw", f"ufw lets {rule} in", {"rule": rule}))
                must(await self._run(("ufw", "allow", rule)), "ufw would not open the port")
            else:
                query = ("firewall-cmd", "--permanent", f"--query-port={rule}")
                if (await self._run(query)).code == 0:
                    continue
                self._changes.intend(Change("firewalld", f"firewalld lets {rule} in", {"rule": rule}))
                for command in (("--permanent", f"--add-port={rule}"), (f"--add-port={rule}",)):
                    must(await self._run(("firewall-cmd", *command)), "firewalld would not open the port")
            self._say(f"{wall} lets {rule} in")
        if not walls:
            self._say("neither ufw nor firewalld is in force here; another firewall has to be opened by hand")

    # --- undoing

    async def _undo(self, change: Change) -> None:  # noqa: PLR0912  # one case for each kind
        before = change.before
        match change.kind:
            case "apt":
                present = [name for name in before["packages"] if await self._dpkg_knows(name)]
                if present:
                    must_undo(await self._run(("apt-get", "purge", "-y", "-q", "-o", "Dpkg::Use-Pty=0", *present)))
            case "dnf":
                present = [name for name in before["packages"] if (await self._run(("rpm", "-q", name))).code == 0]
                if present:
                    must_undo(await self._run(("dnf", "remove", "-y", "-q", *present)))
            case "hold":
                self._remove_hold()
            case "file":
                self._undo_file(change)
            case "group":
                if linux.account_of(self._root) == before["account"]:
                    must_undo(await self._run(("gpasswd", "-d", before["account"], before["group"])))
            case "service":
                await self._undo_service(change)
            case "ufw":
                must_undo(await self._run(("ufw", "delete", "allow", before["rule"])))
            case "firewalld":
                for words in (("--permanent", f"--remove-port={before['rule']}"), (f"--remove-port={before['rule']}",)):
                    must_undo(await self._run(("firewall-cmd", *words)))
            case _:
                raise CannotUndo("this version of the agent does not know how")

    def _undo_file(self, change: Change) -> None:
        path = self._root / change.before["path"]
        data = base64.b64decode(change.before["data"])
        try:
            now = path.read_bytes()
        except FileNotFoundError:
            raise CannotUndo("the file is gone") from None
        if now == data:
            return
        if hashlib.sha256(now).hexdigest() not in change.ours:
            raise CannotUndo("somebody changed the file since; it stays as it is")
        write_atomic(path, data, mode=change.before["mode"])
        os.chown(path, *change.before["owner"])

    async def _undo_service(self, change: Change) -> None:
        before = change.before
        systemd = linux.has_systemd(self._root)
        if not (self._root / linux.SERVER).exists():
            return
        if systemd:
            if not before["enabled"]:
                must_undo(await self._run(("systemctl", "disable", *UNITS)))
            verb = "restart" if before["running"] else "stop"
            must_undo(await self._run(("systemctl", verb, "xrdp.service")))
            if not before["running"]:
                must_undo(await self._run(("systemctl", "stop", "xrdp-sesman.service")))
            return
        script = self._root / "etc/init.d/xrdp"
        if script.exists():
            must_undo(await self._run((str(script), "restart" if before["running"] else "stop")))
            collect_ended(self._root)


def collect_ended(root: Path) -> None:
    """Daemons that an init script starts become ours, as every orphan below the agent does: so we bury them too."""
    for process in (root / "proc").glob("[0-9]*"):
        if linux.text_of(process / "comm", limit=64).strip() in {"xrdp", "xrdp-sesman"} and linux.has_ended(process):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(int(process.name), os.WNOHANG)
