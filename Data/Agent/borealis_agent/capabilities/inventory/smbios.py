"""SMBIOS tables (DMTF DSP0134) as the firmware left them, read without ``dmidecode``.

Pure: bytes in, structures out. Torn tables give what could be read.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

_MAX_STRUCTURES: Final = 4096
_PLACEHOLDERS: Final = frozenset(
    {
        "",
        "none",
        "n/a",
        "na",
        "null",
        "default string",
        "not specified",
        "not available",
        "not applicable",
        "not present",
        "no dimm",
        "empty",
        "unknown",
        "undefined",
        "o.e.m.",
        "oem",
        "invalid",
        "to be filled by o.e.m.",
        "to be filled by oem",
        "system manufacturer",
        "system product name",
        "system version",
        "system serial number",
        "chassis serial number",
        "chassis manufacture",
        "base board serial number",
        "serialnumber",
        "partnum",
        "assettagnum",
        "asset tag",
        "no asset tag",
        "no asset information",
        "0123456789",
        "123456789",
        "1234567890",
    }
)

_MEMORY_TYPES: Final = {
    0x0F: "SDRAM",
    0x12: "DDR",
    0x13: "DDR2",
    0x14: "DDR2 FB-DIMM",
    0x18: "DDR3",
    0x1A: "DDR4",
    0x1B: "LPDDR",
    0x1C: "LPDDR2",
    0x1D: "LPDDR3",
    0x1E: "LPDDR4",
    0x1F: "Logical non-volatile",
    0x20: "HBM",
    0x21: "HBM2",
    0x22: "DDR5",
    0x23: "LPDDR5",
    0x07: "RAM",
}
_FORM_FACTORS: Final = {
    0x03: "SIMM",
    0x05: "Chip",
    0x09: "DIMM",
    0x0B: "Row of chips",
    0x0C: "RIMM",
    0x0D: "SODIMM",
    0x0F: "FB-DIMM",
    0x10: "Die",
}
_ERROR_CORRECTION: Final = {3: "None", 4: "Parity", 5: "Single-bit ECC", 6: "Multi-bit ECC", 7: "CRC"}
_SLOT_USE: Final = {3: "available", 4: "in use"}


class Structure(NamedTuple):
    """One SMBIOS structure: ``data`` is its formatted part with the 4-byte header, ``strings`` its texts."""

    kind: int
    handle: int
    data: bytes
    strings: tuple[str, ...]

    def number(self, offset: int, size: int) -> int:
        """A little-endian number, 0 where the structure is too short (older firmware)."""
        return int.from_bytes(self.data[offset : offset + size], "little") if offset + size <= len(self.data) else 0

    def text(self, offset: int) -> str:
        """The string that the byte at ``offset`` names, cleaned; placeholders give the empty text."""
        index = self.number(offset, 1)
        return meaningful(self.strings[index - 1]) if 0 < index <= len(self.strings) else ""


def meaningful(text: str) -> str:
    """``text`` without the fillers that firmware makers leave where they had nothing to say."""
    text = " ".join(text.replace("\0", "").split())
    folded = text.casefold().strip(" .-_<>[]()")
    if folded in _PLACEHOLDERS or text.casefold() in _PLACEHOLDERS or not folded.strip("0 x") or set(folded) <= {"f"}:
        return ""
    return text


def parse(table: bytes) -> list[Structure]:
    """All structures up to the end marker, or up to where the table is torn."""
    return list(_structures(table))


def _structures(table: bytes) -> Iterator[Structure]:
    offset = 0
    for _ in range(_MAX_STRUCTURES):
        if offset + 4 > len(table):
            return
        kind, length = table[offset], table[offset + 1]
        if length < 4 or offset + length > len(table):
            return
        end = table.find(b"\0\0", offset + length)
        if end < 0:
            return
        raw = table[offset + length : end]
        strings = tuple(part.decode("utf-8", "replace").strip() for part in raw.split(b"\0")) if raw else ()
        handle = int.from_bytes(table[offset + 2 : offset + 4], "little")
        yield Structure(kind, handle, table[offset : offset + length], strings)
        if kind == 127:
            return
        offset = end + 2


def memory_modules(structures: list[Structure]) -> list[dict[str, Any]]:
    """Installed modules (type 17): capacity in bytes, speed in MT/s."""
    correction = {item.handle: _ERROR_CORRECTION.get(item.number(6, 1), "") for item in structures if item.kind == 16}
    modules: list[dict[str, Any]] = []
    for item in structures:
        capacity = _capacity(item) if item.kind == 17 else 0
        if not capacity:
            continue
        rank = item.number(0x1B, 1) & 0x0F
        modules.append(
            {
                "slot": item.text(0x10) or f"Slot {len(modules)}",
                "speed": _speed(item, 0x20, 0x58) or _speed(item, 0x15, 0x54),
                "serial": item.text(0x18),
                "capacity": capacity,
                "bank": item.text(0x11),
                "type": _MEMORY_TYPES.get(item.number(0x12, 1), ""),
                "form_factor": _FORM_FACTORS.get(item.number(0x0E, 1), ""),
                "manufacturer": item.text(0x17),
                "part_number": item.text(0x1A),
                "asset_tag": item.text(0x19),
                "rated_speed": _speed(item, 0x15, 0x54),
                "data_width_bits": _width(item.number(0x0A, 2)),
                "total_width_bits": _width(item.number(0x08, 2)),
                "error_correction": correction.get(item.number(0x04, 2), ""),
                "ranks": rank,
                "voltage": item.number(0x26, 2) / 1000,
            }
        )
    return modules


def memory_slots(structures: list[Structure]) -> int:
    """How many module slots the board has, filled or not."""
    return sum(1 for item in structures if item.kind == 17)


def _capacity(item: Structure) -> int:
    size = item.number(0x0C, 2)
    if size in (0, 0xFFFF):
        return 0
    if size == 0x7FFF:
        return (item.number(0x1C, 4) & 0x7FFFFFFF) * 1024 * 1024
    return (size & 0x7FFF) * (1024 if size & 0x8000 else 1024 * 1024)


def _speed(item: Structure, offset: int, extended: int) -> int:
    speed = item.number(offset, 2)
    return item.number(extended, 4) & 0x7FFFFFFF if speed == 0xFFFF else speed


def _width(bits: int) -> int:
    return 0 if bits == 0xFFFF else bits


def processors(structures: list[Structure]) -> list[dict[str, Any]]:
    """Filled processor sockets (type 4): clocks in MHz."""
    found = []
    for item in structures:
        if item.kind != 4 or not item.number(0x18, 1) & 0x40:
            continue
        cores, threads = item.number(0x23, 1), item.number(0x25, 1)
        found.append(
            {
                "socket": item.text(0x04),
                "manufacturer": item.text(0x07),
                "version": item.text(0x10),
                "max_speed_mhz": item.number(0x14, 2),
                "current_speed_mhz": item.number(0x16, 2),
                "external_clock_mhz": item.number(0x12, 2),
                "cores": item.number(0x2A, 2) if cores == 0xFF else cores,
                "threads": item.number(0x2E, 2) if threads == 0xFF else threads,
                "serial": item.text(0x20),
                "part_number": item.text(0x22),
            }
        )
    return found


def expansion_slots(structures: list[Structure]) -> list[dict[str, str]]:
    """Expansion slots of the board (type 9)."""
    return [
        {"name": item.text(0x04), "use": _SLOT_USE.get(item.number(0x07, 1), "")}
        for item in structures
        if item.kind == 9 and item.text(0x04)
    ]


def first(structures: list[Structure], kind: int) -> Structure:
    """The first structure of a kind, or an empty one."""
    return next((item for item in structures if item.kind == kind), Structure(kind, 0, b"", ()))
