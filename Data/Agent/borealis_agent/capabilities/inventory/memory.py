"""Memory modules, sizes and swap."""

from typing import Any, Final

from borealis_agent.capabilities.inventory import smbios
from borealis_agent.capabilities.inventory.hardware import Dmi
from borealis_agent.capabilities.inventory.source import Source, whole

_BLOCKS: Final = "/sys/devices/system/memory"


def meminfo(source: Source) -> dict[str, int]:
    """/proc/meminfo in bytes (counts of huge pages stay counts)."""
    found = {}
    for line in source.text("/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        value = whole(words[0]) if words else None
        if value is not None:
            found[name.strip()] = value * 1024 if len(words) > 1 else value
    return found


def modules(source: Source, dmi: Dmi) -> list[dict[str, Any]]:
    """The section ``memory``: upstream's ``slot``, ``speed`` (MT/s), ``serial``, ``capacity`` (bytes) and more.

    Where the firmware's tables cannot be read there is one entry for all of it.
    """
    found = smbios.memory_modules(dmi.structures)
    total = installed(source)
    if found or not total:
        return found
    return [{"slot": "System memory", "speed": 0, "serial": "", "capacity": total, "type": ""}]


def installed(source: Source) -> int:
    """Bytes of memory plugged in: the kernel's online blocks, else what it says is usable."""
    size = source.number(f"{_BLOCKS}/block_size_bytes", 16)
    blocks = source.numbered(_BLOCKS, "memory")
    if size and blocks and len(blocks) <= 4096:
        online = sum(source.line(f"{_BLOCKS}/{name}/state") == "online" for name in blocks)
        if online:
            return online * size
    return meminfo(source).get("MemTotal", 0)


def totals(source: Source, dmi: Dmi) -> dict[str, Any]:
    """What does not change while the machine runs; bytes."""
    info = meminfo(source)
    slots = smbios.memory_slots(dmi.structures)
    return {
        "total": info.get("MemTotal", 0),
        "installed": installed(source),
        "swap_total": info.get("SwapTotal", 0),
        "slots": slots,
        "slots_filled": len(smbios.memory_modules(dmi.structures)) if slots else 0,
        "huge_page_size": info.get("Hugepagesize", 0),
        "huge_pages": info.get("HugePages_Total", 0),
        "transparent_huge_pages": _chosen(source.line("/sys/kernel/mm/transparent_hugepage/enabled")),
        "swaps": _swaps(source),
    }


def _chosen(text: str) -> str:
    """``always [madvise] never`` says madvise."""
    return text.partition("[")[2].partition("]")[0]


def _swaps(source: Source) -> list[dict[str, Any]]:
    found = []
    for line in source.text("/proc/swaps").splitlines()[1:]:
        words = line.split()
        if len(words) >= 5:
            found.append({"device": words[0], "type": words[1], "size": (whole(words[2]) or 0) * 1024})
    return found
