"""What is plugged in: PCI and USB devices, graphics."""

from typing import Any, Final

from borealis_agent.capabilities.inventory.source import Source, whole

_PCI_NAMES: Final = ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids")
_PCI: Final = "/sys/bus/pci/devices"
_USB: Final = "/sys/bus/usb/devices"
_MAX_DEVICES: Final = 1000
_HUB: Final = "09"
_CLASSES: Final = {
    "0100": "SCSI storage controller",
    "0101": "IDE interface",
    "0104": "RAID controller",
    "0106": "SATA controller",
    "0107": "SAS controller",
    "0108": "NVMe controller",
    "0180": "Storage controller",
    "0200": "Ethernet controller",
    "0207": "InfiniBand controller",
    "0280": "Network controller",
    "0300": "VGA controller",
    "0302": "3D controller",
    "0380": "Display controller",
    "0401": "Audio device",
    "0403": "Audio device",
    "0480": "Multimedia controller",
    "0500": "RAM memory",
    "0600": "Host bridge",
    "0601": "ISA bridge",
    "0604": "PCI bridge",
    "0680": "Bridge",
    "0700": "Serial controller",
    "0780": "Communication controller",
    "0880": "System peripheral",
    "0c03": "USB controller",
    "0c05": "SMBus",
    "0d11": "Bluetooth",
    "0d80": "Wireless controller",
    "1080": "Encryption controller",
    "1200": "Processing accelerator",
    "00ff": "Virtual device",
    "ff00": "Unassigned",
    "ffff": "Unassigned",
}
_VENDORS: Final = {
    "1002": "AMD/ATI",
    "1013": "Cirrus Logic",
    "1022": "AMD",
    "10de": "NVIDIA",
    "10ec": "Realtek",
    "1234": "QEMU",
    "1414": "Microsoft",
    "144d": "Samsung",
    "14e4": "Broadcom",
    "15ad": "VMware",
    "15b3": "Mellanox",
    "1af4": "Red Hat (virtio)",
    "1b36": "Red Hat (QEMU)",
    "1d0f": "Amazon",
    "1ae0": "Google",
    "5853": "XenSource",
    "8086": "Intel",
    "80ee": "VirtualBox",
}


class PciNames:
    """The names of pci.ids, searched and not parsed: a machine has a few dozen of its thirty thousand."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def vendor(self, vendor: str) -> str:
        """A maker's name, empty where unknown."""
        start = self._vendor_start(vendor)
        return _VENDORS.get(vendor, "") if start < 0 else self._rest_of_line(start + 4)

    def device(self, vendor: str, device: str) -> str:
        """A device's name, empty where unknown."""
        start = self._vendor_start(vendor)
        if start < 0:
            return ""
        at = start
        while True:
            at = self._data.find(b"\n", at)
            if at < 0 or self._data[at + 1 : at + 2] not in (b"\t", b"#"):
                return ""
            if self._data[at + 1 : at + 8] == b"\t%s  " % device.encode():
                return self._rest_of_line(at + 6)
            at += 1

    def _vendor_start(self, vendor: str) -> int:
        at = self._data.find(b"\n%s  " % vendor.encode())
        return at + 1 if at >= 0 else -1

    def _rest_of_line(self, at: int) -> str:
        end = self._data.find(b"\n", at)
        return self._data[at : end if end >= 0 else None].decode("utf-8", "replace").strip()


def pci_devices(source: Source) -> list[dict[str, Any]]:
    """The section ``pci``."""
    addresses = source.names(_PCI)[:_MAX_DEVICES]
    if not addresses:
        return []
    names = PciNames(next((data for data in (source.read(path, 8 * 1024 * 1024) for path in _PCI_NAMES) if data), b""))
    found = []
    for address in addresses:
        folder = f"{_PCI}/{address}"
        vendor, device = _hex_id(source, f"{folder}/vendor"), _hex_id(source, f"{folder}/device")
        kind = source.line(f"{folder}/class")[2:6]
        found.append(
            {
                "address": address,
                "class": _CLASSES.get(kind, kind),
                "class_id": kind,
                "vendor": names.vendor(vendor),
                "device": names.device(vendor, device),
                "id": f"{vendor}:{device}",
                "driver": source.link_name(f"{folder}/driver"),
                "revision": source.line(f"{folder}/revision").removeprefix("0x"),
                "subsystem": _pair(source, folder),
                "numa_node": max(source.number(f"{folder}/numa_node") or 0, 0),
            }
        )
    return found


def _hex_id(source: Source, path: str) -> str:
    text = source.line(path).removeprefix("0x")
    return text if len(text) == 4 and whole(text, 16) is not None else ""


def _pair(source: Source, folder: str) -> str:
    vendor, device = _hex_id(source, f"{folder}/subsystem_vendor"), _hex_id(source, f"{folder}/subsystem_device")
    return f"{vendor}:{device}" if vendor.strip("0") else ""


def usb_devices(source: Source) -> list[dict[str, Any]]:
    """The section ``usb``; hubs and the interfaces of a device are left out."""
    found: list[dict[str, Any]] = []
    for name in source.names(_USB)[: 4 * _MAX_DEVICES]:
        folder = f"{_USB}/{name}"
        vendor, product = source.line(f"{folder}/idVendor"), source.line(f"{folder}/idProduct")
        if not vendor or source.line(f"{folder}/bDeviceClass") == _HUB or len(found) >= _MAX_DEVICES:
            continue
        found.append(
            {
                "port": name,
                "id": f"{vendor}:{product}",
                "vendor": source.line(f"{folder}/manufacturer"),
                "device": source.line(f"{folder}/product"),
                "serial": source.line(f"{folder}/serial"),
                "speed_mbps": source.line(f"{folder}/speed"),
                "version": source.line(f"{folder}/version"),
                "removable": source.line(f"{folder}/removable"),
            }
        )
    return found


def graphics(source: Source, pci: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The section ``gpu``: display adapters, their memory where the driver tells of it, and the screens on them."""
    found = []
    for device in pci:
        if not device["class_id"].startswith(("03", "12")):
            continue
        folder = f"{_PCI}/{device['address']}"
        nvidia = source.text(f"/proc/driver/nvidia/gpus/{device['address']}/information")
        model = next((line.partition(":")[2].strip() for line in nvidia.splitlines() if line.startswith("Model:")), "")
        found.append(
            {
                "name": model or device["device"] or device["class"],
                "vendor": device["vendor"],
                "driver": device["driver"],
                "address": device["address"],
                "memory": source.number(f"{folder}/mem_info_vram_total") or 0,
                "vbios": source.line(f"{folder}/vbios_version"),
                "screens": _screens(source, device["address"]),
            }
        )
    return found


def _screens(source: Source, address: str) -> list[str]:
    found = []
    for card in source.names(f"{_PCI}/{address}/drm"):
        for name in source.names(f"{_PCI}/{address}/drm/{card}"):
            if name.startswith(f"{card}-") and source.line(f"{_PCI}/{address}/drm/{card}/{name}/status") == "connected":
                modes = source.text(f"{_PCI}/{address}/drm/{card}/{name}/modes").splitlines()
                found.append(f"{name[len(card) + 1 :]} {modes[0] if modes else ''}".strip())
    return found
