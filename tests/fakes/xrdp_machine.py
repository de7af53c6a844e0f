"""A Debian that lies in a folder: files, /proc and the answers of its programs, recorded from a real one.

``run`` stands in for ``remote_desktop.running.run_program``: it notes what was asked for, and does to the files what
apt-get, the init script and their like do (Debian 12, xrdp 0.9.21.1-1+deb12u3, without systemd).
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from borealis_agent.capabilities.remote_desktop.linux import listens_of
from borealis_agent.capabilities.remote_desktop.running import Done

XRDP_INI = """[Globals]
; xrdp.ini file version number
ini_version=1
fork=true
; ports to listen on, number alone means listen on all interfaces
port=3389
security_layer=negotiate
certificate=
key_file=

[Xorg]
name=Xorg
port=-1
"""
SESMAN_INI = "[Globals]\nListenAddress=127.0.0.1\nListenPort=3350\nDefaultWindowManager=startwm.sh\n"
STARTWM = "#!/bin/sh\ntest -x /etc/X11/Xsession && exec /etc/X11/Xsession\nexec /bin/sh /etc/X11/Xsession\n"
PASSWD = "root:x:0:0:root:/root:/bin/bash\n"
GID = os.getegid() if hasattr(os, "getegid") else 0
"""The group of the key: of whatever this test writes."""
GROUP = f"root:x:0:\nssl-cert:x:{GID}:\n"
NET_HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
PLANNED = """NOTE: This is only a simulation!
Inst libfuse2 (2.9.9-6+b1 Debian:12.15/oldstable [amd64])
Inst xrdp (0.9.21.1-1+deb12u3 Debian-Security:12/oldstable-security [amd64])
Inst xorgxrdp (1:0.9.19-1 Debian:12.15/oldstable [amd64])
Conf xrdp (0.9.21.1-1+deb12u3 Debian-Security:12/oldstable-security [amd64])
"""
PACKAGES = ("libfuse2", "xrdp", "xorgxrdp")
SERVER_FILES = ("usr/sbin/xrdp", "usr/lib/xorg/modules/libxorgxrdp.so", "etc/init.d/xrdp")


class XrdpMachine:
    """``fails``: words of a command that this machine refuses."""

    def __init__(self, root: Path, *, systemd: bool = False, firewall: str = "") -> None:
        self.root = root
        self.ran: list[str] = []
        self.fails = ""
        self.installed: set[str] = set()
        self.rules: set[str] = set()
        self.held: list[bool] = []
        if (root / "etc/passwd").exists():
            self.installed = set((root / "installed").read_text().split())
            return
        self.write("etc/passwd", PASSWD)
        self.write("etc/group", GROUP)
        self.write("etc/ssl/private/ssl-cert-snakeoil.key", "key")
        self.write("etc/ssl/certs/ssl-cert-snakeoil.pem", "certificate")
        self.write("usr/bin/apt-get", "")
        self.write("proc/net/tcp", NET_HEADER)
        self.write("proc/1/comm", "systemd\n" if systemd else "init\n")
        self.write("etc/X11/Xsession", "")
        self.write("usr/bin/xfce4-session", "")
        self.write("usr/share/xsessions/xfce.desktop", "[Desktop Entry]\n")
        (root / "etc/alternatives").mkdir()
        (root / "etc/alternatives/x-session-manager").symlink_to("/usr/bin/xfce4-session")
        (root / "usr/sbin").mkdir(parents=True)
        if systemd:
            (root / "run/systemd/system").mkdir(parents=True)
        if firewall == "ufw":
            self.write("etc/ufw/ufw.conf", "ENABLED=yes\n")
        if firewall == "firewalld":
            self.write("usr/bin/firewall-cmd", "")
            self.write("proc/77/comm", "firewalld\n")
        self._keep()

    def write(self, place: str, text: str) -> None:
        """A file."""
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def files(self) -> dict[str, bytes]:
        """Every file's content, for comparing."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and path.name not in {"installed", "changes.json"}
        }

    async def run(self, command: Sequence[str]) -> Done:
        """One program."""
        line = " ".join(command).replace(str(self.root), "")
        self.ran.append(line)
        if self.fails and self.fails in line:
            return Done(100, "E: it does not want to")
        done = self._answer([line.split()[0], *command[1:]], line)
        self._keep()
        return done

    def _answer(self, words: list[str], line: str) -> Done:
        match words[0]:
            case "apt-get" if "-s" in words:
                return Done(0, PLANNED)
            case "apt-get" if "install" in words:
                return self._install()
            case "apt-get" if "purge" in words:
                return self._purge(words)
            case "dpkg-query":
                known = words[-1] in self.installed
                return Done(0 if known else 1, "installed" if known else "dpkg-query: no packages found")
            case "usermod":
                return self._group(f"ssl-cert:x:{GID}:", f"ssl-cert:x:{GID}:xrdp")
            case "gpasswd":
                return self._group(f"ssl-cert:x:{GID}:xrdp", f"ssl-cert:x:{GID}:")
            case "systemctl" | "/etc/init.d/xrdp":
                return self._service(words[1], line)
            case "ufw" | "firewall-cmd":
                return self._firewall(words, line)
        return Done(0, "")

    def _install(self) -> Done:
        policy = self.root / "usr/sbin/policy-rc.d"
        self.held.append(policy.exists() and os.access(policy, os.X_OK))
        self.installed.update(PACKAGES)
        for place in SERVER_FILES:
            self.write(place, "")
        self.write("etc/xrdp/xrdp.ini", XRDP_INI)
        self.write("etc/xrdp/sesman.ini", SESMAN_INI)
        self.write("etc/xrdp/startwm.sh", STARTWM)
        (self.root / "etc/xrdp/cert.pem").symlink_to(self.root / "etc/ssl/certs/ssl-cert-snakeoil.pem")
        (self.root / "etc/xrdp/key.pem").symlink_to(self.root / "etc/ssl/private/ssl-cert-snakeoil.key")
        (self.root / "etc/ssl/private").chmod(0o710)
        self.write("etc/passwd", f"{PASSWD}xrdp:x:118:124::/run/xrdp:/usr/sbin/nologin\n")
        if not self.held[-1]:
            self._service("start", "")
        return Done(0, "Setting up xrdp (0.9.21.1-1+deb12u3) ...")

    def _purge(self, words: list[str]) -> Done:
        self.installed -= set(words)
        (self.root / "etc/ssl/private").chmod(0o755)
        for place in (*SERVER_FILES, "etc/xrdp/xrdp.ini", "etc/xrdp/sesman.ini", "etc/xrdp/startwm.sh"):
            (self.root / place).unlink(missing_ok=True)
        for place in ("cert.pem", "key.pem"):
            (self.root / "etc/xrdp" / place).unlink(missing_ok=True)
        self.write("etc/passwd", PASSWD)
        return Done(0, "Purging configuration files for xrdp ...")

    def _group(self, old: str, new: str) -> Done:
        path = self.root / "etc/group"
        path.write_text(re.sub(rf"^{re.escape(old)}$", new, path.read_text(), flags=re.MULTILINE))
        return Done(0, "")

    def _service(self, verb: str, line: str) -> Done:
        if verb in {"enable", "disable"}:
            link = self.root / "etc/systemd/system/multi-user.target.wants/xrdp.service"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            if verb == "enable":
                link.symlink_to("/lib/systemd/system/xrdp.service")
            return Done(0, "")
        for pid in ("501", "502"):
            (self.root / "proc" / pid / "comm").unlink(missing_ok=True)
        self.write("proc/net/tcp", NET_HEADER)
        if verb in {"start", "restart"}:
            self.write("proc/501/comm", "xrdp-sesman\n")
            self.write("proc/502/comm", "xrdp\n")
            (listen,) = listens_of((self.root / "etc/xrdp/xrdp.ini").read_text())
            address = "0100007F" if listen.host == "127.0.0.1" else "00000000"
            row = f"   0: {address}:{listen.port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 118\n"
            self.write("proc/net/tcp", NET_HEADER + row)
        return Done(0, "")

    def _firewall(self, words: list[str], line: str) -> Done:
        if words[:2] == ["ufw", "status"]:
            return Done(0, "Status: active\n" + "".join(f"{rule}    ALLOW    Anywhere\n" for rule in self.rules))
        rule = re.search(r"\d+/tcp", line)
        assert rule is not None
        if "query" in line:
            return Done(0 if rule[0] in self.rules else 1, "")
        self.rules = self.rules - {rule[0]} if "delete" in line or "remove" in line else self.rules | {rule[0]}
        return Done(0, "Rule added")

    def _keep(self) -> None:
        self.write("installed", " ".join(sorted(self.installed)))
