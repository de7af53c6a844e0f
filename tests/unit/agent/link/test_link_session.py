"""The life of the line to the Engine, as scripts of what happens and what is to be done about it."""

import random
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_agent.link.session import (
    LONGEST_WAIT,
    RATE_LIMITED_WAIT,
    Action,
    Announce,
    CloseSocket,
    Event,
    GetToken,
    HelloAccepted,
    HelloRefused,
    OpenSocket,
    Say,
    SayHello,
    Session,
    SocketDown,
    SocketFailed,
    SocketUp,
    Started,
    State,
    Stopping,
    TokenFailed,
    TokenReady,
    Wait,
    WaitOver,
)


class Playbook:
    """``when(event).then(actions…)``: log lines are checked apart, waits by their bounds."""

    def __init__(self, seed: int = 1) -> None:
        self.session = Session(random.Random(seed))
        self.said: list[str] = []
        self.waits: list[float] = []
        self.last: list[Action] = []

    def when(self, *events: Event) -> Self:
        for event in events:
            actions = self.session.handle(event)
            self.said.extend(action.sentence for action in actions if isinstance(action, Say))
            self.waits.extend(action.seconds for action in actions if isinstance(action, Wait))
            self.last = [action for action in actions if not isinstance(action, Say)]
        return self

    def then(self, *actions: Action | type[Action]) -> Self:
        assert len(self.last) == len(actions), self.last
        for got, wanted in zip(self.last, actions, strict=True):
            assert isinstance(got, wanted) if isinstance(wanted, type) else got == wanted
        return self

    def online(self) -> Self:
        return self.when(Started(), TokenReady(), SocketUp(), HelloAccepted())


def test_the_way_up() -> None:
    play = Playbook()
    play.when(Started()).then(GetToken(renew=False))
    play.when(TokenReady()).then(OpenSocket())
    play.when(SocketUp()).then(SayHello())
    play.when(HelloAccepted()).then(Announce(online=True))
    assert play.session.state is State.ONLINE


def test_a_notice_of_the_engine_is_said() -> None:
    play = Playbook()
    play.when(Started(), TokenReady(), SocketUp(), HelloAccepted("update the agent"))
    assert "update the agent" in play.said


def test_a_lost_socket_is_announced_before_anything_else_is_tried() -> None:
    play = Playbook().online()
    play.when(SocketDown("transport error", lasted=5)).then(CloseSocket(), Announce(online=False), Wait)
    play.when(WaitOver()).then(GetToken(renew=False))


@pytest.mark.parametrize(
    ("code", "renew"),
    [
        ("token_expired", True),
        ("device_revoked", True),
        ("token_version_mismatch", True),
        ("unavailable", False),
        ("", False),
    ],
)
def test_a_refused_socket_asks_for_another_token_where_that_may_help(code: str, renew: bool) -> None:
    play = Playbook()
    play.when(Started(), TokenReady(), SocketFailed(code)).then(Wait)
    play.when(WaitOver()).then(GetToken(renew=renew))
    play.when(TokenReady(), SocketFailed("unavailable"), WaitOver()).then(GetToken(renew=False))


def test_a_refusal_is_said_in_words_and_once() -> None:
    play = Playbook()
    play.when(Started(), TokenReady(), SocketFailed("device_revoked"))
    assert "revoked by an operator" in play.said[0]
    play.when(WaitOver(), TokenReady(), SocketFailed("device_revoked"))
    play.when(WaitOver(), TokenReady(), SocketFailed("device_revoked"))
    assert len(play.said) == 1
    play.when(WaitOver(), TokenReady(), SocketFailed("rate_limited"))
    assert len(play.said) == 2
    assert play.waits[-1] >= RATE_LIMITED_WAIT


def test_a_revoked_device_asks_as_seldom_as_it_is_told() -> None:
    play = Playbook()
    play.when(Started(), TokenFailed("this device is revoked", retry_after=300)).then(Wait)
    assert play.waits[-1] >= 300


def test_waits_grow_up_to_their_bound_and_only_a_session_that_lasted_resets_them() -> None:
    play = Playbook()
    play.when(Started())
    for _ in range(12):
        play.when(TokenReady(), SocketFailed("", "refused"), WaitOver())
    assert max(play.waits) > 10
    assert max(play.waits) <= LONGEST_WAIT
    attempts = play.session.backoff.attempts
    play.when(TokenReady(), SocketUp(), HelloAccepted(), SocketDown("gone", lasted=2.0))
    assert play.session.backoff.attempts == attempts + 1
    play.when(WaitOver(), TokenReady(), SocketUp(), HelloAccepted(), SocketDown("gone", lasted=3600.0))
    assert play.session.backoff.attempts == 1


def test_a_refused_greeting_hangs_up() -> None:
    play = Playbook()
    play.when(Started(), TokenReady(), SocketUp(), HelloRefused("agent_id_mismatch")).then(CloseSocket(), Wait)
    play.when(WaitOver()).then(GetToken(renew=True))


def test_the_end_hangs_up_and_nothing_happens_after_it() -> None:
    play = Playbook().online()
    play.when(Stopping()).then(CloseSocket(), Announce(online=False))
    play.when(Started(), TokenReady(), SocketUp()).then()


def test_a_fleet_does_not_come_back_at_one_moment() -> None:
    first = [Playbook(seed).online().when(SocketDown("gone", 100)).waits[-1] for seed in range(200)]
    assert max(first) - min(first) > 0.5


EVENTS: list[Event] = [
    Started(),
    TokenReady(),
    TokenFailed("no"),
    SocketUp(),
    SocketFailed("token_expired"),
    SocketDown("gone", 1.0),
    HelloAccepted(),
    HelloRefused(),
    WaitOver(),
    Stopping(),
]


@given(st.lists(st.sampled_from(EVENTS), max_size=40))
def test_events_in_any_order_never_hang_or_announce_twice(events: list[Event]) -> None:
    session, online = Session(random.Random(3)), False
    for event in events:
        actions = session.handle(event)
        for action in actions:
            if isinstance(action, Announce):
                assert action.online != online
                online = action.online
        # Every answer leaves something to wait for, unless it is the end or the event came too late.
        waiting = [action for action in actions if isinstance(action, GetToken | OpenSocket | SayHello | Wait)]
        assert len(waiting) <= 1
        assert session.state is not State.WAITING or waiting or not actions
    assert online == (session.state is State.ONLINE)
