"""Disks, partitions, file systems and mounts.

File systems of the network are listed and never asked for their size: a dead server would hold us for ever.
"""

from typing import Any, Final, NamedTuple

from borealis_agent.capabilities.inventory.smbios import meaningful
from borealis_agent.capabilities.inventory.source import LARGE, Source

_SECTOR: Final = 512
_MAX_MOUNTS: Final = 1000
_MAX_DISKS: Final = 1000
_REAL: Final = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "bcachefs", "f2fs", "jfs", "reiserfs", "zfs", "nilfs2", "ocfs2", "gfs2"}
    | {"vfat", "exfat", "msdos", "ntfs", "ntfs3", "fuseblk", "hfs", "hfsplus", "apfs", "minix", "ufs", "erofs"}
    | {"udf", "iso9660", "overlay"}
)
_NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "glusterfs", "9p", "lustre"}
    | {"fuse.sshfs", "fuse.glusterfs"}
)
_PASSING: Final = ("/run/", "/var/lib/docker/", "/var/lib/containers/", "/var/lib/kubelet/", "/sys/", "/dev/")
"""Below these, mounts come and go with sessions and containers."""
_OPTICAL: Final = frozenset({"iso9660", "udf"})


class Mount(NamedTuple):
    """One line of /proc/self/mountinfo."""

    device_number: str
    root: str
    target: str
    options: str
    file_system: str
    device: str


def mounts(source: Source) -> list[Mount]:
    """All mounts, in the order they were made."""
    found = []
    for line in source.text("/proc/self/mountinfo", LARGE).splitlines()[:10_000]:
        before, separator, after = line.partition(" - ")
        left, right = before.split(" "), after.split(" ")
        if separator and len(left) >= 6 and len(right) >= 2:
            found.append(Mount(left[2], plain(left[3]), plain(left[4]), left[5], right[0], plain(right[1])))
    return found


def plain(text: str) -> str:
    r"""Undo the kernel's ``\040`` for blanks and the like, whatever the bytes are."""
    if "\\" not in text:
        return text
    raw = text.encode("utf-8", "surrogateescape")
    result, offset = bytearray(), 0
    while offset < len(raw):
        digits = raw[offset + 1 : offset + 4]
        if raw[offset] == 0x5C and len(digits) == 3 and all(0x30 <= digit <= 0x37 for digit in digits):
            result.append(int(digits, 8) & 0xFF)
            offset += 4
        else:
            result.append(raw[offset])
            offset += 1
    return result.decode("utf-8", "replace")


def file_systems(source: Source, mounted: list[Mount]) -> list[dict[str, Any]]:
    """The section ``storage``: upstream's drive, disk_type, usage (percent), total, free, used (bytes), and more."""
    seen: set[str] = set()
    found: list[dict[str, Any]] = []
    for mount in sorted(mounted, key=lambda item: len(item.target)):
        if mount.file_system not in _REAL or mount.device_number in seen or len(found) >= _MAX_MOUNTS:
            continue
        # Containers put an overlay for each of theirs below a folder of their own; the root's is the machine's.
        if mount.file_system == "overlay" and mount.target != "/":
            continue
        seen.add(mount.device_number)
        space = source.space(mount.target)
        if space is None or not space.total:
            continue
        reachable = space.used + space.free
        found.append(
            {
                "drive": mount.target,
                "disk_type": "Removable" if _is_removable(source, mount) else "Fixed Disk",
                "usage": round(100 * space.used / reachable, 1) if reachable else 0.0,
                "total": space.total,
                "free": space.free,
                "used": space.used,
                "file_system": mount.file_system,
                "device": mount.device,
                "options": mount.options,
                "read_only": "ro" in mount.options.split(","),
                "encrypted": _is_encrypted(source, mount.device_number),
                "inodes": space.files,
                "inodes_free": space.files_free,
            }
        )
    return found


def mount_table(mounted: list[Mount]) -> list[dict[str, Any]]:
    """What is mounted for good: local, in memory, over the network."""
    found = {}
    for mount in mounted:
        kind = mount.file_system
        if mount.target.startswith(_PASSING) or (kind == "overlay" and mount.target != "/"):
            continue
        if kind in _REAL or kind in _NETWORK or kind == "tmpfs" or kind.startswith("fuse."):
            found[mount.target] = {
                "target": mount.target,
                "device": mount.device,
                "file_system": kind,
                "options": mount.options,
                "network": kind in _NETWORK,
            }
    return list(found.values())[:_MAX_MOUNTS]


def _block_folder(source: Source, device_number: str) -> str:
    return f"/sys/dev/block/{device_number}" if source.exists(f"/sys/dev/block/{device_number}") else ""


def _is_removable(source: Source, mount: Mount) -> bool:
    if mount.file_system in _OPTICAL:
        return True
    folder = _block_folder(source, mount.device_number)
    if not folder:
        return False
    whole_disk = f"{folder}/.." if source.exists(f"{folder}/partition") else folder
    return source.line(f"{whole_disk}/removable") == "1"


