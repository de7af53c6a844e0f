"""Single parsers of the inventory, with what real and unreal machines give them."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.fake_machine import NETLINK_DONE, FakeMachine, netlink_address
from tests.programs.systems import ON_WINDOWS

from borealis_agent.capabilities.inventory import (
    cpu,
    external_address,
    netlink,
    network,
    services,
    software,
    storage,
    system,
)
from borealis_agent.capabilities.inventory.devices import PciNames
from borealis_agent.capabilities.inventory.dpkg import dpkg_packages, unfinished_packages
from borealis_agent.capabilities.inventory.source import SMALL, Source, run_command, whole

# -- source


def test_missing_and_unreadable_things_are_empty(tmp_path: Path) -> None:
    source = FakeMachine(tmp_path).source()
    assert (source.read("/nothing"), source.line("/nothing"), source.number("/nothing")) == (b"", "", None)
    assert (source.names("/nothing"), source.link("/nothing"), source.modified("/nothing")) == ([], "", None)
    assert (source.read("/"), source.read("/a\0b"), source.space("/nothing")) == (b"", b"", None)


def test_a_large_file_is_cut_and_told(tmp_path: Path) -> None:
    source = FakeMachine(tmp_path).file("/big", b"x" * (SMALL + 5)).file("/fits", b"y" * SMALL).source()
    assert len(source.read("/big")) == SMALL
    assert len(source.read("/fits")) == SMALL
    assert source.cut == ["/big"]


def test_numbered_names_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path)
    for name in ("cpu10", "cpu2", "cpu0", "cpufreq", "cpu", "cpu²"):
        machine.file(f"/d/{name}")
    assert machine.source().numbered("/d", "cpu") == ["cpu0", "cpu2", "cpu10"]


@given(st.text())
def test_any_text_is_a_number_or_none(text: str) -> None:
    value = whole(text)
    assert value is None or value == int(text)


@pytest.mark.skipif(ON_WINDOWS, reason="programs of a Linux")
def test_a_program_runs_with_a_fixed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD_LIKE", "evil")
    assert b"evil" not in run_command(("env",), 5)
    for command in (("false",), ("no-such-program-here",)):
        with pytest.raises(OSError):
            run_command(command, 5)


# -- netlink and network


@given(st.binary(max_size=300))
def test_survives_any_netlink_answer(answer: bytes) -> None:
    netlink.parse_addresses(answer)
    netlink.parse_addresses(netlink_address(1, bytes(4), 8)[: len(answer)] + answer)


def test_our_own_end_of_a_point_to_point_link_is_taken() -> None:
    answer = netlink_address(4, bytes((10, 0, 0, 2)), 32, local=bytes((10, 0, 0, 1))) + NETLINK_DONE
    assert [item.text for item in netlink.parse_addresses(answer)] == ["10.0.0.1"]


@pytest.mark.skipif(ON_WINDOWS, reason="netlink is Linux's")
def test_the_kernels_own_answer_has_loopback() -> None:
    assert "127.0.0.1" in {item.text for item in netlink.parse_addresses(netlink.ask_addresses())}


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("h\n 0: 00000000:0050 0:0 0A x\n 1: 0100007F:0051 0:0 0A x\n", [80]),
        ("h\n 0: 00000000000000000000000001000000:0050 0:0 0A x\n 1: " + "0" * 32 + ":01BB 0:0 0A x\n", [443]),
        ("h\n 0: 00000000:0050 0:0 01 x\n torn\n\n 0: nonsense 0:0 0A x\n", []),
    ],
)
def test_ports_open_to_others(tmp_path: Path, text: str, ports: list[int]) -> None:
    assert network.listening(FakeMachine(tmp_path).file("/proc/net/tcp6", text).source())["tcp"] == ports


def test_the_internal_address_is_that_of_the_default_route() -> None:
    def adapter(name: str, *ips: str) -> dict[str, object]:
        return {"adapter": name, "addresses": [{"ip": ip, "scope": "global"} for ip in ips]}

    adapters = [adapter("a", "10.0.0.1"), adapter("b", "2001:db8::1", "192.0.2.7")]
    assert network.internal_ip(adapters, {"default_routes": [{"adapter": "b"}]}) == "192.0.2.7"
    assert network.internal_ip(adapters, {}) == "10.0.0.1"
    assert network.internal_ip([adapter("c", "2001:db8::2")], {}) == "2001:db8::2"
    assert network.internal_ip([], {}) == ""


# -- storage


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/a\\040b", "/a b"),
        ("/a\\134b", "/a\\b"),
        ("/\\303\\274", "/ü"),
        ("/\\377", "/\N{REPLACEMENT CHARACTER}"),
        ("/x\\", "/x\\"),
        ("/x\\9", "/x\\9"),
    ],
)
def test_escapes_of_the_mount_table_are_undone(text: str, expected: str) -> None:
    assert storage.plain(text) == expected


@given(st.text(alphabet=st.sampled_from("\\01234567ab ü\udcff")))
def test_survives_any_mount_point(text: str) -> None:
    assert isinstance(storage.plain(text), str)


# -- dpkg and the like


def test_a_folded_field_does_not_pose_as_another(tmp_path: Path) -> None:
    text = "Package: a\nStatus: install ok installed\nVersion: 1\nDescription: d\n Version: 9\n\tPackage: evil\n"
    (package,) = dpkg_packages(FakeMachine(tmp_path).file("/var/lib/dpkg/status", text).source())
    assert (package["name"], package["version"]) == ("a", "1")


def test_bytes_of_another_encoding_are_kept_as_text(tmp_path: Path) -> None:
    text = b"Package: a\nStatus: install ok installed\nMaintainer: Jos\xe9 <j@example>\nVersion: 1\n"
    (package,) = dpkg_packages(FakeMachine(tmp_path).file("/var/lib/dpkg/status", text).source())
    assert package["metadata"]["publisher"] == "Jos\N{REPLACEMENT CHARACTER}"


def test_packages_left_half_installed_are_named(tmp_path: Path) -> None:
    text = "Package: a\nStatus: install ok half-configured\n\nPackage: b\nStatus: install ok installed\n"
    assert unfinished_packages(FakeMachine(tmp_path).file("/var/lib/dpkg/status", text).source()) == ["a"]


@given(st.text(alphabet=st.sampled_from("Package: Status:installedVersion\n\t .a-1"), max_size=200))
def test_survives_any_status_file(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    machine = FakeMachine(tmp_path_factory.getbasetemp() / "dpkg").file("/var/lib/dpkg/status", text)
    dpkg_packages(machine.source())


def test_rpm_is_asked_once_with_all_fields(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path).file("/usr/lib/sysimage/rpm/Packages.db", "x")
    machine.outputs["rpm"] = b""
    assert software.rpm_packages(machine.source()) == []
    ((program, option, _, line),) = machine.commands
    assert (program, option) == ("rpm", "-qa")
    assert line.count("%{") == 11


# -- names and numbers


@given(st.text(max_size=100))
def test_survives_any_shell_like_file(text: str) -> None:
    for name, value in system.assignments(text).items():
        assert name
        assert isinstance(value, str)


def test_quoted_values_are_unquoted_and_never_expanded() -> None:
    found = system.assignments('A="x \\"y\\" $(id)"\nB=\'z\'\n# C=1\nD=\n=E\nF')
    assert found == {"A": 'x "y" $(id)', "B": "z", "D": ""}


@pytest.mark.parametrize(
    ("text", "size"), [("32K", 32768), ("1M", 1024**2), ("512", 512), ("K", 0), ("", 0), ("-1", -1)]
)
def test_sizes_with_units(text: str, size: int) -> None:
    assert cpu.size_of(text) == size


def test_the_clock_of_the_moment_is_the_last_resort(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path).file("/proc/cpuinfo", "processor : 0\nmodel name : X\ncpu MHz : 2596.13\n")
    from borealis_agent.capabilities.inventory.hardware import read_dmi

    assert cpu.cpu(machine.source(), read_dmi(machine.source()))["base_clock_ghz"] == 2.6
    machine.files("/sys/devices/system/cpu/cpu0/cpufreq", cpuinfo_max_freq="4800000")
    assert cpu.cpu(machine.source(), read_dmi(machine.source()))["base_clock_ghz"] == 4.8


def test_pci_names_are_found_in_their_own_vendor_only() -> None:
    names = PciNames(b"#\n1111  One\n\taaaa  Right\n\t\t2222 3333  Sub\n2222  Two\n\tbbbb  Other\n\nC 00  Class\n")
    assert (names.vendor("1111"), names.device("1111", "aaaa")) == ("One", "Right")
    assert (names.device("1111", "bbbb"), names.device("2222", "aaaa"), names.vendor("3333")) == ("", "", "")
    assert PciNames(b"").vendor("8086") == "Intel"


def test_pending_updates_are_read_from_what_the_system_wrote(tmp_path: Path) -> None:
    text = "\n12 updates can be applied immediately.\n3 of these updates are standard security updates.\n"
    machine = FakeMachine(tmp_path).file("/var/lib/update-notifier/updates-available", text)
    machine.file(
        "/etc/apt/sources.list", "deb https://user:pw@packages.example/debian stable main\n# deb http://old.example x\n"
    )
    found = services.updates(machine.source())
    assert (found["pending"], found["pending_security"], found["sources"]) == (12, 3, ["packages.example"])


def test_services_of_system_v_count_where_no_systemd_runs(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path).file("/etc/rc3.d/S01ssh").file("/etc/rc3.d/K01old").file("/etc/rc2.d/S01ssh")
    assert services.services(machine.source())["enabled"] == ["ssh"]


def test_a_machine_id_is_never_told_itself(tmp_path: Path) -> None:
    source = FakeMachine(tmp_path).file("/etc/machine-id", "0123456789abcdef0123456789abcdef\n").source()
    digest = system.machine_id_digest(source)
    assert len(digest) == 32
    assert "0123456789" not in digest
    assert system.machine_id_digest(Source(str(tmp_path / "other"))) == ""


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "", "javascript:x"])
def test_rejects_an_external_address_service_that_is_no_web_address(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        external_address.fetch_external_address(url)


def test_utmp_records_have_the_size_that_the_c_library_writes() -> None:
    assert struct.calcsize("<hxxi32s4s32s256shhiii4I20x") == 384
