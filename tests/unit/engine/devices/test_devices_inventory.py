"""Inventory: what is not empty wins, what is too much is dropped and said, what is hostile is refused."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_engine.core.errors import Invalid, TooLarge
from borealis_engine.devices import inventory
from borealis_engine.devices.health import clean_roles, shown_roles

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("empty", [None, "", [], {}])
def test_what_is_empty_keeps_what_is_stored(empty: Any) -> None:
    assert inventory.merge({"a": 1}, empty) == {"a": 1}
    assert inventory.merge({"a": "x", "b": {"c": 1}}, {"a": empty, "b": {"c": empty}}) == {"a": "x", "b": {"c": 1}}


def test_what_says_something_wins_and_objects_are_merged() -> None:
    stored = {"cpu": {"name": "old", "cores": 4}, "os": "Debian 11", "users": ["a", "b"]}
    incoming = {"cpu": {"name": "new"}, "os": "Debian 12", "users": ["c"], "uptime": 0, "virtual": False}
    assert inventory.merge(stored, incoming) == {
        "cpu": {"name": "new", "cores": 4},
        "os": "Debian 12",
        "users": ["c"],
        "uptime": 0,
        "virtual": False,
    }


@pytest.mark.slow
@given(JSON, JSON)
def test_merging_twice_is_merging_once(stored: Any, incoming: Any) -> None:
    once = inventory.merge(stored, incoming)
    assert inventory.merge(once, incoming) == once


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(["summary", "cpu", "users", "extra"]), st.dictionaries(st.text(), JSON)))
def test_whatever_a_device_sends_can_be_stored_and_read(details: dict[str, Any]) -> None:
    for name, (value, dropped) in inventory.clean_details(details).items():
        section = inventory.pack(name, value, dropped)
        assert inventory.unpack(section.body) == msgspec.json.decode(msgspec.json.encode(value))


def test_software_is_there_once_and_its_source_has_one_name() -> None:
    items = [
        {"name": "bash", "version": "5.2", "source": "dpkg", "metadata": {"arch": "amd64"}},
        {"name": "Bash", "version": "5.2", "source": "DPKG"},
        {"name": "bash", "version": "5.3", "source": "dpkg"},
        {"name": "Editor", "version": 7, "source": "uninstall_registry"},
        {"name": "Editor", "version": "7", "source": "local"},
        {"name": "Store thing", "source": "appx"},
        {"name": ""},
        "not an object",
    ]
    software, dropped = inventory.clean_software(items)
    assert [(entry["name"], entry["version"], entry["source"]) for entry in software] == [
        ("bash", "5.2", "dpkg"),
        ("bash", "5.3", "dpkg"),
        ("Editor", "7", "local_installed"),
        ("Store thing", "", "windows_store"),
    ]
    assert software[0]["metadata"] == {"arch": "amd64"}
    assert dropped == 0


def test_too_many_items_are_dropped_and_counted() -> None:
    many = [{"name": f"p{number}"} for number in range(inventory.MAX_SOFTWARE + 3)]
    cleaned = inventory.clean_details({"software": many, "memory": [{}] * (inventory.MAX_ITEMS + 2)})
    assert [(len(value), dropped) for value, dropped in cleaned.values()] == [
        (inventory.MAX_SOFTWARE, 3),
        (inventory.MAX_ITEMS, 2),
    ]


@pytest.mark.parametrize(
    "details",
    [
        {"memory": {"slot": 1}},
        {"summary": ["x"]},
        {"software": "bash"},
        {"../x": [1]},
        {"x" * 65: [1]},
        {f"s{number}": [1] for number in range(inventory.MAX_SECTIONS + 1)},
    ],
)
def test_rejects_sections_of_another_form(details: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="invalid_payload"):
        inventory.clean_details(details)


def test_rejects_a_section_beyond_its_size() -> None:
    value = [{"text": "x" * inventory.MAX_STRING}] * (inventory.MAX_SECTION_BYTES // inventory.MAX_STRING + 1)
    with pytest.raises(TooLarge, match="storage"):
        inventory.pack("storage", value)


def test_rejects_what_is_not_a_devices_to_say() -> None:
    told = {"description": "mine", "ssl_key_fingerprint": "00", "created_at": 1, "hostname": "lab"}
    assert inventory.clean_details({"summary": told})["summary"][0] == {"hostname": "lab"}


def test_the_record_takes_upstreams_spellings_from_the_summary() -> None:
    summary = {
        "agent_hash": "abc",
        "type": "Server",
        "public_ip": "198.51.100.1",
        "private_ip": "10.0.0.1",
        "last_boot": "2026-01-01 00:00:00",
        "username": "ada\n",
        "os": "Debian 12",
        "domain": "",
    }
    assert inventory.short_fields(summary) == {
        "agent_build_id": "abc",
        "device_type": "Server",
        "external_ip": "198.51.100.1",
        "internal_ip": "10.0.0.1",
        "last_reboot": "2026-01-01 00:00:00",
        "last_user": "ada",
        "operating_system": "Debian 12",
    }


@pytest.mark.parametrize(
    ("value", "seconds"), [(5, 5), (5.9, 5), (-1, None), (True, None), ("5", None), (1e300, None), (float("inf"), None)]
)
def test_an_uptime_is_a_plausible_number(value: Any, seconds: int | None) -> None:
    assert inventory.whole_uptime(value) == seconds


def test_role_health_is_bounded_and_has_a_state() -> None:
    roles = clean_roles({"a": {"state": "running", "deep": {"x": [1]}, "text": "y" * 9999}, "b": "degraded", "c": 7})
    assert roles["a"] == {"state": "running", "text": "y" * 512}
    assert roles["b"] == {"state": "degraded"}
    assert roles["c"] == {"state": "unknown"}
    assert len(clean_roles({str(number): "running" for number in range(1000)})) == 64


def test_roles_of_both_contexts_are_shown_side_by_side() -> None:
    shown = shown_roles({"interactive": {"x": {"state": "running"}}, "system": {"x": {"state": "degraded"}}})
    assert shown == {
        "x": {"state": "degraded", "context": "system"},
        "x (interactive)": {"state": "running", "context": "interactive"},
    }
