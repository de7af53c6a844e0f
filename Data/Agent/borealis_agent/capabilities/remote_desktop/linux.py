"""A look at xrdp on Linux: files and /proc alone, no program is started; works without systemd."""

import contextlib
import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from borealis_agent.capabilities.remote_desktop.report import RDP_PORT, Report, reach_of

INI: Final = "etc/xrdp/xrdp.ini"
SESMAN_INI: Final = "etc/xrdp/sesman.ini"
SERVER: Final = "usr/sbin/xrdp"
BACKENDS: Final = (
    "usr/lib/xorg/modules/libxorgxrdp.so",
    "usr/lib64/xorg/modules/libxorgxrdp.so",
    "usr/bin/Xvnc",
    "usr/bin/Xtigervnc",
)
MANAGERS: Final = {"usr/bin/apt-get": "apt-get", "usr/bin/dnf": "dnf"}
_LISTEN: Final = "0A"
_PORT: Final = re.compile(r"(?:tcp6?://)?(?:(?P<host>[0-9.]*|\{[^}]*\}|\[[^\]]*\]):)?(?P<port>[0-9]{1,5})")
_PORT_LINE: Final = re.compile(r"^[ \t]*port[ \t]*=[ \t]*(?P<value>[^\r\n]*?)[ \t]*$", re.MULTILINE | re.IGNORECASE)
_SECTION: Final = re.compile(r"^[ \t]*\[(?P<name>[^\]]+)\]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Listen:
    """Where xrdp is told to listen. An empty ``host`` is every address."""

    host: str
    port: int


def look_linux(root: Path = Path("/"), *, privileged: bool) -> Report:
    """What is there. Never raises: what cannot be read is as if it were not there."""
    installed = (root / SERVER).exists()
    ini = text_of(root / INI)
    listens = listens_of(ini)
    port = listens[0].port if listens else RDP_PORT
    names = names_of_processes(root)
    running, broker = "xrdp" in names, "xrdp-sesman" in names
    addresses = tuple(sorted({address for address, number in listening(root) if number == port})) if running else ()
    manager = next((name for path, name in MANAGERS.items() if (root / path).exists()), "")
    cannot = cannot_prepare(installed=installed, manager=manager, privileged=privileged)
    encryption, certificate, trouble = tls(root, ini) if installed else ("", "", "")
    session, sessions = session_of(root)
    problems = []
    if not installed:
        problems.append("xrdp is not installed")
    else:
        if not running or not broker:
            problems.append(f"{'xrdp' if not running else 'xrdp-sesman'} does not run")
        elif not addresses:
            problems.append(f"nothing listens on port {port}")
        if trouble:
            problems.append(trouble)
        if not any((root / path).exists() for path in BACKENDS):
            problems.append("no X server for sessions: the package xorgxrdp is missing")
        if not session:
            problems.append("no desktop is installed: who signs in would see nothing")
    return Report(
        system="linux",
        server="xrdp",
        installed=installed,
        version=version_of(root) if installed else "",
        running=running,
        starts_with_system=starts_with_system(root) if installed else None,
        port=port,
        listening=addresses,
        reach=reach_of(addresses),
        encryption=encryption,
        certificate=certificate,
        session=session,
        sessions=sessions,
        firewall=next(iter(firewalls(root)), ""),
        problems=tuple(problems),
        can_prepare=not cannot,
        cannot_prepare=cannot,
    )


def cannot_prepare(*, installed: bool, manager: str, privileged: bool) -> str:
    """Why it cannot be prepared here; empty where it can."""
    if not privileged:
        return "the agent does not run as root; install it as a service"
    if not installed and not manager:
        return "xrdp is not installed, and neither apt-get nor dnf is there to install it"
    return ""


def listens_of(ini: str) -> list[Listen]:
    """Where an ``xrdp.ini`` lets it listen on TCP; its default where it does not say."""
    value = port_value(ini)
    found = []
    for word in value.replace(",", " ").split():
        match = _PORT.fullmatch(word)
        if match and 0 < int(match["port"]) < 65536:
            found.append(Listen((match["host"] or "").strip("[]{}"), int(match["port"])))
    return found or ([] if "vsock" in value or "unix" in value else [Listen("", RDP_PORT)])


def port_value(ini: str) -> str:
    """The text of ``port=`` in ``[Globals]``."""
    match = _port_line(ini)
    return match["value"] if match else ""


def with_port(ini: str, value: str) -> str:
    """The same file with another ``port=`` in ``[Globals]``, and nothing else changed."""
    match = _port_line(ini)
    if match:
        return ini[: match.start("value")] + value + ini[match.end("value") :]
    section = next((item for item in _SECTION.finditer(ini) if item["name"].lower() == "globals"), None)
    if section is None:
        return f"[Globals]\nport={value}\n{ini}"
    return f"{ini[: section.end()]}\nport={value}{ini[section.end() :]}"


def _port_line(ini: str) -> re.Match[str] | None:
    sections = list(_SECTION.finditer(ini))
    for number, section in enumerate(sections):
        if section["name"].lower() == "globals":
            end = sections[number + 1].start() if number + 1 < len(sections) else len(ini)
            return _PORT_LINE.search(ini, section.end(), end)
    return None


def setting(ini: str, name: str) -> str:
    """A setting of ``[Globals]``, or of a file with one section."""
    match = re.search(rf"^[ \t]*{name}[ \t]*=[ \t]*([^\r\n#]*?)[ \t]*$", ini, re.MULTILINE | re.IGNORECASE)
    return match[1] if match else ""


def tls(root: Path, ini: str) -> tuple[str, str, str]:
    """How connections are encrypted, with which certificate, and what is wrong with that."""
    layer = (setting(ini, "security_layer") or "negotiate").lower()
    if layer == "rdp":
        return "rdp", "", "xrdp.ini turns TLS off (security_layer=rdp)"
    key = root / (setting(ini, "key_file") or "/etc/xrdp/key.pem").lstrip("/")
    certificate = root / (setting(ini, "certificate") or "/etc/xrdp/cert.pem").lstrip("/")
    shown = _within(root, certificate)
    if not certificate.exists() or not _exists(key):
        return layer, shown, "the TLS certificate or its key is missing: connections would not be encrypted by TLS"
    if not readable(root, key, account_of(root)):
        return layer, shown, f"{account_of(root)} may not read the TLS key: connections would not be encrypted by TLS"
    return layer, shown, ""


def account_of(root: Path) -> str:
    """The account that xrdp itself runs as."""
    return "xrdp" if any(line.startswith("xrdp:") for line in text_of(root / "etc/passwd").splitlines()) else "root"


def readable(root: Path, path: Path, account: str) -> bool:
    """Whether an account may read a file, by its folders too; as far as modes tell."""
    if account == "root":
        return True
    lines = [line.split(":") for line in text_of(root / "etc/passwd").splitlines()]
    fields = next((line for line in lines if line[0] == account), [])
    if len(fields) < 4 or not fields[2].isdigit() or not fields[3].isdigit():
        return False
    uid, groups = int(fields[2]), {int(fields[3]), *groups_of(root, account)}
    try:
        target = path.resolve()
        folders = [folder for folder in target.parents if folder == root or root in folder.parents]
        return all(_may(folder, uid, groups, 1) for folder in folders) and _may(target, uid, groups, 4)
    except OSError:
        return False


def groups_of(root: Path, account: str) -> set[int]:
    """Numbers of the groups that list an account."""
    found = set()
    for line in text_of(root / "etc/group").splitlines():
        fields = line.split(":")
        if len(fields) == 4 and fields[2].isdigit() and account in fields[3].split(","):
            found.add(int(fields[2]))
    return found


def _may(path: Path, uid: int, groups: set[int], bit: int) -> bool:
    found = path.stat()
    shift = 6 if found.st_uid == uid else 3 if found.st_gid in groups else 0
    return bool(found.st_mode >> shift & bit)


def session_of(root: Path) -> tuple[str, tuple[str, ...]]:
    """What a user sees who signs in, and the names of the desktops that are installed."""
    sessions = tuple(sorted(path.stem for path in _listed(root / "usr/share/xsessions") if path.suffix == ".desktop"))
    manager = setting(text_of(root / SESMAN_INI), "DefaultWindowManager") or "startwm.sh"
    script = root / (manager.lstrip("/") if manager.startswith("/") else f"etc/xrdp/{manager}")
    starts = text_of(script)
    if starts and "Xsession" not in starts:
        return _within(root, script), sessions  # somebody wrote their own
    for kind in ("x-session-manager", "x-window-manager", "x-terminal-emulator"):
        link = root / "etc/alternatives" / kind
        with contextlib.suppress(OSError):
            target = link.readlink()
            if (root / str(target).lstrip("/")).exists():
                return target.name, sessions
    return (sessions[0] if sessions else ""), sessions


def version_of(root: Path) -> str:
    """The package's version, by dpkg's own list; empty where another manager keeps it."""
    text = text_of(root / "var/lib/dpkg/status", limit=64 * 1024 * 1024)
    start = text.find("\nPackage: xrdp\n")
    match = re.search(r"^Version: (.+)$", text[start + 1 : start + 4000], re.MULTILINE) if start >= 0 else None
    return match[1] if match else ""


def starts_with_system(root: Path) -> bool:
    """Whether xrdp comes up with the machine: by systemd's links, or by init's."""
    units = root / "etc/systemd/system/multi-user.target.wants/xrdp.service"
    links = [path for level in ("rc2.d", "rc3.d", "rc5.d") for path in _listed(root / "etc" / level)]
    return units.is_symlink() or (
        not has_systemd(root) and any(re.fullmatch(r"S\d\dxrdp", path.name) for path in links)
    )


def has_systemd(root: Path) -> bool:
    """Whether systemd runs this machine now."""
    return (root / "run/systemd/system").is_dir()


def firewalls(root: Path) -> Iterator[str]:
    """Firewalls that can be told about a port."""
    if re.search(r"^ENABLED=yes", text_of(root / "etc/ufw/ufw.conf"), re.MULTILINE):
        yield "ufw"
    if (root / "usr/bin/firewall-cmd").exists() and "firewalld" in names_of_processes(root):
        yield "firewalld"


def listening(root: Path) -> Iterator[tuple[str, int]]:
    """Addresses and ports that somebody listens on by TCP."""
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in text_of(root / "proc/net" / name, limit=4 * 1024 * 1024).splitlines()[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == _LISTEN:
                address, _, port = fields[1].partition(":")
                with contextlib.suppress(ValueError, struct.error):
                    yield _address(address, family), int(port, 16)


def _address(text: str, family: int) -> str:
    """/proc writes addresses as 32-bit words in the machine's own order."""
    raw = bytes.fromhex(text)
    words = struct.unpack(f"={len(raw) // 4}I", raw)
    return socket.inet_ntop(family, struct.pack(f">{len(words)}I", *words))


def names_of_processes(root: Path) -> frozenset[str]:
    """The names of all that runs; what has ended and was not collected yet does not."""
    processes = [path for path in _listed(root / "proc") if path.name.isdigit()]
    return frozenset(text_of(path / "comm", limit=64).strip() for path in processes if not has_ended(path))


def has_ended(process: Path) -> bool:
    """Whether a folder of /proc is of a process that only waits to be collected by its parent."""
    return text_of(process / "stat", limit=512).rpartition(")")[2].split()[:1] in (["Z"], ["X"])


def text_of(path: Path, *, limit: int = 1024 * 1024) -> str:
    """A file's text; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(limit).decode("utf-8", "replace")
    except OSError:
        return ""


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _exists(path: Path) -> bool:
    """Whether something is there, even where we may not look behind it."""
    return path.is_symlink() or path.exists()


def _within(root: Path, path: Path) -> str:
    return f"/{path.relative_to(root).as_posix()}"
