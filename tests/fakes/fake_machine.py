"""A Linux machine made of files, for the inventory: whole enough to be believed, strange where a test makes it so."""

import struct
from collections.abc import Sequence
from pathlib import Path

from borealis_agent.capabilities.inventory.source import Source, Space

NOW = 1_760_000_000.0
GIB = 1024**3


def structure(kind: int, handle: int, body: bytes, *strings: str | bytes) -> bytes:
    """One SMBIOS structure; ``body`` is what follows the four bytes of header."""
    texts = [text.encode() if isinstance(text, str) else text for text in strings]
    tail = b"".join(text + b"\0" for text in texts) + b"\0" if texts else b"\0\0"
    return bytes((kind, len(body) + 4)) + struct.pack("<H", handle) + body + tail


def memory_device(slot: int, *, size: int, speed: int, configured: int, strings: Sequence[str | bytes]) -> bytes:
    """A type 17 structure as SMBIOS 3.2 firmware writes it. ``size`` in MiB, 0 for an empty slot."""
    body = bytearray(0x54 - 4)
    extended = size if size >= 0x7FFF else 0
    struct.pack_into("<HHHHH", body, 0, 0x1000, 0xFFFE, 72, 64, 0x7FFF if extended else size)
    body[0x0E - 4] = 0x09
    body[0x10 - 4], body[0x11 - 4] = 1, 2
    body[0x12 - 4] = 0x1A
    struct.pack_into("<H", body, 0x15 - 4, speed)
    body[0x17 - 4], body[0x18 - 4], body[0x19 - 4], body[0x1A - 4] = 3, 4, 5, 6
    body[0x1B - 4] = 2
    struct.pack_into("<IH", body, 0x1C - 4, extended, configured)
    struct.pack_into("<H", body, 0x26 - 4, 1200)
    return structure(17, 0x1100 + slot, bytes(body), *strings)


def laptop_smbios() -> bytes:
    """Tables of a laptop with one filled and one empty memory slot, and fillers where makers leave them."""
    bios = structure(0, 0, bytes((1, 2, 0, 0, 3)) + bytes(14), "Fabrikam", "1.2.3", "01/31/2025")
    uuid = bytes.fromhex("33221100554477668899aabbccddeeff")
    system = structure(
        1, 1, bytes((1, 2, 3, 4)) + uuid + bytes((6, 5, 6)), "Contoso", "Blade 9", "v2", "SN-4711", "SKU1", "Family"
    )
    board = structure(2, 2, bytes((1, 2, 3, 4, 5)), "Contoso", "Board", "1.0", "To Be Filled By O.E.M.", "0000")
    chassis = structure(3, 3, bytes((1, 10, 2, 3, 4)), "Contoso", "1", "CH-1", "Asset-7")
    processor = bytearray(0x30 - 4)
    processor[0], processor[3], processor[0x10 - 4] = 1, 2, 3
    struct.pack_into("<HHH", processor, 0x12 - 4, 100, 4800, 2600)
    processor[0x18 - 4] = 0x41
    processor[0x23 - 4], processor[0x25 - 4] = 8, 16
    cpu = structure(4, 4, bytes(processor), "U3E1", "Fabrikam", "Fabrikam Turbo 9")
    array = structure(16, 0x1000, bytes((3, 3, 5)) + bytes(8))
    slots = structure(9, 9, bytes((1, 0, 0, 4)) + bytes(5), "M.2 Slot")
    filled = memory_device(
        0,
        size=32768,
        speed=4800,
        configured=4400,
        strings=("DIMM A", "BANK 0", "Kingfisher", "12AB34CD", "9876", "KF-4800"),
    )
    empty = memory_device(
        1, size=0, speed=0, configured=0, strings=("DIMM B", "BANK 1", "NO DIMM", "NO DIMM", "NO DIMM", "NO DIMM")
    )
    return bios + system + board + chassis + cpu + slots + array + filled + empty + structure(127, 0x7F00, b"")


