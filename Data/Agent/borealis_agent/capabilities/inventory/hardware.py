"""Who made the machine: system, board, chassis, firmware; from /sys/class/dmi, SMBIOS or the device tree."""

from typing import Any, Final, NamedTuple

from borealis_agent.capabilities.inventory import smbios
from borealis_agent.capabilities.inventory.source import Source

_CHASSIS: Final = {
    1: "Other",
    3: "Desktop",
    4: "Low Profile Desktop",
    5: "Pizza Box",
    6: "Mini Tower",
    7: "Tower",
    8: "Portable",
    9: "Laptop",
    10: "Notebook",
    11: "Hand Held",
    12: "Docking Station",
    13: "All in One",
    14: "Sub Notebook",
    15: "Space-saving",
    16: "Lunch Box",
    17: "Main Server Chassis",
    18: "Expansion Chassis",
    23: "Rack Mount Chassis",
    24: "Sealed-case PC",
    25: "Multi-system Chassis",
    28: "Blade",
    29: "Blade Enclosure",
    30: "Tablet",
    31: "Convertible",
    32: "Detachable",
    33: "IoT Gateway",
    34: "Embedded PC",
    35: "Mini PC",
    36: "Stick PC",
}
_LAPTOPS: Final = frozenset({8, 9, 10, 11, 14, 30, 31, 32})
_SERVERS: Final = frozenset({17, 18, 23, 25, 28, 29})


class Dmi(NamedTuple):
    """What the firmware says, in sections; ``structures`` are empty where only root may read them."""

    sections: dict[str, dict[str, Any]]
    structures: list[smbios.Structure]
    chassis_kind: int

    def get(self, section: str, name: str) -> str:
        """One text, empty where unknown."""
        return str(self.sections.get(section, {}).get(name, ""))


def read_dmi(source: Source) -> Dmi:
    """Everything about the box itself."""
    structures = smbios.parse(source.read("/sys/firmware/dmi/tables/DMI", 1024 * 1024))
    bios, system = smbios.first(structures, 0), smbios.first(structures, 1)
    board, chassis = smbios.first(structures, 2), smbios.first(structures, 3)

    def say(name: str, structure: smbios.Structure, offset: int) -> str:
        return smbios.meaningful(source.line(f"/sys/class/dmi/id/{name}")) or structure.text(offset)

    kind = source.number("/sys/class/dmi/id/chassis_type") or chassis.number(5, 1) & 0x7F
    sections: dict[str, dict[str, Any]] = {
        "system": {
            "manufacturer": say("sys_vendor", system, 4),
            "product": say("product_name", system, 5),
            "version": say("product_version", system, 6),
            "serial": say("product_serial", system, 7),
            "uuid": source.line("/sys/class/dmi/id/product_uuid").lower() or _uuid(system),
            "sku": say("product_sku", system, 0x19),
            "family": say("product_family", system, 0x1A),
        },
        "board": {
            "manufacturer": say("board_vendor", board, 4),
            "product": say("board_name", board, 5),
            "version": say("board_version", board, 6),
            "serial": say("board_serial", board, 7),
            "asset_tag": say("board_asset_tag", board, 8),
        },
        "chassis": {
            "manufacturer": say("chassis_vendor", chassis, 4),
            "type": _CHASSIS.get(kind, ""),
            "version": say("chassis_version", chassis, 6),
            "serial": say("chassis_serial", chassis, 7),
            "asset_tag": say("chassis_asset_tag", chassis, 8),
        },
        "bios": {
            "vendor": say("bios_vendor", bios, 4),
            "version": say("bios_version", bios, 5),
            "date": say("bios_date", bios, 8),
            "release": source.line("/sys/class/dmi/id/bios_release"),
            "embedded_controller_release": source.line("/sys/class/dmi/id/ec_firmware_release"),
        },
    }
    _device_tree(source, sections["system"])
    return Dmi(sections, structures, kind)


def _uuid(system: smbios.Structure) -> str:
    raw = system.data[8:24]
    if len(raw) != 16 or raw in (b"\0" * 16, b"\xff" * 16):
        return ""
    # The first three fields are little-endian since SMBIOS 2.6.
    text = raw[3::-1].hex() + raw[5:3:-1].hex() + raw[7:5:-1].hex() + raw[8:].hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _device_tree(source: Source, system: dict[str, Any]) -> None:
    """Boards without SMBIOS (most ARM ones) name themselves in the device tree."""
    model = source.line("/proc/device-tree/model")
    if model and not system["product"]:
        system["product"] = model
        maker = source.read("/proc/device-tree/compatible").split(b"\0")[0].decode("utf-8", "replace").split(",")[0]
        system["manufacturer"] = system["manufacturer"] or maker
    system["serial"] = system["serial"] or smbios.meaningful(source.line("/proc/device-tree/serial-number"))


def firmware(source: Source) -> dict[str, Any]:
    """How the machine boots: UEFI or BIOS, secure boot, TPM."""
    uefi = source.is_folder("/sys/firmware/efi")
    secure = source.read("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c")
    tpm = source.number("/sys/class/tpm/tpm0/tpm_version_major")
    device_tree = source.is_folder("/proc/device-tree")
    return {
        "type": "UEFI" if uefi else ("Device tree" if device_tree else "BIOS"),
        # Four bytes of attributes, then the value.
        "secure_boot": secure[4] == 1 if len(secure) == 5 else None,
        "tpm_version": str(tpm) if tpm else ("present" if source.exists("/sys/class/tpm/tpm0") else ""),
        "acpi": source.is_folder("/sys/firmware/acpi"),
    }


def batteries(source: Source) -> list[dict[str, Any]]:
    """Batteries with their wear; the charge of the moment is left out."""
    found = []
    for name in source.names("/sys/class/power_supply"):
        folder = f"/sys/class/power_supply/{name}"
        if source.line(f"{folder}/type") != "Battery" or source.line(f"{folder}/scope") == "Device":
            continue
        design = source.number(f"{folder}/energy_full_design") or source.number(f"{folder}/charge_full_design")
        full = source.number(f"{folder}/energy_full") or source.number(f"{folder}/charge_full")
        found.append(
            {
                "name": name,
                "manufacturer": source.line(f"{folder}/manufacturer"),
                "model": source.line(f"{folder}/model_name"),
                "serial": smbios.meaningful(source.line(f"{folder}/serial_number")),
                "technology": source.line(f"{folder}/technology"),
                "health_percent": round(100 * full / design) if design and full else None,
            }
        )
    return found


def device_type(dmi: Dmi, virtual: dict[str, Any], has_battery: bool) -> str:
    """What an operator would call the machine."""
    if virtual.get("container"):
        return "Container"
    if virtual.get("role") == "guest":
        return "Virtual Machine"
    if dmi.chassis_kind in _LAPTOPS or (has_battery and not dmi.chassis_kind):
        return "Laptop"
    if dmi.chassis_kind in _SERVERS:
        return "Server"
    return "Workstation" if dmi.chassis_kind else "Server"
