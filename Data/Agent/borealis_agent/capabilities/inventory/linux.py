"""All collectors of a Linux machine, each in a fence of its own."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from borealis_agent.capabilities.inventory import (
    cpu,
    devices,
    hardware,
    memory,
    network,
    services,
    smbios,
    software,
    storage,
    system,
    users,
    virtualisation,
)
from borealis_agent.capabilities.inventory.source import Source
from borealis_agent.capabilities.inventory.summary import summary

_LIES_ON: Final = {"storage": "mounts", "gpu": "pci", "memory": "hardware", "virtualization": "hardware"}
"""Sections that are made from another one: where that failed, these say too little."""


class Collected(NamedTuple):
    """An inventory: ``details`` by section, ``notes`` for the health, ``complete``: sections read without trouble.

    What is empty in a complete section is really so; an Engine that keeps what it knows where a device says nothing
    (upstream-contract 3.2) would else keep a user signed in for ever.
    """

    details: dict[str, Any]
    notes: list[str]
    complete: list[str]


class Fence:
    """Runs collectors one by one: what one of them trips over costs its own section only.

    Attributes:
        notes: sentences for the role's health.
        failed: sections of which something could not be read.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.failed: set[str] = set()

    def __call__(self, section: str, empty: Any, collect: Callable[..., Any], *arguments: Any) -> Any:
        """The collector's result, or ``empty`` and a note."""
        try:
            return collect(*arguments)
        except Exception as error:  # noqa: BLE001  (a machine stranger than we know must still be inventoried)
            self.failed.add(section)
            self.notes.append(f"{section} could not be read: {type(error).__name__}: {error}"[:300])
            return empty

    def complete(self, details: dict[str, Any]) -> list[str]:
        """Sections that nothing failed in. Never the summary: it is made of many, and the Engine adds to it."""
        bad = self.failed | {name for name, below in _LIES_ON.items() if below in self.failed} | {"summary"}
        return [name for name in details if name not in bad]


def collect_linux(source: Source, external_ip: str = "") -> Collected:
    """The whole inventory. Never raises."""
    fence = Fence()
    dmi = fence("hardware", hardware.Dmi({}, [], 0), hardware.read_dmi, source)
    processor = fence("cpu", {}, cpu.cpu, source, dmi)
    virtual = fence("virtualization", {}, virtualisation.virtualisation, source, dmi, processor.get("flags", []))
    batteries = fence("hardware", [], hardware.batteries, source)
    adapters = fence("network", [], network.interfaces, source)
    routes = fence("routing", {}, network.routing, source)
    people = fence("users", {}, users.users, source)
    pci = fence("pci", [], devices.pci_devices, source)
    mounted = fence("mounts", [], storage.mounts, source)
    boot = fence("summary", None, system.boot_time, source)
    details: dict[str, Any] = {
        "summary": {},
        "cpu": processor,
        "memory": fence("memory", [], memory.modules, source, dmi),
        "storage": fence("storage", [], storage.file_systems, source, mounted),
        "network": adapters,
        "software": fence("software", [], software.software, source, fence.notes),
        "os": fence("os", {}, system.operating_system, source),
        "hardware": {
            **dmi.sections,
            "firmware": fence("hardware", {}, hardware.firmware, source),
            "initiators": fence("hardware", {}, storage.initiators, source),
            "batteries": batteries,
            "slots": fence("hardware", [], smbios.expansion_slots, dmi.structures),
        },
        "memory_totals": fence("memory totals", {}, memory.totals, source, dmi),
        "disks": fence("disks", [], storage.disks, source),
        "mounts": fence("mounts", [], storage.mount_table, mounted),
        "routing": routes,
        "listening": fence("listening", {}, network.listening, source),
        "pci": pci,
        "usb": fence("usb", [], devices.usb_devices, source),
        "gpu": fence("gpu", [], devices.graphics, source, pci),
        "users": people,
        "services": fence("services", {}, services.services, source),
        "updates": fence("updates", {}, services.updates, source),
        "security": fence("security", {}, system.security, source),
        "virtualization": virtual,
        "state": fence("state", {}, system.state, source),
    }
    facts = details | {
        "names": fence("summary", {}, system.names, source),
        "device_type": fence("summary", "", hardware.device_type, dmi, virtual, bool(batteries)),
        "internal_ip": fence("summary", "", network.internal_ip, adapters, routes),
        "external_ip": external_ip,
        "last_reboot": system.utc_text(boot) if boot else "",
        "last_user": users.signed_in_names(people),
        "username": fence("summary", "", _own_name, source),
        "uptime": fence("summary", 0.0, system.uptime, source),
    }
    details["summary"] = fence("summary", {}, summary, facts)
    fence.notes += [f"{path} is larger than what is read of it" for path in source.cut]
    return Collected(details, fence.notes, fence.complete(details))


def _own_name(source: Source) -> str:
    """The account that this agent works in."""
    status = source.text("/proc/self/status")
    number = next((line.split()[1] for line in status.splitlines() if line.startswith("Uid:")), "")
    for line in source.text("/etc/passwd", 4 * 1024 * 1024).splitlines():
        words = line.split(":")
        if len(words) > 2 and words[2] == number:
            return words[0]
    return number
