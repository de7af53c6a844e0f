"""The section ``summary``: upstream's flat facts about a device (upstream-contract 3.2, 6.2)."""

from typing import Any, Final

NO_SERIAL: Final = "<Unable to Retrieve S/N>"
"""Upstream's text where the serial number cannot be read."""


def summary(facts: dict[str, Any]) -> dict[str, Any]:
    """Upstream's keys from the other sections; every one of them may be missing.

    Args:
        facts: the sections, and ``names``, ``device_type``, ``internal_ip``, ``external_ip``, ``last_reboot``
            (UTC text), ``last_user``, ``uptime`` (seconds), ``username``.
    """
    system = facts["hardware"].get("system", {})
    serial = system.get("serial") or facts["hardware"].get("board", {}).get("serial") or NO_SERIAL
    maker, model = system.get("manufacturer", ""), system.get("product", "")
    operating_system = operating_system_text(facts["os"])
    names = facts["names"]
    return {
        "hostname": names.get("hostname", ""),
        "domain": names.get("domain", ""),
        "fqdn": names.get("fqdn", ""),
        "device_type": facts["device_type"],
        "operating_system": operating_system,
        "os": operating_system,
        "internal_ip": facts["internal_ip"],
        "external_ip": facts["external_ip"],
        "last_reboot": facts["last_reboot"],
        "last_user": facts["last_user"],
        "username": facts["username"],
        "uptime_sec": int(facts["uptime"]),
        "manufacturer": maker,
        "vendor": maker,
        "system_model": model,
        "device_model": model,
        "model": model,
        "serial_number": serial,
        "serial": serial,
        "bios_serial": serial,
        "cpu": {key: facts["cpu"].get(key, "") for key in _CPU_KEYS},
        "processor": processor_text(facts["cpu"]),
        "total_ram": facts["memory_totals"].get("total", 0),
        "ansible_ee_ver": "",
    }


_CPU_KEYS: Final = (
    "name",
    "base_clock_ghz",
    "logical_cores",
    "physical_cores",
    "system_manufacturer",
    "system_model",
    "system_model_raw",
    "system_serial_number",
)


def operating_system_text(section: dict[str, Any]) -> str:
    """``Debian GNU/Linux 12 (bookworm) x86_64, kernel 6.1.0-18-amd64``."""
    kernel = section.get("kernel", {})
    words = [section.get("pretty_name", ""), kernel.get("architecture", "")]
    text = " ".join(word for word in words if word)
    release = kernel.get("release", "")
    return f"{text}, kernel {release}" if text and release else text


def processor_text(section: dict[str, Any]) -> str:
    """``AMD EPYC, 2 cores, 4 threads, 2.6 GHz``."""
    if not section.get("name"):
        return ""
    parts = [str(section["name"])]
    for key, one, many in (("physical_cores", "core", "cores"), ("logical_cores", "thread", "threads")):
        count = section.get(key)
        if count:
            parts.append(f"{count} {one if count == 1 else many}")
    if section.get("base_clock_ghz") and "GHz" not in parts[0]:
        parts.append(f"{section['base_clock_ghz']} GHz")
    return ", ".join(parts)
