"""Services that start with the machine, and updates that wait."""

from typing import Any, Final

from borealis_agent.capabilities.inventory.dpkg import unfinished_packages
from borealis_agent.capabilities.inventory.source import Source, whole
from borealis_agent.capabilities.inventory.system import utc_text

_MAX_UNITS: Final = 5000
_SLICE: Final = ("/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/systemd/system.slice")


def services(source: Source) -> dict[str, Any]:
    """The section ``services``: what starts by itself, read from the links that enable it."""
    systemd = source.is_folder("/run/systemd/system")
    units = {
        unit
        for folder in source.names("/etc/systemd/system")
        if folder.endswith((".wants", ".requires"))
        for unit in source.names(f"/etc/systemd/system/{folder}")
    }
    scripts = {
        name[3:]
        for level in "2345"
        for name in source.names(f"/etc/rc{level}.d")
        if name.startswith("S") and name[1:3].isdecimal()
    }
    enabled = sorted(
        {unit[: -len(".service")] for unit in units if unit.endswith(".service")} | (set() if systemd else scripts)
    )
    return {
        "manager": "systemd" if systemd else source.line("/proc/1/comm"),
        "enabled": enabled[:_MAX_UNITS],
        "enabled_count": len(enabled),
        "timers": sorted(unit[: -len(".timer")] for unit in units if unit.endswith(".timer"))[:_MAX_UNITS],
        "running_count": next((count for count in (_running(source, folder) for folder in _SLICE) if count), 0),
        "cron_files": sum(
            len(source.names(f"/etc/cron.{name}")) for name in ("d", "hourly", "daily", "weekly", "monthly")
        ),
    }


def _running(source: Source, folder: str) -> int:
    return sum(name.endswith(".service") for name in source.names(folder))


def updates(source: Source) -> dict[str, Any]:
    """The section ``updates``, from what the system's own update services left behind; nothing is looked up anew."""
    pending, security = _available(source.text("/var/lib/update-notifier/updates-available"))
    refreshed = source.modified("/var/lib/apt/periodic/update-success-stamp") or source.modified("/var/lib/apt/lists")
    refreshed = refreshed or source.modified("/var/cache/dnf/last_makecache")
    changed = source.modified("/var/lib/dpkg/status") or source.modified("/var/lib/rpm/rpmdb.sqlite")
    packages = source.text("/run/reboot-required.pkgs").split()
    return {
        "pending": pending,
        "pending_security": security,
        "lists_refreshed_at": utc_text(refreshed) if refreshed else "",
        "packages_changed_at": utc_text(changed) if changed else "",
        "reboot_required": source.exists("/run/reboot-required") or _other_kernel(source),
        "reboot_required_by": sorted(set(packages))[:200],
        "unfinished": unfinished_packages(source),
        "automatic": 'Unattended-Upgrade "1"' in source.text("/etc/apt/apt.conf.d/20auto-upgrades"),
        "sources": _package_sources(source),
    }


def _available(text: str) -> tuple[int | None, int | None]:
    """The first numbers of the two sentences that update-notifier writes."""
    pending = security = None
    for line in text.splitlines():
        number = whole(line.split(" ", 1)[0])
        if number is not None and "security" in line:
            security = number
        elif number is not None and pending is None:
            pending = number
    return pending, security


def _other_kernel(source: Source) -> bool:
    """Whether the running kernel's modules are gone: a newer one was installed over it."""
    installed = source.names("/lib/modules")
    release = source.line("/proc/sys/kernel/osrelease")
    return bool(installed and release and release not in installed and source.text("/proc/modules", 4096))


def _package_sources(source: Source) -> list[str]:
    """Host names that packages come from; paths and credentials are left out."""
    texts = [source.text("/etc/apt/sources.list")]
    for folder in ("/etc/apt/sources.list.d", "/etc/yum.repos.d"):
        texts += [source.text(f"{folder}/{name}") for name in source.names(folder)[:200]]
    hosts = set()
    for text in texts:
        for line in text.splitlines():
            if "://" not in line or line.lstrip().startswith("#"):
                continue
            for word in line.replace("=", " ").split():
                scheme, separator, rest = word.partition("://")
                if separator and scheme.endswith(("http", "https")):
                    hosts.add(rest.split("/", 1)[0].rpartition("@")[2].lower())
    return sorted(hosts)[:100]
