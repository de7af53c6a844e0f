"""Basics of a Windows machine: names, system, processor, memory, drives, uptime, installed software."""

import os
import sys
import time
from typing import Any

from borealis_agent.capabilities.inventory.linux import Collected, Fence
from borealis_agent.capabilities.inventory.summary import summary
from borealis_agent.capabilities.inventory.system import utc_text
from borealis_agent.capabilities.inventory.windows_software import installed_software


def collect_windows(external_ip: str = "") -> Collected:
    """The sections that are known here. Never raises."""
    fence = Fence()
    uptime = fence("uptime", 0.0, _uptime)
    details: dict[str, Any] = {
        "summary": {},
        "cpu": fence("cpu", {}, _cpu),
        "memory": [],
        "storage": fence("storage", [], _drives),
        "network": [],
        "software": fence("software", [], installed_software),
        "os": fence("os", {}, _system),
        "hardware": fence("hardware", {}, _hardware),
        "memory_totals": fence("memory totals", {}, _memory),
        "state": {"uptime_seconds": int(uptime)},
    }
    name = os.environ.get("COMPUTERNAME", "")
    domain = os.environ.get("USERDOMAIN", "")
    user = os.environ.get("USERNAME", "")
    facts = details | {
        "names": {"hostname": name, "domain": domain, "fqdn": name},
        "device_type": "Server" if "Server" in details["os"].get("pretty_name", "") else "Workstation",
        "internal_ip": "",
        "external_ip": external_ip,
        "last_reboot": utc_text(time.time() - uptime) if uptime else "",
        "last_user": "",
        "username": user,
        "uptime": uptime,
    }
    details["summary"] = fence("summary", {}, summary, facts)
    known = {name: value for name, value in details.items() if value}
    return Collected(details, fence.notes, fence.complete(known))


if sys.platform == "win32":
    import ctypes
    import winreg

    def _registry(path: str, name: str) -> str:
        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:
                return str(winreg.QueryValueEx(key, name)[0]).strip()
        except OSError:
            return ""

    def _uptime() -> float:
        ctypes.windll.kernel32.GetTickCount64.restype = ctypes.c_ulonglong
        return float(ctypes.windll.kernel32.GetTickCount64()) / 1000

    def _cpu() -> dict[str, Any]:
        key = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
        megahertz = _registry(key, "~MHz")
        hardware = _hardware()["system"]
        return {
            "name": _registry(key, "ProcessorNameString"),
            "base_clock_ghz": round(int(megahertz) / 1000, 2) if megahertz.isdecimal() else 0.0,
            "logical_cores": os.cpu_count() or 1,
            "vendor": _registry(key, "VendorIdentifier"),
            "architecture": os.environ.get("PROCESSOR_ARCHITECTURE", ""),
            "system_manufacturer": hardware["manufacturer"],
            "system_model": hardware["product"],
        }

    def _system() -> dict[str, Any]:
        key = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
        version = sys.getwindowsversion()
        build = f"{version.major}.{version.minor}.{version.build}"
        display = _registry(key, "DisplayVersion")
        name = _registry(key, "ProductName") or "Windows"
        # Windows 11 still calls itself 10 in the registry.
        if version.build >= 22000:
            name = name.replace("Windows 10", "Windows 11")
        return {
            "name": "Windows",
            "id": "windows",
            "pretty_name": f"{name} {display}".strip(),
            "version_id": build,
            "kernel": {"release": build, "architecture": os.environ.get("PROCESSOR_ARCHITECTURE", "")},
        }

    def _hardware() -> dict[str, Any]:
        key = r"HARDWARE\DESCRIPTION\System\BIOS"
        return {
            "system": {
                "manufacturer": _registry(key, "SystemManufacturer"),
                "product": _registry(key, "SystemProductName"),
            },
            "bios": {"vendor": _registry(key, "BIOSVendor"), "version": _registry(key, "BIOSVersion")},
        }

    class _MemoryStatus(ctypes.Structure):
        _fields_ = [
            ("dwLength", ctypes.c_ulong),
            ("dwMemoryLoad", ctypes.c_ulong),
            *(
                (name, ctypes.c_ulonglong)
                for name in ("total", "free", "page_total", "page_free", "v_total", "v_free", "extended")
            ),
        ]

    def _memory() -> dict[str, Any]:
        status = _MemoryStatus()
        status.dwLength = ctypes.sizeof(status)
        ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
        return {"total": int(status.total)}

    def _drives() -> list[dict[str, Any]]:
        import shutil

        kinds = {2: "Removable", 3: "Fixed Disk"}
        found = []
        for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ":
            kind = kinds.get(ctypes.windll.kernel32.GetDriveTypeW(f"{letter}:\\"))
            if kind is None:
                continue
            try:
                space = shutil.disk_usage(f"{letter}:\\")
            except OSError:
                continue
            usage = round(100 * space.used / space.total, 1) if space.total else 0.0
            found.append(
                {
                    "drive": f"{letter}:",
                    "disk_type": kind,
                    "usage": usage,
                    "total": space.total,
                    "free": space.free,
                    "used": space.used,
                }
            )
        return found

else:

    def _uptime() -> float:
        return 0.0

    def _cpu() -> dict[str, Any]:
        return {}

    def _system() -> dict[str, Any]:
        return {"pretty_name": sys.platform}

    def _hardware() -> dict[str, Any]:
        return {}

    def _memory() -> dict[str, Any]:
        return {}

    def _drives() -> list[dict[str, Any]]:
        return []
