"""Names on the wire: spelt once, closed, and with advice."""

from borealis_wire import events
from borealis_wire.events import (
    CONTEXT_HEADER_VALUES,
    DEVICE_RESULT_STATUSES,
    REFUSAL_ADVICE,
    RUN_MODES,
    SEALED_EVENTS,
    SERVICE_MODES,
    TERMINAL_STATUSES,
    EngineEvent,
    RefusalCode,
    RunContext,
    RunStatus,
)


def test_every_refusal_has_advice() -> None:
    assert set(REFUSAL_ADVICE) == set(RefusalCode)
    assert all(text.endswith(".") for text in REFUSAL_ADVICE.values())


def test_every_context_has_upstreams_names() -> None:
    for table in (CONTEXT_HEADER_VALUES, RUN_MODES, SERVICE_MODES):
        assert set(table) == set(RunContext)
        assert len(set(table.values())) == len(table)


def test_what_makes_a_device_act_is_sealed() -> None:
    harmless = {EngineEvent.AGENT_CONFIG, EngineEvent.VPN_TUNNEL_ACTIVITY}
    assert set(EngineEvent) - harmless == SEALED_EVENTS


def test_a_device_ends_runs_and_nothing_else() -> None:
    assert set(RunStatus) - {RunStatus.PENDING, RunStatus.RUNNING} == TERMINAL_STATUSES
    assert RunStatus.EXPIRED not in DEVICE_RESULT_STATUSES


def test_rest_paths_are_apart() -> None:
    paths = [value for name, value in vars(events.Rest).items() if name.isupper()]
    assert len(set(paths)) == len(paths)
    assert all(path.startswith("/api/agent/") for path in paths)