class FakeMachine:
    """Files below ``root``, and what is not a file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commands: list[tuple[str, ...]] = []
        self.outputs: dict[str, bytes | OSError] = {}
        self.spaces: dict[str, Space] = {}
        self.netlink: bytes | OSError = b""

    def file(self, path: str, content: str | bytes = "") -> "FakeMachine":
        """A file of the machine."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self

    def files(self, folder: str, **content: str) -> "FakeMachine":
        """Several small files of one folder."""
        for name, text in content.items():
            self.file(f"{folder}/{name}", text + "\n")
        return self

    def link(self, path: str, target: str) -> "FakeMachine":
        """A symbolic link; give relative targets, so that it stays in the machine."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)
        return self

    def source(self) -> Source:
        """The machine as collectors see it."""
        return Source(str(self.root), run=self._run, space=self._space, addresses=self._addresses, now=lambda: NOW)

    def _run(self, command: Sequence[str], _timeout: float) -> bytes:
        self.commands.append(tuple(command))
        answer = self.outputs.get(command[0], OSError("not there"))
        if isinstance(answer, OSError):
            raise answer
        return answer

    def _space(self, path: str) -> Space:
        mount = path[len(str(self.root)) :] or "/"
        if mount not in self.spaces:
            raise OSError("gone")
        return self.spaces[mount]

    def _addresses(self) -> bytes:
        if isinstance(self.netlink, OSError):
            raise self.netlink
        return self.netlink


def netlink_address(
    index: int, address: bytes, prefix: int, *, scope: int = 0, flags: int = 0, local: bytes = b""
) -> bytes:
    """One RTM_NEWADDR message."""
    family = 2 if len(address) == 4 else 10
    attributes = _attribute(1, address) + (_attribute(2, local) if local else b"")
    body = struct.pack("=BBBBI", family, prefix, flags, scope, index) + attributes
    return struct.pack("=IHHII", 16 + len(body), 20, 2, 1, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


NETLINK_DONE = struct.pack("=IHHII", 20, 3, 2, 1, 0) + bytes(4)


def utmp_record(kind: int, pid: int, user: bytes, terminal: bytes, host: bytes, when: int) -> bytes:
    """One record of /run/utmp or /var/log/wtmp."""
    return struct.pack(
        "<hxxi32s4s32s256shhiii4I20x", kind, pid, terminal, b"", user, host, 0, 0, 0, when, 0, 0, 0, 0, 0
    )


_PROCESSOR = """processor\t: {n}
vendor_id\t: GenuineFabrikam
cpu family\t: 6
model\t\t: 154
model name\t: Fabrikam(R) Turbo(TM) 9  @ 2.60GHz
stepping\t: 3
microcode\t: 0x430
cpu MHz\t\t: {mhz}
physical id\t: 0
core id\t\t: {core}
flags\t\t: fpu vmx sse sse2
bugs\t\t: spectre_v1 spectre_v2
bogomips\t: 5200.00
address sizes\t: 46 bits physical, 48 bits virtual
"""

DPKG_STATUS = """Package: alpha
Status: install ok installed
Section: admin
Installed-Size: 686
Maintainer: Some One <some.one@example.org>
Architecture: amd64
Source: alpha-src (1.1)
Version: 1:2.0-1
Description: first of them
 Folded: not a field
 .
Homepage: https://alpha.example

