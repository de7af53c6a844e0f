"""What counts as news."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.fake_machine import GIB, FakeMachine, linux_laptop
from tests.programs.systems import ON_WINDOWS

from borealis_agent.capabilities.inventory.__main__ import report
from borealis_agent.capabilities.inventory.changes import fingerprint, read_fingerprint
from borealis_agent.capabilities.inventory.linux import collect_linux
from borealis_agent.capabilities.inventory.source import Space

LINUX_SOURCE = pytest.mark.skipif(ON_WINDOWS, reason="a Linux laid out in files is read on Linux")


@pytest.fixture(scope="module")
def details(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return collect_linux(linux_laptop(tmp_path_factory.mktemp("machine")).source()).details


def altered(details: dict[str, Any], path: str, value: Any) -> bool:
    other = copy.deepcopy(details)
    at: Any = other
    *folders, last = path.split("/")
    for name in folders:
        at = at[int(name)] if isinstance(at, list) else at[name]
    at[int(last) if isinstance(at, list) else last] = value
    return fingerprint(details).differs(fingerprint(other))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("summary/uptime_sec", 99),
        ("summary/last_reboot", "2025-10-08 07:52:20"),
        ("state/load", ["9", "9", "9"]),
        ("state/memory_available", 1),
        ("storage/0/free", 1),
        ("storage/0/used", 2),
        ("storage/0/inodes_free", 3),
        ("storage/0/usage", 84.9),
        ("services/running_count", 12),
        ("updates/lists_refreshed_at", "2025-10-09 00:00:00"),
    ],
)
def test_what_changes_by_itself_is_no_news(details: dict[str, Any], path: str, value: Any) -> None:
    assert not altered(details, path, value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("summary/last_user", "bob"),
        ("summary/external_ip", "192.0.2.99"),
        ("storage/0/usage", 85.1),
        ("storage/0/total", 1),
        ("storage/0/drive", "/other"),
        ("network/0/ips", []),
        ("software/0/version", "9"),
        ("os/boot_id", "another boot"),
        ("memory/0/capacity", 1),
        ("users/signed_in", []),
        ("updates/reboot_required", False),
    ],
)
def test_what_somebody_did_is_news(details: dict[str, Any], path: str, value: Any) -> None:
    assert altered(details, path, value)


@LINUX_SOURCE
def test_slow_filling_is_news_once_it_adds_up(tmp_path: Path) -> None:
    machine = linux_laptop(tmp_path)
    first = report(machine.source())
    known = {"fingerprint": json.loads(json.dumps(first["fingerprint"]))}
    changed = []
    for used in (82, 84, 86):
        machine.spaces["/"] = Space(100 * GIB, (100 - used) * GIB, used * GIB, 1000, 500)
        changed.append(report(machine.source(), known)["changed"])
    assert changed == [False, False, True]


@LINUX_SOURCE
def test_nothing_is_handed_over_where_nothing_changed(tmp_path: Path) -> None:
    machine = linux_laptop(tmp_path)
    first = report(machine.source())
    again = report(machine.source(), {"fingerprint": first["fingerprint"]})
    assert (again["changed"], again["details"], again["hostname"]) == (False, None, "lab-7")
    assert again["facts"] == first["facts"]


@pytest.mark.parametrize(
    "known",
    [
        None,
        [],
        "x",
        {},
        {"fingerprint": {"digest": 1, "measured": {}}},
        {"fingerprint": {"digest": "x", "measured": {"a": "b"}}},
    ],
)
def test_survives_an_unreadable_memory_by_sending_all(tmp_path: Path, known: Any) -> None:
    assert report(FakeMachine(tmp_path).source(), known)["changed"] is True


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_has_a_fingerprint_that_reads_back(value: Any) -> None:
    found = fingerprint({"storage": value, "x": value})
    assert read_fingerprint(json.loads(json.dumps(found._asdict()))) == found
    assert not found.differs(found)
    read_fingerprint(value)
