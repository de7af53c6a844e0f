"""SMBIOS tables, whole, old and torn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.fake_machine import laptop_smbios, memory_device, structure

from borealis_agent.capabilities.inventory import smbios


def test_structures_and_their_texts_are_read() -> None:
    structures = smbios.parse(laptop_smbios())
    assert [item.kind for item in structures] == [0, 1, 2, 3, 4, 9, 16, 17, 17, 127]
    assert smbios.first(structures, 1).text(4) == "Contoso"
    assert smbios.first(structures, 2).text(7) == ""  # "To Be Filled By O.E.M."
    assert smbios.first(structures, 44).text(4) == ""


@pytest.mark.parametrize(
    ("size", "expected"),
    [(16384, 16 * 1024**3), (0x8000 | 512, 512 * 1024), (65536, 64 * 1024**3), (0, 0), (0xFFFF, 0)],
)
def test_sizes_of_every_form_are_bytes(size: int, expected: int) -> None:
    if size == 65536:
        table = memory_device(0, size=size, speed=1, configured=1, strings=("A",))
    else:
        body = bytearray(0x1B - 4)
        body[0x0C - 4 : 0x0E - 4] = size.to_bytes(2, "little")
        table = structure(17, 1, bytes(body))
    found = smbios.memory_modules(smbios.parse(table))
    assert [item["capacity"] for item in found] == ([expected] if expected else [])


def test_old_firmware_with_short_structures_gives_what_it_has() -> None:
    body = bytearray(0x15 - 4)  # SMBIOS 2.1: no speed, no serial number
    body[0x0C - 4] = 0
    body[0x0D - 4] = 4
    (module,) = smbios.memory_modules(smbios.parse(structure(17, 1, bytes(body))))
    assert (module["capacity"], module["speed"], module["serial"], module["slot"]) == (1024**3, 0, "", "Slot 0")


def test_texts_of_strange_bytes_are_text() -> None:
    (item,) = smbios.parse(structure(1, 1, bytes((1, 9)), b"Caf\xe9 \xff"))
    assert item.text(4).startswith("Caf")
    assert item.text(5) == ""  # names a string that is not there


@pytest.mark.parametrize(
    "filler", ["", " ", "None", "00000000", "FFFFFFFF", "To be filled by O.E.M.", "Not Specified", "x0x0", "N/A"]
)
def test_fillers_say_nothing(filler: str) -> None:
    assert smbios.meaningful(filler) == ""


def test_real_texts_are_kept() -> None:
    assert smbios.meaningful("  PowerEdge   R750 \0") == "PowerEdge R750"
    assert smbios.meaningful("0F00") == "0F00"


@given(st.binary(max_size=600))
def test_survives_any_bytes(table: bytes) -> None:
    structures = smbios.parse(table)
    smbios.memory_modules(structures)
    smbios.processors(structures)
    smbios.expansion_slots(structures)


@given(st.integers(0, len(laptop_smbios())), st.integers(0, 255))
def test_survives_a_torn_or_altered_table(at: int, value: int) -> None:
    table = bytearray(laptop_smbios())
    assert smbios.parse(bytes(table[:at])) == smbios.parse(bytes(table))[: len(smbios.parse(bytes(table[:at])))]
    if at < len(table):
        table[at] = value
    smbios.memory_modules(smbios.parse(bytes(table)))
