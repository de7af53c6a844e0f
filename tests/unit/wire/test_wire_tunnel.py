"""Tunnel orders: there and back, and nothing that leads more than two addresses into a tunnel."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_wire.events import RefusalCode
from borealis_wire.refusal import Refused
from borealis_wire.tunnel import TunnelStart, TunnelStop, join_endpoint, parse_tunnel, split_endpoint

KEY = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
OTHER_KEY = "ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICA="
START = TunnelStart(
    order_id="5f0c",
    device_guid="3F2504E0-4F89-41D3-9A0C-0305E82C3301",
    agent_id="LAB-7_3F2504E0-4F89-41D3-9A0C-0305E82C3301_SYSTEM",
    tunnel_id="aa",
    virtual_ip="10.255.0.2/32",
    engine_virtual_ip="10.255.0.1",
    allowed_ips="10.255.0.1/32",
    endpoint="engine.example:30000",
    server_public_key=KEY,
    client_public_key=OTHER_KEY,
    allowed_ports=(3389, 47002),
    idle_seconds=900,
    issued_at=1_760_000_000,
    expires_at=1_760_000_060,
)
STOP = TunnelStop("5f0d", START.device_guid, START.agent_id, "aa", "operator_stop", 1_760_000_000, 1_760_000_060)


@pytest.mark.parametrize("order", [START, STOP, dataclasses.replace(START, allowed_ports=())])
def test_an_order_reads_back_as_it_was(order: TunnelStart | TunnelStop) -> None:
    assert parse_tunnel(order.to_payload()) == order


def changed(order: TunnelStart | TunnelStop = START, **members: Any) -> bytes:
    return json.dumps({**order.to_json(), **members}).encode()


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(changed(allowed_ips="0.0.0.0/0"), id="everything"),
        pytest.param(changed(allowed_ips="10.255.0.0/16"), id="the whole network"),
        pytest.param(changed(allowed_ips="10.255.0.1/32, 192.168.1.0/24"), id="one more network"),
        pytest.param(changed(allowed_ips="10.255.0.2/32"), id="another address"),
        pytest.param(changed(allowed_ips="::/0"), id="all of IPv6"),
        pytest.param(changed(virtual_ip="10.255.0.2/16"), id="a network of its own"),
        pytest.param(changed(virtual_ip="10.255.0.1/32"), id="both ends the same"),
        pytest.param(changed(virtual_ip="8.8.8.8/32"), id="a public address"),
        pytest.param(
            changed(engine_virtual_ip="127.0.0.1", allowed_ips="127.0.0.1/32"), id="the device's own loopback"
        ),
        pytest.param(changed(engine_virtual_ip="1.1.1.1", allowed_ips="1.1.1.1/32"), id="somebody's resolver"),
        pytest.param(
            changed(engine_virtual_ip="169.254.169.254", allowed_ips="169.254.169.254/32"), id="a cloud's metadata"
        ),
        pytest.param(changed(endpoint="engine.example"), id="no port"),
        pytest.param(changed(endpoint="engine.example:0"), id="port 0"),
        pytest.param(changed(endpoint="-x:1"), id="an option as host"),
        pytest.param(changed(endpoint="a b:1"), id="a blank in the host"),
        pytest.param(changed(endpoint="::1:30000"), id="IPv6 without brackets"),
        pytest.param(changed(endpoint="h\n:1"), id="a line break in the host"),
        pytest.param(changed(server_public_key="x"), id="no key"),
        pytest.param(changed(server_public_key=KEY[:-1]), id="a key cut short"),
        pytest.param(changed(client_public_key=KEY + "\n"), id="a line break after a key"),
        pytest.param(changed(allowed_ports=[0]), id="port 0 allowed"),
        pytest.param(changed(allowed_ports=[True]), id="a truth for a port"),
        pytest.param(changed(allowed_ports=["22"]), id="a text for a port"),
        pytest.param(changed(allowed_ports=[80, 22]), id="out of order"),
        pytest.param(changed(allowed_ports=[22, 22]), id="twice"),
        pytest.param(changed(allowed_ports=list(range(1, 66))), id="too many"),
        pytest.param(changed(idle_seconds=1), id="hardly any idle time"),
        pytest.param(changed(idle_seconds=10**9), id="for ever"),
        pytest.param(changed(keepalive=0), id="no keepalive"),
        pytest.param(changed(expires_at=1_760_000_000), id="expired at birth"),
        pytest.param(changed(tunnel_id=""), id="no tunnel"),
        pytest.param(changed(client_private_key=KEY), id="a private key"),
        pytest.param(changed(action="restart"), id="another action"),
        pytest.param(changed(action="stop"), id="a start that says stop"),
        pytest.param(changed(STOP, action="start"), id="a stop that says start"),
        pytest.param(changed(STOP, reason=""), id="a stop without a reason"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b"{", id="no JSON"),
        pytest.param(changed(agent_id="x" * 9000), id="too long"),
    ],
)
def test_rejects_what_is_no_tunnel_order(payload: bytes) -> None:
    with pytest.raises(Refused) as refused:
        parse_tunnel(payload)
    assert refused.value.code is RefusalCode.MALFORMED


@given(st.binary(max_size=300))
def test_rejects_any_bytes_in_the_same_way(payload: bytes) -> None:
    with pytest.raises(Refused):
        parse_tunnel(payload)


@pytest.mark.parametrize("host", ["engine.example", "192.0.2.1", "2001:db8::1"])
def test_an_endpoint_reads_back_as_it_was(host: str) -> None:
    assert split_endpoint(join_endpoint(host, 30000)) == (host, 30000)


def test_another_tunnel_has_another_identity_and_other_ports_have_not() -> None:
    assert dataclasses.replace(START, allowed_ports=(1,), endpoint="h:1", idle_seconds=60).identity == START.identity
    assert dataclasses.replace(START, tunnel_id="bb").identity != START.identity
    assert dataclasses.replace(START, virtual_ip="10.255.0.9/32").identity != START.identity
