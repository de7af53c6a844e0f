"""Which addresses a device forwards to: the tunnel's ends never, link-local only by name, the rest by its setting."""

import ipaddress
from typing import Final

import pytest

from borealis_agent.capabilities.forward import Targets

ENDS: Final = frozenset({ipaddress.ip_address("10.255.0.2"), ipaddress.ip_address("10.255.0.1")})
HERE: Final = {"192.0.2.7", "2001:db8::7"}


def objection(address: str, setting: str = "") -> str:
    return Targets(setting, own=HERE.__contains__).objection(ipaddress.ip_address(address), closed=ENDS)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "192.0.2.7", "192.0.2.200", "2001:db8::7"])
def test_what_the_device_reaches_may_be_a_target(address: str) -> None:
    assert objection(address) == ""


@pytest.mark.parametrize("setting", ["", "any", "device", "10.0.0.0/8", "0.0.0.0/0,::/0"])
@pytest.mark.parametrize("address", ["10.255.0.1", "10.255.0.2", "::ffff:10.255.0.1"])
def test_rejects_the_ends_of_the_tunnel_whatever_the_setting_says(setting: str, address: str) -> None:
    assert "tunnel" in objection(address, setting)


@pytest.mark.parametrize("address", ["0.0.0.0", "0.1.2.3", "::", "224.0.0.251", "ff02::1", "255.255.255.255"])
def test_rejects_what_is_not_the_address_of_one_machine(address: str) -> None:
    assert "one machine" in objection(address, "any 0.0.0.0/0")


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "fe80::1"])
def test_rejects_a_clouds_metadata_unless_it_is_named(address: str) -> None:
    assert "link-local" in objection(address)
    assert "link-local" in objection(address, "any,device")
    assert objection(address, "any, 169.254.169.254, fd00:ec2::/64 fe80::/10") == ""


@pytest.mark.parametrize("address", ["192.0.2.200", "2001:db8::8", "8.8.8.8"])
def test_rejects_other_machines_where_only_the_device_itself_is_allowed(address: str) -> None:
    assert "BOREALIS_FORWARD_HOSTS" in objection(address, "device")
    for here in ("127.0.0.1", "::1", *HERE):
        assert objection(here, "device") == ""


def test_networks_are_allowed_by_name_and_nothing_beside_them() -> None:
    assert objection("192.0.2.200", "192.0.2.0/24") == ""
    assert objection("::ffff:192.0.2.200", "192.0.2.0/24") == ""
    assert objection("198.51.100.1", "192.0.2.0/24")
    assert objection("127.0.0.1", "192.0.2.0/24")
    assert objection("127.0.0.1", "192.0.2.0/24 device") == ""


def test_rejects_everything_where_the_setting_is_a_slip_of_the_pen() -> None:
    targets = Targets("devise")
    assert targets.mistakes == ["devise"]
    assert targets.objection(ipaddress.ip_address("127.0.0.1"), closed=frozenset())
