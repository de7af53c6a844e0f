"""The chain of refresh tokens, by property: lost answers lock nobody out, and a second user is always found out."""

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import Connection, create_engine, func, select
from sqlalchemy.pool import StaticPool
from tests.fakes.fake_randomness import FakeRandomness

from borealis_engine.enrolment import refresh_store
from borealis_engine.enrolment.dpop import DpopProof
from borealis_engine.enrolment.models import DAY
from borealis_engine.enrolment.refresh_store import Rotation, Verdict
from borealis_engine.enrolment.tables import refresh_tokens

GUID = "0F0F0F0F-0000-4000-8000-000000000000"
START = 1_760_000_000


class Chain:
    """One device's tokens in a database of its own."""

    def __init__(self) -> None:
        self.engine = create_engine("sqlite://", poolclass=StaticPool)
        refresh_tokens.create(self.engine)
        self.connection: Connection = self.engine.connect()
        self.randomness = FakeRandomness()
        self.now = START
        self.proofs = 0
        self.first = self.start()

    def start(self) -> str:
        """A new family."""
        return refresh_store.start_family(
            self.connection, GUID, jkt="jkt", proof_required=True, now=self.now, randomness=self.randomness
        ).token

    def present(self, token: str) -> Rotation:
        """Use a token with a fresh proof."""
        self.proofs += 1
        proof = DpopProof(f"{self.proofs:064x}", "jkt")
        return refresh_store.rotate(self.connection, GUID, token, proof=proof, now=self.now, randomness=self.randomness)

    def prune(self) -> None:
        """As the loop does."""
        refresh_store.prune(self.connection, self.now)

    def rows(self) -> int:
        """How many are kept."""
        return int(self.connection.execute(select(func.count()).select_from(refresh_tokens)).scalar_one())

    def close(self) -> None:
        """Forget it."""
        self.connection.close()
        self.engine.dispose()


@contextlib.contextmanager
def chain() -> Iterator[Chain]:
    opened = Chain()
    try:
        yield opened
    finally:
        opened.close()


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 89 * DAY), st.booleans()), max_size=25))
def test_survives_any_pattern_of_lost_answers(calls: list[tuple[bool, int, bool]]) -> None:
    with chain() as opened:
        held = opened.first
        for lost, pause, prune in calls:
            opened.now += pause
            if prune:
                opened.prune()
            rotation = opened.present(held)
            assert rotation.verdict is Verdict.ROTATED
            if not lost:
                held = rotation.token


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.integers(2, 8), st.data())
def test_rejects_reuse_once_the_successor_was_used(length: int, data: st.DataObject) -> None:
    with chain() as opened:
        tokens = [opened.first]
        siblings: list[str] = []
        for _ in range(length):
            siblings += [opened.present(tokens[-1]).token for _ in range(data.draw(st.integers(0, 2)))]
            tokens.append(opened.present(tokens[-1]).token)
        opened.present(tokens[-1])
        old = data.draw(st.sampled_from([*tokens[:-1], *siblings]))
        assert opened.present(old).verdict is Verdict.REUSED
        for token in (*tokens, *siblings):
            assert opened.present(token).verdict is Verdict.REVOKED


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(60, 2 * DAY), min_size=1, max_size=60))
def test_rows_stay_bounded_whatever_the_pace(pauses: list[int]) -> None:
    with chain() as opened:
        held = opened.first
        for number, pause in enumerate(pauses):
            opened.now += pause
            opened.prune()
            rotation = opened.present(held)
            held = rotation.token if number % 3 else held
        opened.now += DAY + 1
        opened.prune()
        assert opened.rows() <= 3 + refresh_store.MAX_UNUSED_CHILDREN * 2


class TwoParties(RuleBasedStateMachine):
    """A device and somebody who copies its newest token now and then; answers get lost; old rows are pruned."""

    def __init__(self) -> None:
        super().__init__()
        self.chain = Chain()
        self.held = self.chain.first
        self.stolen: list[str] = []
        self.parent: dict[str, str | None] = {self.held: None}
        self.used: set[str] = set()
        self.superseded: set[str] = set()
        self.revoked = False

    def teardown(self) -> None:
        self.chain.close()

    def use(self, token: str) -> str:
        """Present a token, compare with what has to happen, and give the successor."""
        rotation = self.chain.present(token)
        if rotation.verdict is Verdict.UNKNOWN:
            assert self.revoked or token in self.superseded or self.may_be_dropped(token)
            return ""
        if self.revoked:
            assert rotation.verdict is Verdict.REVOKED
            return ""
        if token in self.superseded:
            assert rotation.verdict is Verdict.REUSED
            self.revoked = True
            return ""
        assert rotation.verdict is Verdict.ROTATED
        if token not in self.used:
            parent = self.parent[token]
            if parent is not None:
                self.superseded.add(parent)
                self.superseded |= {other for other in self.parent if self.parent[other] == parent and other != token}
        self.used.add(token)
        self.parent[rotation.token] = token
        return rotation.token

    def may_be_dropped(self, token: str) -> bool:
        parent = self.parent[token]
        siblings = sum(other == parent for other in self.parent.values())
        return token not in self.used and siblings > refresh_store.MAX_UNUSED_CHILDREN

    @rule(lost=st.booleans())
    def the_device_refreshes(self, lost: bool) -> None:
        token = self.use(self.held)
        if token and not lost:
            self.held = token

    @rule()
    def the_thief_copies(self) -> None:
        self.stolen.append(self.held)

    @precondition(lambda self: bool(self.stolen))
    @rule(lost=st.booleans(), which=st.integers(0, 10))
    def the_thief_refreshes(self, lost: bool, which: int) -> None:
        at = which % len(self.stolen)
        token = self.use(self.stolen[at])
        if token and not lost:
            self.stolen[at] = token

    @rule(seconds=st.integers(0, 12 * 3600))
    def time_passes(self, seconds: int) -> None:
        self.chain.now += seconds

    @rule()
    def old_rows_are_pruned(self) -> None:
        self.chain.prune()

    @invariant()
    def no_two_lines_go_on(self) -> None:
        # Of all tokens that would still be taken, at most one was ever used: there is one line.
        alive = [token for token in self.used if token not in self.superseded and not self.revoked]
        assert len(alive) <= 1


TestTwoParties = pytest.mark.slow(TwoParties.TestCase)
TestTwoParties.settings = settings(deadline=None, max_examples=40, stateful_step_count=25)


def test_a_new_family_ends_the_ones_before() -> None:
    with chain() as opened:
        opened.start()
        assert opened.present(opened.first).verdict is Verdict.REVOKED


def test_a_family_is_unused_until_its_first_refresh() -> None:
    with chain() as opened:
        row = refresh_store.find(opened.connection, GUID, opened.first)
        assert row is not None
        assert refresh_store.family_is_unused(opened.connection, row.family)
        opened.present(opened.first)
        assert not refresh_store.family_is_unused(opened.connection, row.family)
        assert not refresh_store.family_is_unused(opened.connection, "no such family")
