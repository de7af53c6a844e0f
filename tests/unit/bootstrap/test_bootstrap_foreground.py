"""The Engine in the foreground, for machines without our supervisor."""

import io
import random
from collections.abc import Mapping, Sequence

import pytest

from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.foreground import keep_running
from borealis_bootstrap.progress import Progress


class Child:
    """A program that ends with the given statuses, one after another."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.slept: list[float] = []
        self.said = io.StringIO()

    def run(self, _command: Sequence[str], _environ: Mapping[str, str]) -> int:
        return self.statuses.pop(0)

    def keep(self) -> int:
        return keep_running(
            ["engine"],
            {},
            Progress(self.said),
            run=self.run,
            sleep=self.slept.append,
            monotonic=lambda: 0.0,
            rng=random.Random(1),
        )


def test_a_crash_is_told_and_tried_again_later_and_later() -> None:
    child = Child(1, 1, 1, 1, 1, 0)
    assert child.keep() == 0
    assert len(child.slept) == 5
    assert max(child.slept[3:]) > child.slept[0]
    assert child.said.getvalue().count("ended with status 1") == 5


def test_rejects_to_hammer_what_a_person_has_to_mend() -> None:
    child = Child(1, 3)
    with pytest.raises(CannotGoOn, match="what to do stands above"):
        child.keep()
    assert len(child.slept) == 1