def _is_encrypted(source: Source, device_number: str, depth: int = 0) -> bool:
    """Whether the device, or one that it lies on, is an encrypted mapping (dm-crypt)."""
    folder = _block_folder(source, device_number)
    if not folder or depth > 8:
        return False
    if source.line(f"{folder}/dm/uuid").startswith("CRYPT-"):
        return True
    slaves = (source.line(f"{folder}/slaves/{name}/dev") for name in source.names(f"{folder}/slaves"))
    return any(_is_encrypted(source, slave, depth + 1) for slave in slaves if slave)


def disks(source: Source) -> list[dict[str, Any]]:
    """Block devices with their partitions; sizes in bytes."""
    found = []
    for name in source.names("/sys/block")[:_MAX_DISKS]:
        folder = f"/sys/block/{name}"
        size = (source.number(f"{folder}/size") or 0) * _SECTOR
        if not size or name.startswith("ram"):
            continue
        device = f"{folder}/device"
        mapping = source.line(f"{folder}/dm/uuid")
        found.append(
            {
                "name": name,
                "size": size,
                "kind": _kind(source, name, folder),
                "model": source.line(f"{device}/model"),
                "vendor": _vendor(source.line(f"{device}/vendor")),
                "serial": _serial(source, folder, device),
                "firmware": source.line(f"{device}/firmware_rev") or source.line(f"{device}/rev"),
                "wwn": source.line(f"{folder}/wwid") or source.line(f"{device}/wwid"),
                "transport": _transport(source.link(folder) or source.link(device), name),
                "rotational": source.line(f"{folder}/queue/rotational") == "1",
                "removable": source.line(f"{folder}/removable") == "1",
                "read_only": source.line(f"{folder}/ro") == "1",
                "scheduler": source.line(f"{folder}/queue/scheduler").partition("[")[2].partition("]")[0],
                "sector_size": source.number(f"{folder}/queue/logical_block_size"),
                "physical_sector_size": source.number(f"{folder}/queue/physical_block_size"),
                "encrypted": mapping.startswith("CRYPT-"),
                "mapping": source.line(f"{folder}/dm/name"),
                "raid_level": source.line(f"{folder}/md/level"),
                "lies_on": source.names(f"{folder}/slaves"),
                "backing_file": source.line(f"{folder}/loop/backing_file"),
                "partitions": _partitions(source, name, folder),
            }
        )
    return found


def initiators(source: Source) -> dict[str, Any]:
    """The names by which this machine is known to storage on the network."""
    iscsi = source.text("/etc/iscsi/initiatorname.iscsi")
    ports = source.names("/sys/class/fc_host")[:100]
    return {
        "iscsi": next((line.partition("=")[2].strip() for line in iscsi.splitlines() if line.startswith("Init")), ""),
        "nvme": source.line("/etc/nvme/hostnqn"),
        "fibre_channel": [source.line(f"/sys/class/fc_host/{port}/port_name") for port in ports],
    }


def _partitions(source: Source, disk: str, folder: str) -> list[dict[str, Any]]:
    names = [name for name in source.names(folder) if name.startswith(disk)]
    numbered = [(source.number(f"{folder}/{name}/partition"), name) for name in names]
    return [
        {
            "name": name,
            "number": number,
            "size": (source.number(f"{folder}/{name}/size") or 0) * _SECTOR,
            "start": (source.number(f"{folder}/{name}/start") or 0) * _SECTOR,
            "used_by": source.names(f"{folder}/{name}/holders"),
        }
        for number, name in sorted((number, name) for number, name in numbered if number)
    ]


def _kind(source: Source, name: str, folder: str) -> str:
    for prefix, kind in (
        ("nvme", "NVMe"),
        ("vd", "Virtual"),
        ("xvd", "Virtual"),
        ("mmcblk", "MMC"),
        ("sr", "Optical"),
        ("md", "RAID"),
        ("loop", "Loop"),
        ("zram", "zram"),
    ):
        if name.startswith(prefix):
            return kind
    if name.startswith("dm-"):
        return "Mapped"
    return "HDD" if source.line(f"{folder}/queue/rotational") == "1" else "SSD"


def _vendor(text: str) -> str:
    """``ATA`` is how SCSI calls whatever is not SCSI; virtio gives a number."""
    return "" if text == "ATA" or text.startswith("0x") else text


def _serial(source: Source, folder: str, device: str) -> str:
    for path in (f"{folder}/serial", f"{device}/serial"):
        serial = meaningful(source.line(path))
        if serial:
            return serial
    # SCSI's vital product data, page 0x80: four bytes of header, then the serial number.
    page = source.read(f"{device}/vpd_pg80", 4096)
    return meaningful(page[4:].decode("ascii", "replace")) if len(page) > 4 and page[1] == 0x80 else ""


def _transport(link: str, name: str) -> str:
    for part, transport in (
        ("/usb", "USB"),
        ("/ata", "ATA"),
        ("/virtio", "virtio"),
        ("/nvme", "PCIe"),
        ("/mmc", "MMC"),
        ("/vmbus", "VMBus"),
        ("/xen", "Xen"),
    ):
        if part in link:
            return transport
    return "PCIe" if name.startswith("nvme") else ""
