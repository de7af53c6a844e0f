"""Hostnames are compared without case, cleaned, and never look like somebody else's GUID."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_engine.core.errors import Invalid
from borealis_engine.devices.names import (
    check_hostname,
    clean_hostname,
    clean_text,
    free_hostname,
    hostname_key,
    looks_like_guid,
)

GUID = "0F8FAD5B-D9CB-469F-A165-70867728950E"
OTHER = "7C9E6679-7425-40DE-944B-E07FC1F90AE7"


def free(claimed: str, *taken: str) -> str:
    keys = {hostname_key(name) for name in taken}
    return free_hostname(claimed, GUID, lambda name: hostname_key(name) in keys)


def test_a_free_name_stays_and_a_taken_one_gets_a_number() -> None:
    assert free("lab") == "lab"
    assert free("lab", "LAB") == "lab-1"
    assert free("lab", "lab", "Lab-1", "lab-2") == "lab-3"


def test_after_fifty_the_guid_is_the_name() -> None:
    taken = ["lab", *(f"lab-{number}" for number in range(1, 51))]
    assert free("lab", *taken) == GUID
    assert free("lab", *taken[:-1]) == "lab-50"


def test_a_long_name_is_cut_so_that_its_number_fits() -> None:
    long = "x" * 300
    assert free(long) == "x" * 253
    assert free(long, "x" * 253) == "x" * 251 + "-1"


@pytest.mark.parametrize("claimed", ["", "  ", "\x00\n", OTHER, OTHER.lower()])
def test_rejects_a_claimed_name_that_says_nothing_or_is_a_guid(claimed: str) -> None:
    assert free(claimed) == GUID


@pytest.mark.parametrize("name", ["", " ", "a/b", "a\\b", "a%2fb", "a\nb", "x" * 254, OTHER, "a\u202eb"])
def test_rejects_a_name_that_no_address_can_carry(name: str) -> None:
    with pytest.raises(Invalid, match="invalid_hostname"):
        check_hostname(name)


@pytest.mark.parametrize("name", ["lab-1", "büro.example", "Front Desk", "a_b"])
def test_ordinary_names_pass(name: str) -> None:
    assert check_hostname(f" {name} ") == name


@given(st.text(max_size=600))
def test_whatever_is_claimed_the_name_is_usable(text: str) -> None:
    name = free(text)
    assert 1 <= len(name) <= 253
    assert name == GUID or (check_hostname(name) == name and not looks_like_guid(name))


@given(st.text(max_size=600), st.integers(1, 300))
def test_cleaned_text_is_one_printable_line(text: str, limit: int) -> None:
    cleaned = clean_text(text, limit)
    assert len(cleaned) <= limit
    assert cleaned.isprintable()
    assert clean_hostname(clean_hostname(text)) == clean_hostname(text)
