"""The gateway's decisions without sockets: handshake, rules, hello, budgets, who hears what."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_randomness import FakeRandomness
from tests.fakes.gateway_world import GUID, OTHER, FakeDevices, FakeOperators

from borealis_engine.core.errors import Forbidden, RateLimited
from borealis_engine.core.feed import Change
from borealis_engine.enrolment.tokens import AccessTokens
from borealis_engine.gateway.admission import DEVICE_CONNECTS, WINDOW_SECONDS, Admission, DeviceIdentity
from borealis_engine.gateway.budget import TokenBucket
from borealis_engine.gateway.handshake import check_context, read_knock
from borealis_engine.gateway.hello import read_hello
from borealis_engine.gateway.operator_socket import may_hear
from borealis_engine.gateway.rules import EVENT_RULES, FEED_PERMISSIONS, OF_NO_SITE, Verdict, judge
from borealis_engine.operators.permissions import PERMISSIONS, OperatorRole, Permission, Principal
from borealis_wire.events import OperatorEvent, RunContext

HERE = DeviceIdentity(GUID, RunContext.SYSTEM, "ab" * 32, 1, "192.0.2.7")


def knock(*headers: tuple[str, str], client: str = "192.0.2.7", proxies: tuple[str, ...] = ()) -> Any:
    scope = {"headers": [(name.encode(), value.encode()) for name, value in headers], "client": (client, 1)}
    return read_knock(scope, proxies, "borealis_session")


def test_a_handshake_is_read() -> None:
    seen = knock(
        ("host", "engine:5000"),
        ("authorization", "BEARER abc "),
        ("cookie", "a=b; borealis_session=s1"),
        ("origin", "https://engine:5000"),
        ("x-borealis-agent-context", "SYSTEM"),
    )
    assert (seen.bearer, seen.session, seen.host, seen.origin) == ("abc", "s1", "engine:5000", "https://engine:5000")
    assert (seen.peer, seen.direct, seen.context) == ("192.0.2.7", False, "SYSTEM")
    assert "abc" not in repr(seen)
    assert "s1" not in repr(seen)


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "Bearer a"), ("authorization", "Bearer b")],
        [("authorization", "Basic a")],
        [("authorization", "Bearer ")],
        [("cookie", "borealis_session=a; borealis_session=b")],
        [("cookie", "borealis_session=a"), ("cookie", "borealis_session=b")],
        [("cookie", "borealis_session=")],
    ],
)
def test_rejects_credentials_that_are_not_clear(headers: list[tuple[str, str]]) -> None:
    seen = knock(*headers)
    assert seen.bearer is None
    assert seen.session is None


def test_two_origins_are_no_origin_of_ours() -> None:
    assert knock(("origin", "https://a"), ("origin", "https://b")).origin == "https://a,https://b"


def test_direct_means_this_machine_and_no_proxy() -> None:
    assert knock(client="127.0.0.1").direct
    assert not knock(("x-forwarded-for", "127.0.0.1"), client="127.0.0.1").direct
    assert not knock(("forwarded", "for=127.0.0.1"), client="127.0.0.1").direct
    assert knock(("x-forwarded-for", "198.51.100.1"), client="10.0.0.1", proxies=("10.0.0.0/8",)).peer == "198.51.100.1"
    assert knock(("x-forwarded-for", "198.51.100.1"), client="10.0.0.1").peer == "10.0.0.1"


@pytest.mark.parametrize("header", [None, "SYSTEM", " system "])
def test_a_context_header_may_agree_or_be_absent(header: str | None) -> None:
    check_context(header, RunContext.SYSTEM)


@pytest.mark.parametrize("header", ["CURRENTUSER", "", "interactive", "SYSTEM,CURRENTUSER"])
def test_rejects_a_context_header_that_does_not_agree(header: str) -> None:
    with pytest.raises(Forbidden, match="context_mismatch"):
        check_context(header, RunContext.SYSTEM)


async def test_rejects_a_device_that_connects_again_and_again(tmp_path: Path) -> None:
    clock, devices = FakeClock(), FakeDevices()
    tokens = AccessTokens(folder=tmp_path, randomness=FakeRandomness())
    tokens.load()
    admission = Admission(
        clock=clock, tokens=tokens, devices=devices, operators=FakeOperators(), public_url=lambda: "https://e"
    )

    async def come(guid: str, context: RunContext = RunContext.SYSTEM) -> None:
        token = tokens.issue(devices.states[guid], context, clock.now())
        await admission.admit(knock(("authorization", f"Bearer {token}")))

    for _ in range(DEVICE_CONNECTS):
        await come(GUID)
    with pytest.raises(RateLimited):
        await come(GUID)
    await come(GUID, RunContext.INTERACTIVE)
    await come(OTHER)
    clock.advance(WINDOW_SECONDS)
    await come(GUID)


def hello(**message: Any) -> Any:
    return read_hello(msgspec.Raw(msgspec.json.encode(message)), HERE)


@pytest.mark.parametrize(
    "agent_id", [GUID, GUID.lower(), f"PC_{GUID}", f"PC_{GUID}_SYSTEM", f"A_B_{GUID}_system", f"_{GUID}_SYSTEM"]
)
def test_a_device_may_claim_itself(agent_id: str) -> None:
    assert hello(agent_id=agent_id, service_mode="system", running=["a"]).accepted
    assert hello(agent_id=agent_id, running=["a"]).running == ("a",)


@pytest.mark.parametrize(
    "agent_id", [OTHER, f"{GUID}_{OTHER}_SYSTEM", f"PC_{GUID}_CURRENTUSER", f"PC_{GUID}_", "x", GUID + "0"]
)
def test_rejects_the_claim_to_be_another(agent_id: str) -> None:
    found = hello(agent_id=agent_id)
    assert found.mismatch
    assert not found.accepted
    assert found.answer["error"] == "agent_id_mismatch"


@given(st.text(max_size=256))
def test_rejects_any_text_that_is_not_the_own_id(text: str) -> None:
    assert GUID in text.upper() or not hello(agent_id=text).accepted


@given(st.text(), st.sampled_from(["device", "operator"]), st.integers(0, 10**8))
def test_rejects_events_without_a_rule(event: str, sender: Any, size: int) -> None:
    if event not in EVENT_RULES:
        assert judge(event, sender, size, frozenset(Permission)) == Verdict.UNKNOWN


def test_each_rule_lets_its_sender_through_and_no_other() -> None:
    every = frozenset(Permission)
    for event, rule in EVENT_RULES.items():
        other = "operator" if rule.sender == "device" else "device"
        assert judge(event, rule.sender, rule.max_bytes, every) == Verdict.PASS
        assert judge(event, rule.sender, rule.max_bytes + 1, every) == Verdict.TOO_LARGE
        assert judge(event, other, 1, every) == Verdict.FORBIDDEN  # type: ignore[arg-type]
        if rule.sender == "operator":
            assert judge(event, "operator", 1, frozenset()) == Verdict.FORBIDDEN


@pytest.mark.parametrize("kind", sorted(FEED_PERMISSIONS))
@pytest.mark.parametrize("role", OperatorRole)
def test_nobody_hears_what_they_may_not_read(kind: str, role: OperatorRole) -> None:
    permissions = PERMISSIONS[role]
    limited, free = Principal(1, "a", role, sites=frozenset({1})), Principal(1, "a", role)
    for site in (None, 1, 2):
        change = Change(kind, {}, GUID, site, "run-1")
        may = FEED_PERMISSIONS[kind] in permissions
        assert may_hear(change, free, permissions, {"run-1"}) == may
        assert may_hear(change, limited, permissions, {"run-1"}) == (may and (site == 1 or kind in OF_NO_SITE))
        assert not may_hear(change, free, frozenset(), {"run-1"})
        if kind == OperatorEvent.RUN_OUTPUT:
            assert not may_hear(change, free, permissions, set())
    assert not may_hear(Change("new_kind", {}), free, frozenset(Permission), set())


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 20)), max_size=60))
def test_a_bucket_never_gives_more_than_its_rate(steps: list[tuple[float, float]]) -> None:
    bucket, now, taken = TokenBucket(10, 30), 0.0, 0.0
    for pause, cost in steps:
        now += pause
        if bucket.take(cost, now):
            taken += cost
        assert taken <= 30 + 10 * now + 1e-6


def test_who_waits_as_told_stays_within_the_rate() -> None:
    bucket, now = TokenBucket(10, 20), 100.0
    for _ in range(100):
        now += bucket.delay(1, now)
    assert now - 100 == pytest.approx(8.0)
