"""A device that looks like a known one: what is asked, and what an answer leads to."""

from dataclasses import replace
from typing import Any

import pytest

from borealis_engine.core.errors import EngineError
from borealis_engine.enrolment.conflicts import (
    AUTO_MERGE,
    Decision,
    FoundConflict,
    conflict_block,
    decide,
    find_conflict,
)
from borealis_engine.enrolment.models import KnownDevice, Resolution

DEVICE = KnownDevice("GUID-1", "LAB-PC", "f" * 64, "active", 7, 0.0, 1)
NAMESAKE = replace(DEVICE, guid="GUID-2", fingerprint="e" * 64)


def find(by_key: KnownDevice | None, by_name: KnownDevice | None, **changes: bool) -> FoundConflict | None:
    return find_conflict(by_key, by_name, **{"key_in_use": False, "two_machines": False, **changes})


def choose(conflict: FoundConflict | None, **changes: Any) -> Decision:
    arguments = {"hostname": "LAB-PC", "resolution": None, "guid": None, "guid_known": True, **changes}
    return decide(conflict, **arguments)


def refusal(conflict: FoundConflict | None, **changes: Any) -> str:
    with pytest.raises(EngineError) as caught:
        choose(conflict, **changes)
    return caught.value.code


@pytest.mark.parametrize(
    ("by_key", "by_name", "facts", "kind"),
    [
        (None, None, {}, None),
        (None, NAMESAKE, {}, "hostname"),
        (DEVICE, DEVICE, {}, "same_key"),
        (DEVICE, NAMESAKE, {}, "same_key"),
        (replace(DEVICE, status="revoked"), None, {}, "withdrawn_device"),
        (replace(DEVICE, status="quarantined"), None, {}, "withdrawn_device"),
        (DEVICE, None, {"key_in_use": True}, "duplicate_identity"),
        (DEVICE, None, {"two_machines": True}, "duplicate_identity"),
        (None, NAMESAKE, {"two_machines": True}, "duplicate_identity"),
        (None, None, {"two_machines": True}, "duplicate_identity"),
    ],
)
def test_the_kind_of_conflict(
    by_key: KnownDevice | None, by_name: KnownDevice | None, facts: dict[str, bool], kind: str | None
) -> None:
    conflict = find(by_key, by_name, **facts)
    assert (conflict.kind if conflict else None) == kind


def test_a_new_device_gets_a_new_guid() -> None:
    assert choose(None) == Decision(None, None)


def test_the_same_key_is_merged_without_asking() -> None:
    assert choose(find(DEVICE, None)) == Decision("GUID-1", AUTO_MERGE)


@pytest.mark.parametrize("facts", [{"key_in_use": True}, {"two_machines": True}])
def test_rejects_to_decide_about_a_copied_identity_without_being_told(facts: dict[str, bool]) -> None:
    conflict = find(DEVICE, DEVICE, **facts)
    assert refusal(conflict) == "conflict_resolution_required"
    assert refusal(conflict, resolution=Resolution.COEXIST) == "duplicate_identity"
    assert choose(conflict, resolution=Resolution.MERGE) == Decision("GUID-1", "merge")
    assert choose(conflict, guid="GUID-1") == Decision("GUID-1", "merge")
    assert refusal(conflict, guid="GUID-9") == "duplicate_identity"


def test_two_new_machines_with_one_key_need_an_answer_too() -> None:
    conflict = find(None, None, two_machines=True)
    assert refusal(conflict) == "conflict_resolution_required"
    assert choose(conflict, resolution=Resolution.OVERWRITE) == Decision(None, "overwrite")


def test_a_withdrawn_device_comes_back_by_an_explicit_answer_only() -> None:
    conflict = find(replace(DEVICE, status="revoked"), None)
    assert refusal(conflict) == "conflict_resolution_required"
    assert choose(conflict, resolution=Resolution.OVERWRITE) == Decision("GUID-1", "overwrite")


def test_a_name_that_is_taken_can_be_taken_over_or_shared() -> None:
    conflict = find(None, NAMESAKE)
    assert refusal(conflict) == "conflict_resolution_required"
    assert choose(conflict, resolution=Resolution.OVERWRITE) == Decision("GUID-2", "overwrite")
    assert choose(conflict, resolution=Resolution.MERGE) == Decision("GUID-2", "merge")
    assert choose(conflict, resolution=Resolution.COEXIST) == Decision(None, "coexist")
    assert choose(conflict, guid="GUID-2") == Decision("GUID-2", "merge")
    assert refusal(conflict, guid="GUID-9") == "conflict_resolution_required"
    assert choose(conflict, guid="GUID-9", resolution=Resolution.MERGE) == Decision("GUID-9", "merge")


def test_rejects_answers_that_fit_no_question() -> None:
    assert refusal(None, resolution=Resolution.MERGE) == "invalid_conflict_resolution"
    assert refusal(None, resolution=Resolution.OVERWRITE) == "invalid_conflict_resolution"
    assert refusal(None, guid="GUID-1", guid_known=False) == "device_not_found"
    assert refusal(None, guid="GUID-1", resolution=Resolution.COEXIST) == "invalid_conflict_resolution"
    assert choose(None, guid="GUID-1") == Decision("GUID-1", "merge")


def test_the_block_hides_what_the_operator_may_not_see() -> None:
    conflict = find(None, NAMESAKE)
    assert conflict is not None
    shown = conflict_block(conflict, site_name="North", visible=True)
    assert (shown["guid"], shown["site_name"], shown["fingerprint_match"]) == ("GUID-2", "North", False)
    hidden = conflict_block(conflict, site_name="North", visible=False)
    assert {name for name, value in hidden.items() if value not in (None, False)} == {"kind", "requires_prompt"}
