"""Which code is used, and what is remembered of used ones."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.fake_clock import FakeClock

from borealis_agent.core.config import AgentConfig
from borealis_agent.core.settings import load_settings
from borealis_agent.enrolment import CodeBook

CODE, CODE2, CODE3 = ("-".join([group] * 8) for group in ("1111", "2222", "3333"))
PIN, OTHER_PIN = "a" * 64, "b" * 64
TOKEN = f"https://engine:5000#{CODE}.{PIN}"
OTHER = f"https://other:5000#{CODE2}.{OTHER_PIN}"


class Codes:
    """A settings folder and the book over it."""

    def __init__(self, root: Path, *arguments: str) -> None:
        self.settings = load_settings(["--system-service", *arguments], {"BOREALIS_ROOT": str(root)})
        self.folder = self.settings.paths.settings
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = AgentConfig(self.settings.config_path, clock=FakeClock())
        self.book = CodeBook(self.settings, clock=FakeClock(), config=self.config)

    def write(self, name: str, **content: Any) -> Path:
        path = self.folder / f"agent_settings{name}.json"
        path.write_text(json.dumps(content))
        return path

    def read(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / f"agent_settings{name}.json").read_text())
        return content

    def texts(self) -> list[str]:
        return [offer.text for offer in self.book.offers()]


def test_the_order_is_command_line_own_settings_other_scopes(tmp_path: Path) -> None:
    codes = Codes(tmp_path, "--installer-code", TOKEN)
    codes.write("_CURRENTUSER", installer_code=CODE2)
    codes.write("", installer_code=CODE3)
    codes.write("_SYSTEM", installer_code=OTHER)
    assert codes.texts() == [TOKEN, OTHER, CODE2, CODE3]
    best = codes.book.best(ca_pin="")
    assert best is not None
    assert (best.text, best.code) == (TOKEN, CODE)
    assert best.token is not None
    assert best.token.ca_pin == PIN


def test_a_code_that_is_written_later_is_found(tmp_path: Path) -> None:
    codes = Codes(tmp_path)
    assert codes.book.best(ca_pin=PIN) is None
    codes.write("_SYSTEM", installer_code=f" {CODE.lower()} ")
    best = codes.book.best(ca_pin=PIN)
    assert best is not None
    assert best.code == CODE


def test_a_used_code_is_blanked_where_it_stands_and_nothing_else_changes(tmp_path: Path) -> None:
    codes = Codes(tmp_path)
    codes.write("_SYSTEM", installer_code=TOKEN, regions={"a": 1})
    codes.write("_CURRENTUSER", installer_code=TOKEN, other=[1])
    codes.write("", installer_code=CODE2)
    offer = codes.book.best(ca_pin="")
    assert offer is not None
    codes.book.mark_used(offer)
    assert codes.read("_SYSTEM")["installer_code"] == ""
    assert codes.read("_SYSTEM")["regions"] == {"a": 1}
    assert codes.read("_CURRENTUSER") == {"installer_code": "", "other": [1]}
    assert codes.read("")["installer_code"] == CODE2
    assert codes.config.data["installer_code"] == ""
    assert not codes.config.watch()


def test_a_used_token_on_the_command_line_is_known_after_a_restart(tmp_path: Path) -> None:
    codes = Codes(tmp_path, "--installer-code", TOKEN)
    assert codes.book.has_unused_token()
    offer = codes.book.best(ca_pin="")
    assert offer is not None
    codes.book.mark_used(offer)
    again = Codes(tmp_path, "--installer-code", TOKEN)
    assert not again.book.has_unused_token()
    used = again.book.best(ca_pin=PIN)
    assert used is not None
    assert used.used
    assert CODE not in (codes.folder / "installer_code.used.json").read_text()
    assert CODE not in repr(used)


def test_rejects_a_used_token_for_an_engine_that_was_left(tmp_path: Path) -> None:
    codes = Codes(tmp_path, "--installer-code", OTHER)
    offer = codes.book.best(ca_pin="")
    assert offer is not None
    codes.book.mark_used(offer)
    assert codes.book.best(ca_pin=PIN) is None
    assert codes.book.best(ca_pin=OTHER_PIN) is not None
    assert codes.book.best(ca_pin="") is not None


def test_an_unused_code_comes_before_a_used_one(tmp_path: Path) -> None:
    codes = Codes(tmp_path, "--installer-code", TOKEN)
    first = codes.book.best(ca_pin="")
    assert first is not None
    codes.book.mark_used(first)
    codes.write("_SYSTEM", installer_code=CODE3)
    best = codes.book.best(ca_pin=PIN)
    assert best is not None
    assert best.text == CODE3


def test_only_so_many_used_codes_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("borealis_agent.enrolment.codes._KEPT", 3)
    codes = Codes(tmp_path)
    for number in range(5):
        codes.write("_SYSTEM", installer_code="-".join([f"{number:04X}"] * 8))
        codes.config.watch()
        offer = codes.book.best(ca_pin="")
        assert offer is not None
        assert not offer.used
        codes.book.mark_used(offer)
    assert len(json.loads((codes.folder / "installer_code.used.json").read_text())["used"]) == 3


@pytest.mark.parametrize("value", ["rubbish", 5, None, ["x"], "https://x#y", "", "   "])
def test_survives_a_code_that_is_none(tmp_path: Path, value: Any) -> None:
    codes = Codes(tmp_path)
    codes.write("_SYSTEM", installer_code=value)
    assert codes.texts() == []


def test_survives_torn_files(tmp_path: Path) -> None:
    codes = Codes(tmp_path, "--installer-code", CODE)
    (codes.folder / "agent_settings_CURRENTUSER.json").write_bytes(b"{")
    (codes.folder / "installer_code.used.json").write_bytes(b"\xff")
    assert codes.texts() == [CODE]
    offer = codes.book.best(ca_pin="")
    assert offer is not None
    assert not offer.used


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_rejects_a_code_from_a_file_that_others_may_write(tmp_path: Path) -> None:
    """Threats 11: a user must not send the SYSTEM agent to an Engine of his own."""
    codes = Codes(tmp_path)
    codes.write("_CURRENTUSER", installer_code=TOKEN).chmod(0o666)
    assert codes.texts() == []
    if os.geteuid() == 0:
        path = codes.write("_CURRENTUSER", installer_code=TOKEN)
        path.chmod(0o600)
        os.chown(path, 12345, 12345)
        assert codes.texts() == []
