"""What a macro says of itself: all of a few steps, and not every one of very many."""

from borealis_agent.capabilities.macro.telling import EACH, Telling


def test_the_first_steps_are_told_one_by_one_and_then_summed_up() -> None:
    telling = Telling()
    lines = [telling.step("pressed a", float(now)) for now in range(20)]
    assert lines[:EACH] == ["pressed a", *(f"pressed a (time {number})" for number in range(2, EACH + 1))]
    summaries = [line for line in lines[EACH:] if line]
    assert summaries == ["typed 5 more times, 10 in all", "typed 10 more times, 20 in all"]
    assert telling.total() == "it typed 20 times"


def test_a_day_of_it_is_some_hundred_lines() -> None:
    telling = Telling()
    lines = [telling.step("pressed a", now / 2) for now in range(2 * 86400)]
    assert 280 < sum(line is not None for line in lines) < 310


def test_after_a_change_the_steps_are_told_again() -> None:
    telling = Telling()
    for now in range(40):
        telling.step("pressed a", float(now))
    telling.anew()
    assert telling.step("pressed b", 40.0) == "pressed b (time 41)"


def test_the_total_has_the_right_words() -> None:
    telling = Telling()
    assert telling.total() == "it typed nothing"
    telling.step("pressed a", 0.0)
    assert telling.total() == "it typed 1 time"
