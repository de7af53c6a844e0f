"""Which uninstall keys are software, whatever an installer wrote there."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from borealis_agent.capabilities.inventory.windows_software import software_of


def test_people_see_programs_and_no_parts_of_them() -> None:
    keys: list[tuple[str, str, dict[str, Any]]] = [
        ("b", "x86", {"DisplayName": "Beta", "DisplayVersion": "2"}),
        ("a", "x86_64", {"DisplayName": " Alpha\0 One ", "EstimatedSize": -1, "InstallDate": "31.1.2024"}),
        ("update", "x86_64", {"DisplayName": "Update", "ParentKeyName": "Alpha"}),
        ("part", "x86_64", {"DisplayName": "Part", "SystemComponent": 1}),
        ("none", "x86_64", {}),
    ]
    assert software_of(keys) == [
        {"name": "Alpha One", "version": "", "source": "registry", "metadata": {"architecture": "x86_64"}},
        {"name": "Beta", "version": "2", "source": "registry", "metadata": {"architecture": "x86"}},
    ]


def test_one_program_in_both_views_is_there_once() -> None:
    values = {"DisplayName": "Both", "DisplayVersion": "1"}
    found = software_of([("Both", "x86_64", values), ("both", "x86", values)])
    assert [entry["metadata"]["architecture"] for entry in found] == ["x86_64"]


NAMES = ("DisplayName", "DisplayVersion", "SystemComponent", "EstimatedSize", "InstallDate", "WindowsInstaller")
anything = st.one_of(st.none(), st.integers(), st.text(), st.binary(), st.lists(st.text()))


@given(st.lists(st.tuples(st.text(), st.just("x86"), st.dictionaries(st.sampled_from(NAMES), anything))))
def test_survives_any_values(keys: list[tuple[str, str, dict[str, Any]]]) -> None:
    json.dumps(software_of(keys))
