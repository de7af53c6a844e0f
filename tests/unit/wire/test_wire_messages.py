"""Messages of the device protocol: limits, defaults, and that nothing else comes through."""

import inspect
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_wire import messages
from borealis_wire.limits import MAX_OUTPUT_CHUNK_BYTES, MAX_RESULT_STREAM_BYTES
from borealis_wire.messages import ConnectAgent, Details, EnrolRequest, Heartbeat, JobOutput, JobResult, QuickJobRun

MESSAGES = [
    kind
    for _, kind in inspect.getmembers(messages, inspect.isclass)
    if issubclass(kind, messages.Message) and kind is not messages.Message
]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=12,
)
OUTPUT: dict[str, Any] = {"run_id": "r", "seq": 0, "stream": "stdout", "data": "x"}
RESULT: dict[str, Any] = {"run_id": "r", "status": "Success"}


def read(kind: type[Any], value: Any) -> Any:
    return msgspec.json.decode(json.dumps(value).encode(), type=kind)


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_messages_cannot_be_changed_and_are_documented(kind: type[Any]) -> None:
    assert kind.__struct_config__.frozen
    assert (kind.__doc__ or "").strip()


@pytest.mark.slow
@given(st.sampled_from(MESSAGES), st.binary(max_size=200) | ANY_JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_message_or_a_msgspec_error(kind: type[Any], data: bytes) -> None:
    try:
        message = msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return
    assert msgspec.json.decode(msgspec.json.encode(message), type=kind) == message


@pytest.mark.slow
@given(st.sampled_from([JobOutput, JobResult, Heartbeat, Details, EnrolRequest, ConnectAgent]), st.data())
def test_any_value_in_any_member_is_a_message_or_a_msgspec_error(kind: type[Any], data: st.DataObject) -> None:
    base = OUTPUT if kind is JobOutput else RESULT if kind is JobResult else {}
    name = data.draw(st.sampled_from(kind.__struct_fields__))
    value = base | {name: data.draw(ANY_JSON)}
    try:
        message = read(kind, value)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return
    assert isinstance(message, kind)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (JobOutput, OUTPUT | {"stream": "stdin"}),
        (JobOutput, OUTPUT | {"stream": "stdout\n"}),
        (JobOutput, OUTPUT | {"seq": -1}),
        (JobOutput, OUTPUT | {"seq": 2**63}),
        (JobOutput, OUTPUT | {"seq": "0"}),
        (JobOutput, OUTPUT | {"data": "x" * (MAX_OUTPUT_CHUNK_BYTES + 1)}),
        (JobOutput, OUTPUT | {"run_id": ""}),
        (JobOutput, OUTPUT | {"run_id": "r" * 65}),
        (JobOutput, {"run_id": "r"}),
        (JobResult, RESULT | {"exit_code": 2**64}),
        (JobResult, RESULT | {"exit_code": "0"}),
        (JobResult, RESULT | {"exit_code": True}),
        (JobResult, RESULT | {"job_id": 2**63}),
        (JobResult, RESULT | {"job_id": "x" * 257}),
        (JobResult, RESULT | {"stdout": "x" * (MAX_RESULT_STREAM_BYTES + 4097)}),
        (JobResult, RESULT | {"reason": "x" * 1025}),
        (JobResult, RESULT | {"status": "x" * 33}),
        (JobResult, RESULT | {"context": []}),
        (EnrolRequest, {"hostname": "h" * 254}),
        (EnrolRequest, {"client_nonce": "A" * 4097}),
        (EnrolRequest, {"hostname": None}),
        (Heartbeat, {"metrics": {"uptime": "1"}}),
        (Heartbeat, {"roles": []}),
        (Details, {"details": []}),
        (Details, {"complete": "cpu"}),
        (ConnectAgent, {"running": [""]}),
    ],
)
def test_rejects_message(kind: type[Any], value: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(kind, value)


def test_members_of_a_newer_peer_are_passed_over() -> None:
    assert read(Heartbeat, {"guid": "G", "tomorrow": {"x": 1}}).guid == "G"


def test_a_message_as_old_as_upstreams_is_read() -> None:
    metrics = {"service_mode": "system", "uptime": 5}
    beat = read(Heartbeat, {"guid": "G", "hostname": "h", "metrics": metrics, "inventory": {}})
    assert (beat.protocol_version, beat.metrics.uptime, beat.roles) == (0, 5.0, {})
    assert read(Details, {"agent_id": "a", "hostname": "h", "details": {"summary": {}}}).complete == []


@pytest.mark.parametrize("exit_code", [0, 3, -9, 4294967295, None])
def test_exit_codes_of_every_system_are_taken(exit_code: int | None) -> None:
    assert read(JobResult, RESULT | {"exit_code": exit_code}).exit_code == exit_code


def test_a_job_travels_with_upstreams_members() -> None:
    names = set(QuickJobRun.__struct_fields__)
    assert names >= {"job_id", "target_hostname", "script_type", "script_name", "script_path", "script_content"}
    assert names >= {"script_encoding", "environment", "variables", "timeout_seconds", "files", "run_mode"}
    assert names >= {"signature", "sig_alg", "signing_key", "context", "run_id", "envelope"}


def test_an_agent_id_is_upstreams() -> None:
    assert messages.agent_id("lab pc", "0F", "SYSTEM") == "LAB-PC_0F_SYSTEM"
