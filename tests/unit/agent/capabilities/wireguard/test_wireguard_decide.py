"""What happens to a device's tunnel: orders, and what is seen of it."""

import dataclasses
import itertools

import pytest
from tests.unit.wire.test_wire_tunnel import KEY, OTHER_KEY, START, STOP

from borealis_agent.capabilities.wireguard import decide
from borealis_agent.capabilities.wireguard.decide import Active, Step
from borealis_base.wireguard.texts import PeerState

UP = decide.begin(START, 1000.0, "192.0.2.2")


def seen(*, handshake: int = 1, received: int = 500, endpoint: str = "192.0.2.1:30000") -> PeerState:
    return PeerState(KEY, endpoint, "10.255.0.1/32", handshake, received, 0)


def looked(active: Active, state: PeerState | None, now: float, source: str = "192.0.2.2") -> Active:
    found = decide.watched(active, state, source, now).active
    assert found is not None
    return found


def test_the_first_order_brings_it_up() -> None:
    assert decide.ordered(None, START, public_key=OTHER_KEY).step is Step.UP


def test_the_same_order_again_changes_nothing_but_shakes_hands() -> None:
    assert decide.ordered(UP, START, public_key=OTHER_KEY).step is Step.AGAIN


def test_other_ports_of_the_same_tunnel_are_followed() -> None:
    order = dataclasses.replace(START, allowed_ports=(22,), issued_at=START.issued_at + 1)
    assert decide.ordered(UP, order, public_key=OTHER_KEY).step is Step.PORTS


@pytest.mark.parametrize(
    "changes",
    [
        {"tunnel_id": "bb"},
        {"virtual_ip": "10.255.0.3/32"},
        {"engine_virtual_ip": "10.255.0.9", "allowed_ips": "10.255.0.9/32"},
        {"server_public_key": OTHER_KEY},
    ],
)
def test_rejects_another_tunnel_while_one_is_up(changes: dict[str, str]) -> None:
    order = dataclasses.replace(START, **changes)  # type: ignore[arg-type]
    assert decide.ordered(UP, order, public_key=OTHER_KEY).step is Step.REFUSE


def test_rejects_an_order_that_is_older_than_the_one_followed() -> None:
    order = dataclasses.replace(START, allowed_ports=(22,), issued_at=START.issued_at - 1)
    assert decide.ordered(UP, order, public_key=OTHER_KEY).step is Step.REFUSE


def test_rejects_an_order_for_another_key() -> None:
    assert decide.ordered(None, START, public_key=KEY).step is Step.REFUSE


def test_a_stop_is_followed_for_the_tunnel_that_is_up_only() -> None:
    assert decide.stopped(UP, STOP).step is Step.DOWN
    assert decide.stopped(UP, dataclasses.replace(STOP, tunnel_id="bb")).step is Step.NOTHING
    assert decide.stopped(None, STOP).step is Step.NOTHING


def test_a_tunnel_that_is_well_is_left_alone() -> None:
    active = UP
    for tick in range(1, 40):
        answer = decide.watched(active, seen(handshake=tick // 20 + 1), "192.0.2.2", 1000.0 + 5 * tick)
        assert answer.step is Step.NOTHING
        assert answer.active is not None
        active = answer.active


def test_an_interface_that_is_gone_is_made_again() -> None:
    assert decide.watched(UP, None, "192.0.2.2", 1005.0).step is Step.REBUILD


def test_another_address_of_the_device_has_it_call_at_once() -> None:
    assert decide.watched(looked(UP, seen(), 1005.0), seen(), "192.0.2.9", 1010.0).step is Step.CALL


def test_no_way_to_the_engine_is_no_new_address() -> None:
    active = looked(UP, seen(), 1005.0)
    assert decide.watched(active, seen(), "", 1010.0).step is Step.NOTHING
    back = looked(active, seen(), 1010.0, source="")
    assert decide.watched(back, seen(), "192.0.2.2", 1015.0).step is Step.NOTHING


def test_silence_has_it_call_now_and_then_and_then_end() -> None:
    active, calls, now = looked(UP, seen(), 1005.0), [], 1005.0
    while True:
        now += 5
        answer = decide.watched(active, seen(), "192.0.2.2", now)
        assert answer.active is not None
        active = answer.active
        if answer.step is Step.DOWN:
            break
        if answer.step is Step.CALL:
            calls.append(now)
    assert (answer.why, now - 1005.0) == ("server_stop", decide.LOST_SECONDS + 5)
    assert len(calls) >= 4
    assert all(later - earlier > decide.RETRY_SECONDS for earlier, later in itertools.pairwise(calls))


def test_an_engine_that_forgot_to_end_it_does_not_keep_it_for_ever() -> None:
    """Handshakes go on, as the kernel's do without any program; no data comes, and no order."""
    active, now, bytes_in = UP, 1000.0, 0
    while now < 10_000:
        now += 60
        bytes_in += 32 + 92
        answer = decide.watched(active, seen(handshake=int(now), received=bytes_in), "192.0.2.2", now)
        assert answer.active is not None
        active = answer.active
        if answer.step is Step.DOWN:
            break
    assert answer.why == "idle_timeout"
    assert now - 1000 == pytest.approx(2 * START.idle_seconds, abs=60)


def test_data_and_orders_put_that_off() -> None:
    active = looked(UP, seen(received=0), 1010.0)
    active = looked(active, seen(handshake=2, received=100_000), 2500.0)
    assert decide.watched(active, seen(handshake=3, received=100_000), "192.0.2.2", 4000.0).step is Step.NOTHING
    told = decide.followed(UP, START, 2500.0)
    assert decide.watched(told, seen(handshake=3, received=0), "192.0.2.2", 4200.0).step is Step.NOTHING


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("engine.example:30000", "engine.example"),
        ("localhost:30000", "their.engine"),
        ("127.0.0.1:30000", "their.engine"),
        ("[::1]:30000", "their.engine"),
    ],
)
def test_localhost_means_the_engine_that_this_agent_knows(endpoint: str, host: str) -> None:
    order = dataclasses.replace(START, endpoint=endpoint)
    assert decide.endpoint_for(order, "https://their.engine:5000") == (host, 30000)
