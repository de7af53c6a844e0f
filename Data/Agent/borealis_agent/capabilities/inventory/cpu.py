"""Processors: name, clock, sockets, cores, caches, what they can do and which flaws they have."""

from typing import Any, Final

from borealis_agent.capabilities.inventory import smbios
from borealis_agent.capabilities.inventory.hardware import Dmi
from borealis_agent.capabilities.inventory.source import LARGE, Source, whole
from borealis_agent.capabilities.inventory.system import architecture

_CPUS: Final = "/sys/devices/system/cpu"
_ARM_MAKERS: Final = {
    "0x41": "ARM",
    "0x42": "Broadcom",
    "0x43": "Cavium",
    "0x46": "Fujitsu",
    "0x48": "HiSilicon",
    "0x4e": "NVIDIA",
    "0x50": "Ampere",
    "0x51": "Qualcomm",
    "0x53": "Samsung",
    "0x61": "Apple",
    "0xc0": "Ampere",
}
_ARM_PARTS: Final = {
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd40": "Neoverse-V1",
    "0xd41": "Cortex-A78",
    "0xd49": "Neoverse-N2",
    "0xd4f": "Neoverse-V2",
}
_MAX_CPUS: Final = 4096


def cpu(source: Source, dmi: Dmi) -> dict[str, Any]:
    """The section ``cpu``; the first eight members have upstream's names."""
    blocks = _blocks(source.text("/proc/cpuinfo", LARGE))
    first = blocks[0] if blocks else {}
    online = _count_list(source.line(f"{_CPUS}/online")) or len(blocks) or 1
    sockets, cores = _topology(source, blocks)
    packages = smbios.processors(dmi.structures)
    return {
        "name": _name(first, source, packages),
        "base_clock_ghz": _base_clock(source, first, packages),
        "logical_cores": online,
        "physical_cores": cores or online,
        "system_manufacturer": dmi.get("system", "manufacturer"),
        "system_model": dmi.get("system", "product"),
        "system_model_raw": dmi.get("system", "product"),
        "system_serial_number": dmi.get("system", "serial"),
        "sockets": sockets or 1,
        "vendor": first.get("vendor_id", "") or _ARM_MAKERS.get(first.get("CPU implementer", ""), ""),
        "architecture": architecture(source),
        "family": whole(first.get("cpu family", "")),
        "model": whole(first.get("model", "")),
        "stepping": whole(first.get("stepping", "")),
        "microcode": first.get("microcode", ""),
        "bogomips": _decimal(first.get("bogomips", first.get("BogoMIPS", ""))),
        "address_sizes": first.get("address sizes", ""),
        "max_clock_ghz": _gigahertz(source.number(f"{_CPUS}/cpu0/cpufreq/cpuinfo_max_freq")),
        "min_clock_ghz": _gigahertz(source.number(f"{_CPUS}/cpu0/cpufreq/cpuinfo_min_freq")),
        "scaling_driver": source.line(f"{_CPUS}/cpu0/cpufreq/scaling_driver"),
        "scaling_governor": source.line(f"{_CPUS}/cpu0/cpufreq/scaling_governor"),
        "threads_per_core": max(1, round(online / cores)) if cores else 1,
        "possible_cores": _count_list(source.line(f"{_CPUS}/possible")),
        "numa_nodes": len(source.numbered("/sys/devices/system/node", "node")) or 1,
        "smt": source.line(f"{_CPUS}/smt/control"),
        "caches": _caches(source),
        "flags": sorted(set((first.get("flags") or first.get("Features") or "").split())),
        "bugs": sorted(set(first.get("bugs", "").split())),
        "vulnerabilities": {
            name: source.line(f"{_CPUS}/vulnerabilities/{name}") for name in source.names(f"{_CPUS}/vulnerabilities")
        },
        "packages": packages,
    }


