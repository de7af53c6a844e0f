"""Operating system, kernel, names, time, and what guards the machine."""

import hashlib
import os
import sys
import time
from typing import Any, Final

from borealis_agent.capabilities.inventory.memory import meminfo
from borealis_agent.capabilities.inventory.source import Source, whole

_RELEASE_FILES: Final = ("/etc/os-release", "/usr/lib/os-release")
_PATH: Final = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
_PACKAGE_MANAGERS: Final = ("apt-get", "dnf", "yum", "zypper", "pacman", "apk", "flatpak", "snap", "brew", "nix-env")
_INTERPRETERS: Final = ("bash", "sh", "python3", "perl", "pwsh", "node", "ruby", "php", "java", "ansible-playbook")
_MACHINE_ID_LABEL: Final = b"borealis-machine-id:"


def os_release(source: Source) -> dict[str, str]:
    """os-release(5) as it is written, quotes removed."""
    for path in _RELEASE_FILES:
        found = assignments(source.text(path))
        if found:
            return found
    return {}


def assignments(text: str) -> dict[str, str]:
    """Lines ``NAME=value`` or ``NAME="value"`` of a shell-like file; nothing is expanded."""
    found = {}
    for line in text.splitlines()[:1000]:
        name, separator, value = line.strip().partition("=")
        if not separator or not name or name.startswith("#"):
            continue
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1].replace('\\"', '"').replace("\\$", "$").replace("\\`", "`").replace("\\\\", "\\")
        found[name] = value
    return found


def operating_system(source: Source) -> dict[str, Any]:
    """The section ``os``."""
    release = os_release(source)
    name = release.get("NAME", "Linux")
    return {
        "name": name,
        "pretty_name": release.get("PRETTY_NAME", "") or f"{name} {release.get('VERSION', '')}".strip(),
        "id": release.get("ID", "linux"),
        "like": release.get("ID_LIKE", "").split(),
        "version": release.get("VERSION", ""),
        "version_id": release.get("VERSION_ID", "") or source.line("/etc/debian_version"),
        "codename": release.get("VERSION_CODENAME", ""),
        "variant": release.get("VARIANT", ""),
        "build": release.get("BUILD_ID", ""),
        "home_url": release.get("HOME_URL", ""),
        "support_end": release.get("SUPPORT_END", ""),
        "minor_version": source.line("/etc/debian_version"),
        "installed_at": _installed_at(source),
        "machine_id_sha256": machine_id_digest(source),
        "locale": _locale(source),
        "keyboard": assignments(source.text("/etc/default/keyboard")).get("XKBLAYOUT", ""),
        "init": source.line("/proc/1/comm"),
        "kernel": kernel(source),
        "time": time_settings(source),
        "boot_id": source.line("/proc/sys/kernel/random/boot_id"),
        "package_managers": [name for name in _PACKAGE_MANAGERS if _in_path(source, name)],
        "interpreters": {name: path for name in _INTERPRETERS if (path := _in_path(source, name))},
        "shells": _shells(source),
        "file_systems": _file_systems(source),
        "cgroups": 2 if source.exists("/sys/fs/cgroup/cgroup.controllers") else 1,
    }


def _in_path(source: Source, name: str) -> str:
    """Where a program lies, as scripts of jobs would find it."""
    return next((f"{folder}/{name}" for folder in _PATH if source.exists(f"{folder}/{name}")), "")


def _shells(source: Source) -> list[str]:
    lines = (line.strip() for line in source.text("/etc/shells").splitlines())
    return sorted({line for line in lines if line.startswith("/")})[:100]


def _file_systems(source: Source) -> list[str]:
    """Kinds of file systems on disks that the running kernel knows."""
    lines = source.text("/proc/filesystems").splitlines()
    return sorted(line.strip() for line in lines if line.startswith("\t") and line.strip())[:200]


def kernel(source: Source) -> dict[str, Any]:
    """The kernel. Its command line is left out: people put passwords there."""
    return {
        "name": source.line("/proc/sys/kernel/ostype"),
        "release": source.line("/proc/sys/kernel/osrelease"),
        "version": source.line("/proc/sys/kernel/version"),
        "architecture": architecture(source),
        "tainted": source.number("/proc/sys/kernel/tainted"),
        "modules_allowed": source.line("/proc/sys/kernel/modules_disabled") == "0",
        "installed": source.names("/lib/modules"),
    }


def architecture(source: Source) -> str:
    """``x86_64``, ``aarch64``: the kernel tells since 6.1, the C library always."""
    if sys.platform == "win32":
        return os.environ.get("PROCESSOR_ARCHITECTURE", "")
    return source.line("/proc/sys/kernel/arch") or os.uname().machine


def machine_id_digest(source: Source) -> str:
    """A digest that tells copied disk images apart from one machine; the id itself stays here (machine-id(5))."""
    raw = source.line("/etc/machine-id") or source.line("/var/lib/dbus/machine-id")
    return hashlib.sha256(_MACHINE_ID_LABEL + raw.encode()).hexdigest()[:32] if raw else ""


def _installed_at(source: Source) -> str:
    """When the system was set up, as the oldest of files that set-up writes and nobody touches."""
    paths = ("/var/log/installer/syslog", "/root/anaconda-ks.cfg", "/etc/machine-id", "/etc/hostname", "/lost+found")
    known = [when for when in map(source.modified, paths) if when]
    return utc_text(min(known)) if known else ""


