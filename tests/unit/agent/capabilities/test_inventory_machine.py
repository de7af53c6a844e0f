"""A whole machine, as files: what the inventory says of it, and that nothing in a machine can stop it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.fake_machine import FakeMachine, laptop_smbios, linux_laptop, utmp_record

from borealis_agent.capabilities.inventory import storage, users
from borealis_agent.capabilities.inventory.__main__ import report
from borealis_agent.capabilities.inventory.linux import Fence, collect_linux
from borealis_agent.capabilities.inventory.source import Source
from borealis_wire import strict_json
from borealis_wire.limits import MAX_REST_BODY_BYTES

UPSTREAM_SUMMARY = frozenset(
    {"hostname", "domain", "external_ip", "internal_ip", "last_reboot", "last_user", "operating_system", "uptime_sec"}
    | {
        "manufacturer",
        "vendor",
        "system_model",
        "device_model",
        "model",
        "serial_number",
        "serial",
        "bios_serial",
        "cpu",
    }
    | {"processor", "total_ram", "os", "device_type", "username", "ansible_ee_ver"}
)
UPSTREAM_CPU = frozenset(
    {"name", "base_clock_ghz", "logical_cores", "physical_cores", "system_manufacturer", "system_model"}
    | {"system_model_raw", "system_serial_number"}
)


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return linux_laptop(tmp_path)


@pytest.fixture
def details(machine: FakeMachine) -> dict[str, Any]:
    return collect_linux(machine.source()).details


def test_upstreams_keys_are_all_there(details: dict[str, Any]) -> None:
    assert details["summary"].keys() >= UPSTREAM_SUMMARY
    assert details["cpu"].keys() >= UPSTREAM_CPU
    assert details["summary"]["cpu"].keys() == UPSTREAM_CPU
    assert all(item.keys() >= {"slot", "speed", "serial", "capacity"} for item in details["memory"])
    drive = {"drive", "disk_type", "usage", "total", "free", "used"}
    assert all(item.keys() >= drive for item in details["storage"])
    assert all(item.keys() >= {"adapter", "ips", "mac"} for item in details["network"])
    assert all(item.keys() == {"name", "version", "source", "metadata"} for item in details["software"])


def test_the_summary_says_what_an_operator_looks_for(details: dict[str, Any]) -> None:
    summary = details["summary"]
    assert summary["operating_system"] == "Debian GNU/Linux 12 (bookworm) x86_64, kernel 6.1.0-18-amd64"
    assert summary["processor"] == "Fabrikam(R) Turbo(TM) 9 @ 2.60GHz, 2 cores, 4 threads"
    assert (summary["device_type"], summary["serial"], summary["manufacturer"]) == ("Laptop", "SN-4711", "Contoso Ltd")
    assert (summary["domain"], summary["fqdn"]) == ("corp.example", "lab-7.corp.example")
    assert (summary["internal_ip"], summary["last_user"], summary["username"]) == ("192.0.2.10", "alice", "root")
    assert (summary["last_reboot"], summary["uptime_sec"]) == ("2025-10-08 07:52:19", 90061)


def test_memory_modules_come_from_the_firmwares_tables(details: dict[str, Any]) -> None:
    (module,) = details["memory"]
    assert (module["slot"], module["capacity"], module["speed"]) == ("DIMM A", 32 * 1024**3, 4400)
    assert (module["serial"], module["manufacturer"], module["type"]) == ("12AB34CD", "Kingfisher", "DDR4")
    assert (details["memory_totals"]["slots"], details["memory_totals"]["slots_filled"]) == (2, 1)


def test_memory_without_firmware_tables_is_one_entry(machine: FakeMachine) -> None:
    (machine.root / "sys/firmware/dmi/tables/DMI").unlink()
    machine.files("/sys/devices/system/memory", block_size_bytes="8000000")
    for number in range(3):
        machine.files(f"/sys/devices/system/memory/memory{number}", state="online" if number else "offline")
    (entry,) = collect_linux(machine.source()).details["memory"]
    assert (entry["slot"], entry["capacity"]) == ("System memory", 2 * 0x8000000)


def test_file_systems_are_listed_once_and_network_ones_never_asked(details: dict[str, Any]) -> None:
    by_drive = {item["drive"]: item for item in details["storage"]}
    assert set(by_drive) == {"/", "/boot/efi", "/media/my stick"}
    assert (by_drive["/"]["usage"], by_drive["/"]["encrypted"], by_drive["/"]["disk_type"]) == (
        80.0,
        True,
        "Fixed Disk",
    )
    assert by_drive["/media/my stick"]["disk_type"] == "Removable"
    assert [item["target"] for item in details["mounts"] if item["network"]] == ["/mnt/share"]


def test_disks_have_models_serials_and_partitions(details: dict[str, Any]) -> None:
    disks = {item["name"]: item for item in details["disks"]}
    assert set(disks) == {"dm-0", "nvme0n1", "sdb"}
    nvme = disks["nvme0n1"]
    assert (nvme["kind"], nvme["model"], nvme["serial"], nvme["transport"]) == ("NVMe", "Speedy 1TB", "NV-1", "PCIe")
    assert [(part["name"], part["used_by"]) for part in nvme["partitions"]] == [
        ("nvme0n1p1", []),
        ("nvme0n1p2", ["dm-0"]),
    ]
    assert (disks["sdb"]["serial"], disks["dm-0"]["encrypted"]) == ("S-99", True)


def test_adapters_have_their_lasting_addresses(details: dict[str, Any]) -> None:
    wired, wireless = details["network"]
    assert wired["ips"] == ["192.0.2.10", "2001:db8::10", "fe80::1"]  # neither loopback nor a temporary address
    assert (wired["mac"], wired["driver"], wired["speed_mbps"]) == ("aa:bb:cc:00:11:22", "e1000e", 1000)
    assert (wireless["type"], wireless["speed_mbps"]) == ("wireless", None)
    assert details["routing"]["default_routes"] == [
        {"gateway": "192.0.2.1", "adapter": "enp0s1", "metric": 100, "version": 4}
    ]


def test_only_ports_open_to_others_are_listed(details: dict[str, Any]) -> None:
    assert details["listening"] == {"tcp": [22], "udp": []}  # not 127.0.0.1:631, not the chance port 40000


def test_software_of_every_source_is_found(details: dict[str, Any]) -> None:
    found = {(item["name"], item["version"], item["source"]) for item in details["software"]}
    assert found == {
        ("alpha", "1:2.0-1", "dpkg"),
        ("beta", "3", "dpkg"),
        ("bash", "5.2-1.fc40", "rpm"),
        ("odd", "2:1-1", "rpm"),
        ("org.example.App", "4.5", "flatpak"),
        ("core", "16-2.61", "snap"),
        ("requests-x", "2.31.0", "pip"),
    }


def test_only_rpm_is_started_and_only_where_it_has_a_database(machine: FakeMachine, tmp_path: Path) -> None:
    collect_linux(machine.source())
    assert [command[:2] for command in machine.commands] == [("rpm", "-qa")]
    bare = FakeMachine(tmp_path / "bare")
    collect_linux(bare.source())
    assert bare.commands == []


def test_people_are_listed_and_their_secrets_are_not(machine: FakeMachine) -> None:
    text = json.dumps(collect_linux(machine.source()).details)
    assert "alice" in text
    for secret in ("$y$j9T", "secret", "0123456789abcdef0123456789abcdef"):
        assert secret not in text


def test_screens_and_graphics_are_named(details: dict[str, Any]) -> None:
    (adapter,) = details["gpu"]
    assert (adapter["name"], adapter["vendor"], adapter["screens"]) == (
        "Iris Xe",
        "Intel Corporation",
        ["eDP-1 1920x1200"],
    )
    assert [item["device"] for item in details["usb"]] == ["Receiver"]


def test_guards_are_told(details: dict[str, Any]) -> None:
    firmware = details["hardware"]["firmware"]
    assert (firmware["type"], firmware["secure_boot"], firmware["tpm_version"]) == ("UEFI", True, "2")
    assert details["security"]["ssh_host_keys"] == [
        {"type": "ssh-ed25519", "sha256": "ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA"}
    ]
    assert details["updates"]["reboot_required"] is True


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("/sys/class/dmi/id/sys_vendor", "QEMU", ("guest", "kvm", "")),
        ("/sys/class/dmi/id/sys_vendor", "VMware, Inc.", ("guest", "vmware", "")),
        ("/sys/class/dmi/id/sys_vendor", "DigitalOcean", ("guest", "kvm", "digitalocean")),
        ("/sys/hypervisor/type", "xen", ("guest", "xen", "")),
        ("/proc/sys/kernel/osrelease", "5.15.1-microsoft-standard-WSL2", ("guest", "wsl", "")),
        ("/dev/kvm", "", ("host", "", "")),
    ],
)
def test_virtual_machines_are_known(
    machine: FakeMachine, path: str, content: str, expected: tuple[str, str, str]
) -> None:
    machine.file(path, content)
    found = collect_linux(machine.source()).details["virtualization"]
    assert (found["role"], found["type"], found["cloud"]) == expected


def test_a_container_is_known_and_a_left_over_mark_is_not_one(machine: FakeMachine) -> None:
    machine.file("/.dockerenv", "")
    assert collect_linux(machine.source()).details["virtualization"]["container"] == ""
    (machine.root / "proc/2/comm").unlink()
    details = collect_linux(machine.source()).details
    assert details["virtualization"]["container"] == "docker"
    assert details["summary"]["device_type"] == "Container"


def test_a_board_without_smbios_is_named_by_its_device_tree(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path)
    machine.file(
        "/proc/cpuinfo",
        "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n",
    )
    machine.file("/proc/device-tree/model", b"Raspberry Pi 4 Model B\0")
    machine.file("/proc/device-tree/compatible", b"raspberrypi,4-model-b\0brcm,bcm2711\0")
    machine.file("/proc/device-tree/serial-number", b"10000000abcdef01\0")
    details = collect_linux(machine.source()).details
    assert details["cpu"]["name"] == "ARM Cortex-A72"
    assert (details["summary"]["model"], details["summary"]["manufacturer"]) == (
        "Raspberry Pi 4 Model B",
        "raspberrypi",
    )
    assert details["summary"]["serial"] == "10000000abcdef01"


def test_an_empty_machine_gives_every_section_and_upstreams_texts(tmp_path: Path) -> None:
    found = collect_linux(FakeMachine(tmp_path).source())
    assert found.notes == []
    assert found.details["summary"]["serial"] == "<Unable to Retrieve S/N>"
    assert found.details["summary"]["last_user"] == users.NOBODY
    assert found.details["software"] == []


def test_who_is_signed_in_is_read_from_utmp_where_no_logind_runs(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path)
    machine.file("/proc/77/comm", "bash")
    machine.file(
        "/run/utmp",
        utmp_record(7, 77, b"bob", b"pts/0", b"host.example", 1_700_000_000)
        + utmp_record(7, 78, b"ghost", b"pts/1", b"", 1_700_000_000)
        + b"torn",
    )
    (session,) = collect_linux(machine.source()).details["users"]["signed_in"]
    assert (session["user"], session["from"], session["since"]) == ("bob", "host.example", "2023-11-14 22:13:20")


def test_survives_a_collector_that_fails_with_an_empty_section_and_a_note(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a machine stranger than we know")

    monkeypatch.setattr(storage, "mounts", broken)
    monkeypatch.setattr("borealis_agent.capabilities.inventory.users.accounts", broken)
    found = collect_linux(machine.source())
    assert found.details["storage"] == found.details["mounts"] == []
    assert found.details["users"] == {}
    assert any(note.startswith("users could not be read: ZeroDivisionError") for note in found.notes)
    assert not {"mounts", "storage", "users", "summary"} & set(found.complete)
    assert {"cpu", "network", "software"} <= set(found.complete)
    assert found.details["summary"]["hostname"] == "lab-7"


def test_survives_an_rpm_that_fails(machine: FakeMachine) -> None:
    machine.outputs["rpm"] = OSError("database is locked")
    found = collect_linux(machine.source())
    assert {item["source"] for item in found.details["software"]} == {"dpkg", "flatpak", "snap", "pip"}
    assert found.notes == ["software from rpm could not be read: database is locked"]


def test_survives_no_netlink_and_no_file_system_sizes(machine: FakeMachine) -> None:
    machine.netlink, machine.spaces = OSError("no netlink"), {}
    details = collect_linux(machine.source()).details
    assert [item["ips"] for item in details["network"]] == [[], []]
    assert details["storage"] == []


GARBAGE = [b"", b"\0\xff\xfe" * 700, b"=:[]\n\n\t \\0" * 300, b"-1 99999999999999999999999 NaN 0x\n" * 50]


@pytest.mark.slow
@pytest.mark.parametrize("garbage", GARBAGE)
def test_survives_garbage_in_any_file(tmp_path: Path, garbage: bytes) -> None:
    machine = linux_laptop(tmp_path)
    paths = [path for path in sorted(tmp_path.rglob("*")) if path.is_file() and not path.is_symlink()]
    assert len(paths) > 100
    for path in paths:
        before = path.read_bytes()
        path.write_bytes(garbage)
        found = report(machine.source())
        assert found["notes"] == [], path
        strict_json.loads(json.dumps(found["details"], ensure_ascii=False).encode(), max_bytes=MAX_REST_BODY_BYTES)
        path.write_bytes(before)


@pytest.mark.slow
def test_survives_every_file_being_unreadable_garbage_at_once(tmp_path: Path) -> None:
    machine = linux_laptop(tmp_path)
    for path in tmp_path.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.write_bytes(b"\xff\n: = \0" * 9)
    found = report(machine.source())
    assert found["notes"] == []
    assert found["changed"] is True


def test_survives_hostile_names(tmp_path: Path) -> None:
    machine = linux_laptop(tmp_path)
    machine.file("/proc/sys/kernel/hostname", "a\x1b[31m\x00b\n")
    machine.file("/snap/\ud800evil".encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape"), "x")
    evil = "/usr/local/lib/python3.11/dist-packages/ev\x1bil\n" + "x" * 150 + "-1.dist-info/INSTALLER"
    machine.file(evil, "pip")
    machine.file("/sys/class/net/" + os.fsdecode(b"eth\xff\xfe") + "/type", "1")
    machine.file("/etc/passwd", "ev\u202eil:x:1000:1000:</script>:/:/bin/sh\n")
    found = report(machine.source())
    text = json.dumps(found["details"], ensure_ascii=False)
    text.encode("utf-8")
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert any(item["adapter"].startswith("eth") for item in found["details"]["network"])


def test_survives_a_named_pipe_where_a_file_should_be(tmp_path: Path) -> None:
    machine = linux_laptop(tmp_path)
    for name in ("etc/passwd", "var/lib/dpkg/status", "etc/os-release"):
        (tmp_path / name).unlink()
        os.mkfifo(tmp_path / name)
    assert collect_linux(machine.source()).details["users"]["accounts"] == []


@pytest.mark.slow
def test_survives_a_huge_package_database(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path)
    stanza = (
        "Package: p{n}\nStatus: install ok installed\nVersion: 1\nArchitecture: all\nDescription: " + "x" * 300 + "\n\n"
    )
    machine.file("/var/lib/dpkg/status", "".join(stanza.format(n=n) for n in range(100_000)))
    found = report(machine.source())
    size = len(json.dumps(found["details"]).encode())
    assert size < MAX_REST_BODY_BYTES
    assert len(found["details"]["software"]) >= 20_000
    assert any("larger than" in note for note in found["notes"])


def test_the_real_machine_is_read_without_trouble() -> None:
    found = report(Source())
    assert found["notes"] == []
    assert found["details"]["cpu"]["logical_cores"] >= 1
    assert found["details"]["memory_totals"]["total"] > 0
    assert found["facts"] > 200


def test_a_fence_gives_what_is_inside() -> None:
    fence = Fence()
    assert fence("x", 0, lambda value: value + 1, 41) == 42
    assert fence.complete({"x": 1, "summary": {}}) == ["x"]


def test_smbios_tables_of_the_fake_are_whole() -> None:
    assert laptop_smbios().endswith(b"\x7f\x04\x00\x7f\0\0")
