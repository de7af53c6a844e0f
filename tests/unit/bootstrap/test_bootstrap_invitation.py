"""What an agent is told about its Engine is checked before anything is installed."""

import json
from pathlib import Path

import pytest

from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.invitation import Invitation, check_invitation, hand_over, with_environment
from borealis_bootstrap.layout import layout_from

CODE = "-".join(["A1B2"] * 8)
TOKEN = f"https://engine.example:5000#{CODE}.{'0' * 64}"


def test_a_token_needs_nothing_else() -> None:
    assert check_invitation(Invitation(f" {TOKEN} ")) == Invitation(TOKEN)


def test_a_bare_code_needs_an_address_and_a_clear_word() -> None:
    invitation = check_invitation(Invitation(CODE.lower(), "https://e:5000/", True))
    assert invitation == Invitation(CODE, "https://e:5000", True)


def test_an_enrolled_agent_needs_nothing() -> None:
    assert check_invitation(Invitation()) == Invitation()


@pytest.mark.parametrize(
    ("invitation", "sentence"),
    [
        (Invitation(TOKEN[:-1]), "cut short"),
        (Invitation(TOKEN.replace("https", "http")), "https://host"),
        (Invitation(f"https://e#{CODE}"), "whole string"),
        (Invitation("1234"), "8 groups of 4"),
        (Invitation(CODE), "--server-url"),
        (Invitation(CODE, "https://e"), "--trust-on-first-use"),
        (Invitation("", "http://e"), "https://host"),
        (Invitation("", "e:5000"), "https://host"),
    ],
)
def test_rejects_what_cannot_work_with_one_sentence(invitation: Invitation, sentence: str) -> None:
    with pytest.raises(CannotGoOn, match=sentence) as refused:
        check_invitation(invitation)
    assert refused.value.status == 2
    assert "\n" not in refused.value.sentence


def test_a_token_is_handed_over_by_a_private_file_that_keeps_its_other_settings(tmp_path: Path) -> None:
    layout = layout_from({}, checkout=tmp_path, here=tmp_path)
    path = tmp_path / "Agent" / "Borealis" / "Settings" / "agent_settings_SYSTEM.json"
    hand_over(layout, {}, "first")
    path.write_text(json.dumps({"agent_id": "kept", "installer_code": ""}))
    path.chmod(0o644)
    hand_over(layout, {}, TOKEN)
    assert json.loads(path.read_text()) == {"agent_id": "kept", "installer_code": TOKEN}
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("torn", ["", "{", "[1]", "\0"])
def test_survives_a_torn_settings_file(tmp_path: Path, torn: str) -> None:
    layout = layout_from({}, checkout=tmp_path, here=tmp_path)
    path = tmp_path / "other" / "agent_settings_SYSTEM.json"
    path.parent.mkdir()
    path.write_text(torn)
    hand_over(layout, {"BOREALIS_AGENT_CONFIG_DIR": str(path.parent)}, TOKEN)
    assert json.loads(path.read_text()) == {"installer_code": TOKEN}


def test_upstreams_variables_fill_what_the_command_line_leaves_open() -> None:
    environ = {"BOREALIS_INSTALLER_CODE": "code", "BOREALIS_SERVER_URL": "url"}
    assert with_environment(Invitation(), environ) == Invitation("code", "url")
    assert with_environment(Invitation("mine", "here", True), environ) == Invitation("mine", "here", True)