def _locale(source: Source) -> str:
    for path in ("/etc/locale.conf", "/etc/default/locale"):
        found = assignments(source.text(path)).get("LANG", "")
        if found:
            return found
    return ""


def time_settings(source: Source) -> dict[str, Any]:
    """Time zone, offset now, and whether something keeps the clock."""
    zone = source.link("/etc/localtime").rpartition("zoneinfo/")[2] or source.line("/etc/timezone")
    offset = time.localtime(source.now()).tm_gmtoff
    daemons = (
        ("systemd-timesyncd", "/run/systemd/timesync/synchronized"),
        ("chrony", "/run/chrony/chronyd.pid"),
        ("ntp", "/run/ntpd.pid"),
    )
    return {
        "zone": zone or "UTC",
        "utc_offset_seconds": offset,
        "synchronised_by": next((name for name, path in daemons if source.exists(path)), ""),
        "clock_source": source.line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "hardware_clock_local": "LOCAL" in source.text("/etc/adjtime"),
    }


def names(source: Source) -> dict[str, str]:
    """Host name, domain and the two together."""
    hostname = source.line("/proc/sys/kernel/hostname")
    short, _, domain = hostname.partition(".")
    domain = domain or _domain(source, short)
    return {"hostname": hostname, "domain": domain, "fqdn": f"{short}.{domain}" if domain and short else hostname}


def _domain(source: Source, short: str) -> str:
    """The realm that the machine joined, the domain of its own name in /etc/hosts, or what resolv.conf searches."""
    for line in source.text("/etc/krb5.conf").splitlines():
        name, separator, value = line.partition("=")
        if separator and name.strip() == "default_realm":
            return value.strip().lower()
    for line in source.text("/etc/hosts").splitlines()[:1000]:
        for word in line.partition("#")[0].split()[1:]:
            host, _, domain = word.partition(".")
            if domain and short and host.casefold() == short.casefold():
                return domain
    kernel_domain = source.line("/proc/sys/kernel/domainname")
    if kernel_domain not in {"", "(none)"}:
        return kernel_domain
    for line in source.text("/etc/resolv.conf").splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] in {"domain", "search"} and words[1] != ".":
            return words[1]
    return ""


def boot_time(source: Source) -> float | None:
    """Unix seconds of the last boot. It wavers by a second as the clock is corrected."""
    for line in source.text("/proc/stat", 4 * 1024 * 1024).splitlines():
        if line.startswith("btime "):
            found = whole(line[6:].strip())
            return float(found) if found else None
    return None


def uptime(source: Source) -> float:
    """Seconds since boot, 0 where unknown."""
    try:
        return float((source.line("/proc/uptime").split() or ["0"])[0])
    except ValueError:
        return 0.0


def state(source: Source) -> dict[str, Any]:
    """The section ``state``: how it was at this moment. Never a reason to send."""
    load = source.line("/proc/loadavg").split()
    memory = meminfo(source)
    return {
        "uptime_seconds": int(uptime(source)),
        "load": load[:3],
        "processes": sum(name.isdecimal() for name in source.names("/proc")),
        "memory_available": memory.get("MemAvailable", 0),
        "memory_cached": memory.get("Cached", 0),
        "swap_free": memory.get("SwapFree", 0),
        "modules_loaded": source.text("/proc/modules", 4 * 1024 * 1024).count("\n"),
        "open_files": whole((source.line("/proc/sys/fs/file-nr").split() or [""])[0]),
    }


def security(source: Source) -> dict[str, Any]:
    """What guards the machine, as far as files tell."""
    enforce = source.line("/sys/fs/selinux/enforce")
    return {
        "selinux": {"1": "enforcing", "0": "permissive"}.get(enforce, "disabled"),
        "apparmor": source.line("/sys/module/apparmor/parameters/enabled") == "Y",
        "lockdown": source.line("/sys/kernel/security/lockdown").partition("[")[2].partition("]")[0],
        "fips": source.line("/proc/sys/crypto/fips_enabled") == "1",
        "address_randomisation": source.number("/proc/sys/kernel/randomize_va_space"),
        "ssh_host_keys": _ssh_host_keys(source),
        "certificates": sum(
            name.endswith((".crt", ".pem")) for name in source.names("/usr/local/share/ca-certificates")
        ),
        "security_modules": [name for name in source.line("/sys/kernel/security/lsm").split(",") if name],
        "ptrace_scope": source.number("/proc/sys/kernel/yama/ptrace_scope"),
        "dmesg_restricted": source.line("/proc/sys/kernel/dmesg_restrict") == "1",
        "unprivileged_bpf_disabled": source.number("/proc/sys/kernel/unprivileged_bpf_disabled"),
    }


def _ssh_host_keys(source: Source) -> list[dict[str, str]]:
    """Fingerprints as ``ssh-keygen -l`` prints them, so that an operator can compare."""
    import base64
    import binascii

    found = []
    for name in source.names("/etc/ssh"):
        if not (name.startswith("ssh_host_") and name.endswith(".pub")):
            continue
        words = source.line(f"/etc/ssh/{name}").split()
        try:
            digest = hashlib.sha256(base64.b64decode(words[1], validate=True)).digest()
        except (IndexError, binascii.Error, ValueError):
            continue
        found.append({"type": words[0], "sha256": base64.b64encode(digest).decode().rstrip("=")})
    return found


def utc_text(when: float) -> str:
    """``YYYY-MM-DD HH:MM:SS`` in UTC, upstream's form."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(when))