def _blocks(text: str) -> list[dict[str, str]]:
    """One mapping for each processor of /proc/cpuinfo; long lists are read in the first one alone."""
    found: list[dict[str, str]] = []
    for block in text.split("\n\n")[:_MAX_CPUS]:
        members = {}
        for line in block.splitlines():
            name, _, value = line.partition(":")
            members[name.strip()] = value.strip()
        if "processor" in members or "CPU implementer" in members:
            found.append(members)
    return found


def _name(first: dict[str, str], source: Source, packages: list[dict[str, Any]]) -> str:
    named = first.get("model name") or first.get("cpu model") or first.get("cpu")
    if named:
        return " ".join(named.split())
    if packages and packages[0]["version"]:
        return str(packages[0]["version"])
    maker = _ARM_MAKERS.get(first.get("CPU implementer", ""), "")
    part = _ARM_PARTS.get(first.get("CPU part", ""), first.get("CPU part", ""))
    return " ".join(word for word in (maker, part) if word) or architecture(source)


def _base_clock(source: Source, first: dict[str, str], packages: list[dict[str, Any]]) -> float:
    """Nominal clock in GHz, from the steadiest source there is: what runs now changes from second to second."""
    _, _, after = first.get("model name", "").partition("@")
    if after.strip().endswith("GHz"):
        return _decimal(after.strip()[:-3])
    fixed = _gigahertz(source.number(f"{_CPUS}/cpu0/cpufreq/base_frequency"))
    if fixed:
        return fixed
    if packages and packages[0]["current_speed_mhz"]:
        return round(int(packages[0]["current_speed_mhz"]) / 1000, 2)
    highest = _gigahertz(source.number(f"{_CPUS}/cpu0/cpufreq/cpuinfo_max_freq"))
    return highest or round(_decimal(first.get("cpu MHz", "")) / 1000, 1)


def _gigahertz(kilohertz: int | None) -> float:
    return round(kilohertz / 1_000_000, 2) if kilohertz else 0.0


def _decimal(text: str) -> float:
    try:
        value = float(text.strip())
    except ValueError:
        return 0.0
    return round(value, 2) if 0 <= value < 1e9 else 0.0


def _topology(source: Source, blocks: list[dict[str, str]]) -> tuple[int, int]:
    """Sockets and physical cores; 0 where unknown."""
    pairs = {(block["physical id"], block["core id"]) for block in blocks if {"physical id", "core id"} <= block.keys()}
    if not pairs:
        for name in source.numbered(_CPUS, "cpu")[:_MAX_CPUS]:
            folder = f"{_CPUS}/{name}/topology"
            core = source.line(f"{folder}/core_id")
            if core:
                pairs.add((source.line(f"{folder}/physical_package_id"), core))
    return len({package for package, _ in pairs}), len(pairs)


def _caches(source: Source) -> list[dict[str, Any]]:
    """Caches of the first processor: size in bytes."""
    found = []
    for name in source.numbered(f"{_CPUS}/cpu0/cache", "index"):
        folder = f"{_CPUS}/cpu0/cache/{name}"
        found.append(
            {
                "level": source.number(f"{folder}/level"),
                "type": source.line(f"{folder}/type"),
                "size": size_of(source.line(f"{folder}/size")),
                "shared_by": _count_list(source.line(f"{folder}/shared_cpu_list")),
            }
        )
    return found


def size_of(text: str) -> int:
    """``32K``, ``1M`` or ``4096`` as bytes; 0 where it is none."""
    unit = {"K": 1024, "M": 1024**2, "G": 1024**3}.get(text[-1:].upper(), 0)
    return (whole(text[:-1] if unit else text) or 0) * (unit or 1)


def _count_list(text: str) -> int:
    """How many numbers ``0-3,8`` names."""
    count = 0
    for part in text.split(","):
        low, _, high = part.partition("-")
        first, last = whole(low), whole(high or low)
        if first is not None and last is not None and 0 <= last - first < 1_000_000:
            count += last - first + 1
    return count
