"""Two machines with one identity give themselves away; one restless machine does not (threats 15)."""

from borealis_engine.devices.duplicates import SWAPS_ONE_ADDRESS, WINDOW_SECONDS, IdentityWatch
from borealis_wire.events import RunContext

SYSTEM = RunContext.SYSTEM


def swaps(watch: IdentityWatch, *pairs: tuple[str, str], every: float = 5.0, start: float = 0.0) -> list[str | None]:
    return [watch.session_replaced(SYSTEM, old, new, start + number * every) for number, (old, new) in enumerate(pairs)]


def test_two_addresses_that_throw_each_other_out_are_two_machines() -> None:
    found = swaps(IdentityWatch(), ("a", "b"), ("b", "a"), ("a", "b"))
    assert found[:2] == [None, None]
    assert found[2] is not None
    assert "a and b" in found[2]


def test_one_address_has_to_do_it_much_more_often() -> None:
    found = swaps(IdentityWatch(), *[("a", "a")] * SWAPS_ONE_ADDRESS)
    assert found[:-1] == [None] * (SWAPS_ONE_ADDRESS - 1)
    assert found[-1] is not None


def test_a_machine_that_travels_is_one_machine() -> None:
    assert swaps(IdentityWatch(), ("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")) == [None] * 4


def test_swaps_far_apart_are_forgotten() -> None:
    assert swaps(IdentityWatch(), *[("a", "b"), ("b", "a")] * 10, every=WINDOW_SECONDS / 2) == [None] * 20


def test_contexts_are_counted_apart() -> None:
    watch = IdentityWatch()
    assert watch.session_replaced(SYSTEM, "a", "b", 0) is None
    assert watch.session_replaced(RunContext.INTERACTIVE, "b", "a", 1) is None
    assert watch.session_replaced(SYSTEM, "b", "a", 2) is None


def test_boot_times_that_go_back_and_forth_are_two_machines() -> None:
    watch = IdentityWatch()
    found = [watch.uptime_reported(uptime, now) for now, uptime in zip(range(0, 600, 60), [9000, 50] * 5, strict=True)]
    assert found[0:6] == [None] * 6
    assert found[6] is not None


def test_reboots_late_heartbeats_and_a_clock_set_once_are_one_machine() -> None:
    watch = IdentityWatch()
    assert watch.uptime_reported(1000, 0) is None
    assert watch.uptime_reported(1060, 90) is None, "a heartbeat that was 30 s under way"
    assert watch.uptime_reported(10, 200) is None, "a reboot"
    for minute in range(20):
        # The agent's clock was set forward by a day: its uptime jumps, and stays so.
        assert watch.uptime_reported(86_400 + minute * 60, 300 + minute * 60) is None
