"""The GUID file."""

from pathlib import Path

import pytest
from tests.fakes.fake_clock import FakeClock

from borealis_agent.identity.guid import GuidFile, parse_guid

GUID = "6F1C6E1E-7C5B-4B0A-9B35-0C9A5F3E2D10"


@pytest.mark.parametrize(
    "text", [GUID, GUID.lower(), f"{{{GUID}}}", f"\ufeff{GUID}\r\n", f"  {{{GUID.lower()}}} ", f"\ufeff {GUID}"]
)
def test_a_guid_has_one_form(text: str) -> None:
    assert parse_guid(text) == GUID


@pytest.mark.parametrize(
    "text", ["", "x", GUID[:-1], GUID.replace("-", ""), f"urn:uuid:{GUID}", GUID + "0", "../" + GUID]
)
def test_rejects_what_is_no_guid(text: str) -> None:
    with pytest.raises(ValueError):
        parse_guid(text)


def test_it_is_kept(tmp_path: Path) -> None:
    file = GuidFile(tmp_path, clock=FakeClock())
    assert file.load() is None
    file.store(GUID.lower())
    assert file.load() == GUID
    assert (tmp_path / "Agent_GUID.txt").read_text() == f"{GUID}\n"
    with pytest.raises(ValueError):
        file.store("no")
    assert file.load() == GUID


@pytest.mark.parametrize("content", [b"", b"\xff\xff", GUID.encode()[:-3], b"A" * 10_000])
def test_survives_a_torn_file_by_moving_it_aside(tmp_path: Path, content: bytes) -> None:
    file = GuidFile(tmp_path, clock=FakeClock(1_700_000_000))
    file.path.write_bytes(content)
    assert file.load() is None
    assert (tmp_path / "Agent_GUID.txt.bad-1700000000").read_bytes() == content
    assert file.load() is None