Package: beta
Status: hold ok installed
Architecture: all
Version: 3

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 4
"""


def linux_laptop(root: Path) -> FakeMachine:
    """A laptop with everything: SMBIOS, an encrypted NVMe disk, two adapters, people, packages of every source."""
    machine = FakeMachine(root)
    _firmware(machine)
    _kernel(machine)
    _disks(machine)
    _network(machine)
    _people(machine)
    _software(machine)
    return machine


def _firmware(machine: FakeMachine) -> None:
    machine.file("/sys/firmware/dmi/tables/DMI", laptop_smbios())
    machine.files(
        "/sys/class/dmi/id", sys_vendor="Contoso Ltd", product_name="Blade 9", chassis_type="10", product_serial=""
    )
    machine.file("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", b"\x06\0\0\0\x01")
    machine.files("/sys/class/tpm/tpm0", tpm_version_major="2")
    machine.files(
        "/sys/class/power_supply/BAT0",
        type="Battery",
        manufacturer="Cell",
        energy_full_design="50000000",
        energy_full="40000000",
        serial_number="0000",
    )
    machine.files("/sys/class/power_supply/AC", type="Mains")
    machine.files("/sys/bus/pci/devices/0000:00:02.0", vendor="0x8086", device="0x46a6", revision="0x0c")
    machine.files("/sys/bus/pci/devices/0000:00:02.0", subsystem_vendor="0x17aa", subsystem_device="0x22e7")
    machine.file("/sys/bus/pci/devices/0000:00:02.0/class", "0x030000\n")
    machine.link("/sys/bus/pci/devices/0000:00:02.0/driver", "../../../bus/pci/drivers/i915")
    machine.file("/sys/bus/pci/devices/0000:00:02.0/drm/card0/card0-eDP-1/status", "connected\n")
    machine.file("/sys/bus/pci/devices/0000:00:02.0/drm/card0/card0-eDP-1/modes", "1920x1200\n1024x768\n")
    machine.file(
        "/usr/share/misc/pci.ids",
        "# ids\n10de  NVIDIA\n\t46a6  Not this\n"
        "8086  Intel Corporation\n\t1111  Other\n\t\t17aa 22e7  Sub\n\t46a6  Iris Xe\n9999  Last\n",
    )
    machine.files(
        "/sys/bus/usb/devices/1-2",
        idVendor="046d",
        idProduct="c52b",
        manufacturer="Mouseworks",
        product="Receiver",
        bDeviceClass="00",
    )
    machine.files("/sys/bus/usb/devices/usb1", idVendor="1d6b", idProduct="0002", bDeviceClass="09")
    machine.file("/sys/bus/usb/devices/1-2:1.0/interface", "x")


def _kernel(machine: FakeMachine) -> None:
    machine.file("/proc/cpuinfo", "\n".join(_PROCESSOR.format(n=n, core=n // 2, mhz=800 + n) for n in range(4)))
    machine.files("/sys/devices/system/cpu", online="0-3", possible="0-7")
    machine.files(
        "/sys/devices/system/cpu/cpu0/cache/index0", level="1", type="Data", size="48K", shared_cpu_list="0-1"
    )
    machine.files("/sys/devices/system/cpu/vulnerabilities", meltdown="Not affected")
    machine.files(
        "/proc/sys/kernel",
        hostname="lab-7",
        osrelease="6.1.0-18-amd64",
        ostype="Linux",
        arch="x86_64",
        version="#1 SMP",
        domainname="(none)",
    )
    machine.files("/proc/sys/kernel/random", boot_id="b0070000-0000-4000-8000-000000000001")
    machine.file("/proc/uptime", "90061.42 1000.00\n")
    machine.file("/proc/stat", f"cpu 1 2 3\nbtime {int(NOW) - 90061}\n")
    machine.file("/proc/loadavg", "0.10 0.20 0.30 1/200 999\n")
    machine.file(
        "/proc/meminfo",
        "MemTotal:       32768000 kB\nMemAvailable:   20000000 kB\nSwapTotal: 1024 kB\nHugePages_Total:       0\n",
    )
    machine.file("/proc/self/status", "Name:\tx\nUid:\t0\t0\t0\t0\n")
    machine.file("/proc/1/comm", "systemd\n").file("/proc/2/comm", "kthreadd\n").file("/proc/4242/comm", "sshd\n")
    machine.file(
        "/etc/os-release",
        'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="12"\n# c\nODD\n',
    )
    machine.file("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    machine.link("/etc/localtime", "/usr/share/zoneinfo/Europe/Vienna")
    machine.file("/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 lab-7.corp.example lab-7\n")
    machine.file("/run/systemd/system/x", "")
    machine.file("/etc/systemd/system/multi-user.target.wants/ssh.service", "")
    machine.file("/etc/systemd/system/timers.target.wants/fstrim.timer", "")
    machine.file("/run/reboot-required", "").file("/run/reboot-required.pkgs", "linux-base\nlinux-base\n")
    machine.file(
        "/etc/ssh/ssh_host_ed25519_key.pub",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f root@lab\n",
    )


def _disks(machine: FakeMachine) -> None:
    machine.file(
        "/proc/self/mountinfo",
        "22 1 0:22 / /proc rw - proc proc rw\n"
        "25 1 253:0 / / rw,relatime shared:1 - ext4 /dev/mapper/root rw\n"
        "26 25 259:1 / /boot/efi rw - vfat /dev/nvme0n1p1 rw\n"
        "27 25 253:0 /srv /bound rw - ext4 /dev/mapper/root rw\n"
        "28 25 8:16 / /media/my\\040stick rw - vfat /dev/sdb rw\n"
        "29 25 0:50 / /mnt/share rw - nfs4 server:/share rw\n"
        "30 25 0:51 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw\n"
        "torn line\n",
    )
    machine.spaces = {
        "/": Space(100 * GIB, 20 * GIB, 80 * GIB, 1000, 500),
        "/boot/efi": Space(GIB, GIB // 2, GIB // 2, 0, 0),
        "/media/my stick": Space(8 * GIB, 8 * GIB, 0, 0, 0),
    }
    disk = "/sys/devices/pci0000:00/nvme/nvme0/nvme0n1"
    machine.files(disk, size=str(2 * GIB), removable="0", ro="0", dev="259:0", wwid="eui.1")
    machine.files(
        f"{disk}/queue",
        rotational="0",
        logical_block_size="512",
        physical_block_size="4096",
        scheduler="[none] mq-deadline",
    )
    machine.files(f"{disk}/device", model="Speedy 1TB", serial="NV-1", firmware_rev="F1")
    machine.files(f"{disk}/nvme0n1p1", partition="1", size="2048", start="2048", dev="259:1")
    machine.files(f"{disk}/nvme0n1p2", partition="2", size="4096", start="4096", dev="259:2")
    machine.file(f"{disk}/nvme0n1p2/holders/dm-0", "")
    machine.link("/sys/block/nvme0n1", "../devices/pci0000:00/nvme/nvme0/nvme0n1")
    machine.files("/sys/block/dm-0", size=str(GIB), dev="253:0")
    machine.files("/sys/block/dm-0/dm", uuid="CRYPT-LUKS2-1234-root", name="root")
    machine.files("/sys/block/sdb", size="16777216", removable="1", dev="8:16")
    machine.file("/sys/block/sdb/device/vpd_pg80", b"\0\x80\0\x06  S-99 ")
    machine.file("/sys/block/loop0/size", "0\n")
    machine.link("/sys/dev/block/253:0", "../../block/dm-0")
    machine.link("/sys/dev/block/259:1", "../../devices/pci0000:00/nvme/nvme0/nvme0n1/nvme0n1p1")
    machine.link("/sys/dev/block/8:16", "../../block/sdb")
    machine.file("/proc/swaps", "Filename Type Size Used Priority\n/swapfile file 1024 0 -2\n")


def _network(machine: FakeMachine) -> None:
    machine.files("/sys/class/net/lo", type="772", ifindex="1", address="00:00:00:00:00:00")
    machine.files(
        "/sys/class/net/enp0s1",
        type="1",
        ifindex="2",
        address="AA:bb:cc:00:11:22",
        operstate="up",
        mtu="1500",
        speed="1000",
        duplex="full",
    )
    machine.link("/sys/class/net/enp0s1/device", "../../../devices/pci0000:00/0000:00:1f.6")
    machine.file("/sys/devices/pci0000:00/0000:00:1f.6/x", "")
    machine.link("/sys/devices/pci0000:00/0000:00:1f.6/driver", "../../../bus/pci/drivers/e1000e")
    machine.files(
        "/sys/class/net/wlp1s0", type="1", ifindex="3", address="aa:bb:cc:00:11:33", operstate="down", speed="-1"
    )
    machine.file("/sys/class/net/wlp1s0/wireless/x", "")
    machine.files("/sys/class/net/veth1", type="1", ifindex="9")
    machine.netlink = (
        netlink_address(1, bytes((127, 0, 0, 1)), 8, scope=254)
        + netlink_address(2, bytes((192, 0, 2, 10)), 24)
        + netlink_address(2, bytes.fromhex("20010db8000000000000000000000010"), 64)
        + netlink_address(2, bytes.fromhex("20010db8000000000000000000000bad"), 64, flags=1)
        + netlink_address(2, bytes.fromhex("fe800000000000000000000000000001"), 64, scope=253)
        + NETLINK_DONE
    )
    machine.file(
        "/proc/net/route",
        "Iface\tDest\tGw\nenp0s1\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\nenp0s1\t000200C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n",
    )
    machine.file("/etc/resolv.conf", "# x\nnameserver 192.0.2.53\nsearch corp.example lan\n")
    machine.file("/proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n")
    machine.file(
        "/proc/net/tcp",
        "  sl  local_address rem_address   st\n"
        "   0: 00000000:0016 00000000:0000 0A 0\n"
        "   1: 0100007F:0277 00000000:0000 0A 0\n"
        "   2: 00000000:9C40 00000000:0000 0A 0\n"
        "   3: 0A0200C0:0016 0B0200C0:D431 01 0\n",
    )
    machine.file("/etc/environment", 'PATH="/bin"\nhttps_proxy="http://user:secret@proxy.example:3128"\n')


def _people(machine: FakeMachine) -> None:
    machine.file(
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\n"
        "alice:x:1000:1000:Alice A,,,:/home/alice:/bin/bash\nshort:x\nbad:x:NaN:1::/:/bin/sh\n",
    )
    machine.file("/etc/group", "root:x:0:\nsudo:x:27:alice\nalice:x:1000:\n")
    machine.file("/etc/shadow", "root:!:1::::::\nalice:$y$j9T$secret$hash:2::::::\n")
    machine.file(
        "/run/systemd/sessions/3", f"# x\nUSER=alice\nCLASS=user\nTYPE=wayland\nTTY=tty2\nREALTIME={int(NOW * 1e6)}\n"
    )
    machine.file("/run/systemd/sessions/c1", "USER=gdm\nCLASS=greeter\n")
    machine.file(
        "/var/log/wtmp",
        utmp_record(7, 1, b"alice", b"tty2", b"", int(NOW) - 5) + utmp_record(8, 1, b"", b"tty2", b"", int(NOW)),
    )


def _software(machine: FakeMachine) -> None:
    machine.file("/var/lib/dpkg/status", DPKG_STATUS).file("/var/lib/dpkg/info/alpha:amd64.list", "")
    machine.file("/var/lib/apt/extended_states", "Package: alpha\nArchitecture: amd64\nAuto-Installed: 1\n\n")
    machine.file("/var/lib/rpm/rpmdb.sqlite", b"x")
    machine.outputs["rpm"] = (
        b"bash\t0\t5.2\t1.fc40\tx86_64\t8000\t1700000000\tFabrikam\tGPL\tUnspecified\tThe shell\n"
        b"gpg-pubkey\t0\t1\t1\t(none)\t0\t1\t(none)\tpubkey\tx\tkey\n"
        b"torn line\nodd\t2\t1\t1\t(none)\tNaN\tNaN\t(none)\tMIT\tx\t\xff\n"
    )
    machine.file(
        "/var/lib/flatpak/app/org.example.App/x86_64/stable/active/metadata",
        "[Application]\nname=org.example.App\nruntime=org.example.Platform/x86_64/1\n",
    )
    machine.link("/var/lib/flatpak/app/org.example.App/current", "x86_64/stable")
    machine.file(
        "/var/lib/flatpak/app/org.example.App/x86_64/stable/active/files/share/metainfo/org.example.App.metainfo.xml",
        '<releases><release date="x" version="4.5"/><release version="4.4"/></releases>',
    )
    machine.file(
        "/snap/core/123/meta/snap.yaml", "name: core\nversion: '16-2.61'\nsummary: runtime\ntype: os\n  indented: no\n"
    )
    machine.link("/snap/core/current", "123")
    machine.file("/snap/README", "text")
    packages = "/usr/local/lib/python3.11/dist-packages"
    machine.file(f"{packages}/requests_x-2.31.0.dist-info/INSTALLER", "pip\n")
    machine.file(f"{packages}/system_one-1.0.dist-info/INSTALLER", "debian\n")
