"""Addresses, packet filters, and what counts as use; pure."""

import asyncio
import ipaddress
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_base.wireguard.texts import PeerState
from borealis_engine.core.errors import Fatal
from borealis_engine.core.tunnel_settings import TunnelSettings, load_tunnel_settings
from borealis_engine.tunnel import rules, watching
from borealis_engine.tunnel.models import Lease
from borealis_engine.tunnel.pool import AddressPool, PoolExhausted
from borealis_engine.tunnel.ports import DevicePeer

ENGINE = ipaddress.IPv4Address("10.255.0.1")


def pool(network: str = "10.255.0.0/16") -> AddressPool:
    return AddressPool(ipaddress.IPv4Network(network), ENGINE)


def test_the_first_free_address_is_taken_and_the_engines_never() -> None:
    addresses = pool()
    assert [addresses.take() for _ in range(3)] == ["10.255.0.2", "10.255.0.3", "10.255.0.4"]
    addresses.give_back("10.255.0.3")
    addresses.give_back("10.255.0.3")
    assert [addresses.take(), addresses.take()] == ["10.255.0.3", "10.255.0.5"]


def test_thousands_fit() -> None:
    addresses = pool()
    found = {addresses.take() for _ in range(65_533)}
    assert len(found) == 65_533
    assert not found & {"10.255.0.0", "10.255.0.1", "10.255.255.255"}
    with pytest.raises(PoolExhausted):
        addresses.take()
    addresses.give_back("10.255.200.7")
    assert addresses.take() == "10.255.200.7"


@given(st.lists(st.integers(min_value=0, max_value=9), max_size=60))
def test_no_address_is_given_twice(moves: list[int]) -> None:
    addresses, held = pool("10.255.0.0/28"), list[str]()
    for move in moves:
        if move < 6:
            try:
                taken = addresses.take()
            except PoolExhausted:
                assert len(held) == 13
                continue
            assert taken not in held
            held.append(taken)
        elif held:
            addresses.give_back(held.pop(move % len(held)))


def test_what_is_reserved_after_a_restart_is_not_given_again() -> None:
    addresses = pool()
    assert addresses.fits("10.255.0.2")
    addresses.reserve("10.255.0.2")
    assert not addresses.fits("10.255.0.2")
    assert not addresses.fits("10.255.0.1")
    assert not addresses.fits("192.168.1.1")
    assert addresses.take() == "10.255.0.3"


PEERS = [DevicePeer("k1", "10.255.0.2", (22, 3389)), DevicePeer("k2", "10.255.0.3", ())]


def test_the_filter_drops_whatever_no_rule_names() -> None:
    text = rules.table("wg_x", "x", PEERS)
    assert text.count("counter drop") == 4
    assert "elements = { 10.255.0.2 . 22, 10.255.0.2 . 3389 }" in text
    assert "elements" not in rules.table("wg_x", "x", [])
    # Connections as such are let through nowhere: what is closed is cut.
    assert "ct state established" not in text.partition("chain input")[0]


def test_a_change_closes_before_it_opens() -> None:
    text = rules.change("wg_x", close=[("10.255.0.2", 22)], open_=[("10.255.0.2", 80)])
    assert text.index("delete element") < text.index("add element")
    assert rules.change("wg_x") == ""


@pytest.mark.root
@pytest.mark.skipif(shutil.which("nft") is None, reason="needs nft")
@pytest.mark.parametrize("text", [rules.table("wg_x", "x", PEERS), rules.table("wg_x", "x", [])])
def test_nft_reads_the_filter(text: str) -> None:
    done = subprocess.run(["nft", "-c", "-f", "-"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def lease() -> Lease:
    return Lease(
        id=1,
        tunnel_id="aa",
        guid="G",
        hostname="lab",
        site_id=None,
        address="10.255.0.2",
        public_key="k1",
        endpoint="h:1",
        started_by="ada",
        started_at=0.0,
        operators={"ada": None},
        ports=(22,),
        last_used=0.0,
        used_at=100.0,
        ended=asyncio.Event(),
    )


def state(*, handshake: int = 1, received: int = 0, sent: int = 0) -> PeerState:
    return PeerState("k1", "192.0.2.2:4", "10.255.0.2/32", handshake, received, sent)


def test_what_the_engine_sends_is_use_and_what_the_device_sends_is_not() -> None:
    one = lease()
    assert not watching.observe(one, state(), monotonic=110, now=10)
    assert not watching.observe(one, state(received=10**9), monotonic=120, now=20)
    assert one.used_at == 100
    assert watching.observe(one, state(received=10**9, sent=5000), monotonic=130, now=30)
    assert (one.used_at, one.last_used, one.sent, one.received) == (130, 30, 5000, 10**9)


def test_an_idle_tunnel_is_idle_though_it_shakes_hands() -> None:
    one, sent = lease(), 0
    for tick in range(1, 100):
        shakes = tick % 12 == 0
        sent += 92 + 32 if shakes else 0
        handshake = tick // 12 + 1
        assert not watching.observe(one, state(handshake=handshake, sent=sent), monotonic=100 + 10 * tick, now=0)
    assert watching.is_idle(one, monotonic=1090, idle_seconds=900)


def test_counters_that_begin_anew_are_added() -> None:
    one = lease()
    watching.observe(one, state(sent=4000), monotonic=110, now=0)
    watching.observe(one, state(sent=100), monotonic=120, now=0)
    assert one.sent == 4100


@pytest.mark.parametrize(
    ("ago", "used_at"),
    [(-500, 1000.0), (0, 1000.0), (300, 700.0), (880, 160.0), (959, 160.0), (960, None), (10**6, None)],
)
def test_over_a_restart_a_tunnel_keeps_its_idle_time_with_a_minute_to_come_back(
    ago: float, used_at: float | None
) -> None:
    found = watching.used_at_after_restart(5000.0 - ago, monotonic=1000.0, now=5000.0, idle_seconds=900)
    assert found == used_at


def test_a_short_idle_time_begins_anew_over_a_restart() -> None:
    assert watching.used_at_after_restart(4970.0, monotonic=1000.0, now=5000.0, idle_seconds=10) == 1000.0


def test_settings_of_upstream_are_read() -> None:
    name = "BOREALIS_WIREGUARD_"
    found = load_tunnel_settings(
        {
            f"{name}PORT": "31000",
            f"{name}PEER_NETWORK": "10.9.0.0/24",
            f"{name}ENGINE_VIRTUAL_IP": "10.9.0.1/32",
            f"{name}WINDOWS_ALLOWLIST": "3389, 22",
            f"{name}SHELL_PORT": "47001",
        }
    )
    assert (found.port, str(found.network), str(found.engine_address)) == (31000, "10.9.0.0/24", "10.9.0.1")
    assert found.default_ports("Windows 11") == [22, 3389]
    assert found.default_ports("Debian 12") == [3389, 3478, 5900, 47001, 47003, 47004]
    assert load_tunnel_settings({}) == TunnelSettings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "x"),
        ("PEER_NETWORK", "10.255.0.0/33"),
        ("PEER_NETWORK", "8.8.8.0/24"),
        ("ENGINE_VIRTUAL_IP", "10.1.0.1"),
        ("IDLE_SECONDS", "1"),
        ("WINDOWS_ALLOWLIST", "3389;22"),
        ("WINDOWS_ALLOWLIST", "70000"),
    ],
)
def test_rejects_a_setting_that_cannot_be(name: str, value: str) -> None:
    with pytest.raises(Fatal, match="BOREALIS_WIREGUARD"):
        load_tunnel_settings({f"BOREALIS_WIREGUARD_{name}": value})
