"""Results on their way to the Engine: until it has them, by whichever door, and no longer (contract 4)."""

from pathlib import Path

from tests.fakes.intake_world import IntakeWorld

from borealis_agent.core.errors import Retryable
from borealis_agent.http import RequestRejected
from borealis_wire.events import Rest
from borealis_wire.messages import JobResult


def result(run_id: str, text: str = "out") -> JobResult:
    return JobResult(run_id=run_id, status="Success", stdout=text)


async def test_a_result_is_repeated_until_it_is_acknowledged(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        answers = [TimeoutError(), None, {"error": "unavailable"}, {"status": "ok"}]
        world.door.answer = lambda _event, _data: answers.pop(0)
        world.delivery.keep(result("a"))
        for _ in range(6):
            await world.settle()
            world.clock.advance(61)
        await world.settle()
        assert answers == []
        assert len(world.results) == 4
        assert world.spool.waiting() == []


async def test_it_goes_by_rest_where_there_is_no_socket(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        world.door.connected = False
        world.delivery.keep(result("a"))
        await world.settle()
        ((path, sent),) = world.http.posted
        assert (path, sent["run_id"], sent["stdout"]) == (Rest.SCRIPT_RESULT, "a", "out")
        assert world.spool.waiting() == []


async def test_a_new_session_sends_at_once_what_waits(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        world.door.connected = False
        world.http.failure = Retryable("no network", retry_after=3600)
        for name in "abcdef":
            world.delivery.keep(result(name))
        await world.settle()
        assert len(world.spool.waiting()) == 6
        world.door.connected = True
        world.delivery.session_began()
        await world.settle()
        assert sorted(sent["run_id"] for sent in world.results) == list("abcdef")
        assert world.spool.waiting() == []


async def test_survives_an_engine_that_is_away_for_long_without_hammering_it(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        world.door.connected = False
        world.http.failure = Retryable("no network")
        tries = 0

        async def post(_path: str, _payload: object, **_: object) -> dict[str, object]:
            nonlocal tries
            tries += 1
            raise Retryable("no network")

        world.http.post_json = post  # type: ignore[method-assign, assignment]
        world.delivery.keep(result("a"))
        for _ in range(600):
            await world.settle()
            world.clock.advance(1)
        assert 5 <= tries <= 60
        assert world.spool.waiting() == ["a"]


async def test_a_result_that_the_engine_takes_in_no_form_blocks_nothing(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:

        def answer(_event: str, data: dict[str, object]) -> object:
            return {"error": "invalid_status"} if data["run_id"] == "bad" else {"status": "ok"}

        world.door.answer = answer
        world.delivery.keep(result("bad", "x" * 1000))
        world.delivery.keep(result("good"))
        for _ in range(12):
            await world.settle()
            world.clock.advance(61)
        await world.settle()
        assert world.spool.waiting() == []
        tries = [sent for sent in world.results if sent["run_id"] == "bad"]
        assert len(tries) == 6
        assert [len(str(sent["stdout"])) for sent in tries] == [1000, 1000, 1000, 0, 0, 0]
        assert len([sent for sent in world.results if sent["run_id"] == "good"]) == 1


async def test_a_rest_rejection_counts_the_same(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        world.door.connected = False
        world.http.answers[Rest.SCRIPT_RESULT] = RequestRejected(400, "invalid_request", "no")
        world.delivery.keep(result("a"))
        for _ in range(12):
            await world.settle()
            world.clock.advance(61)
        await world.settle()
        assert world.spool.waiting() == []


async def test_a_flood_of_refusals_costs_nothing_that_lasts(tmp_path: Path) -> None:
    async with IntakeWorld(tmp_path) as world:
        world.door.connected = False
        world.http.failure = Retryable("no network")
        for number in range(2000):
            world.delivery.mention(JobResult(run_id=f"r{number}", status="Refused", reason="bad_signature"))
        await world.settle()
        assert world.spool.waiting() == []
        assert (tmp_path / "outbox").stat().st_size < 1000
