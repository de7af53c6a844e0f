"""The role checker: what it finds, what it lets pass, and its exit status."""

from pathlib import Path

import pytest

import rolecheck

GOOD = '''"""Says hello."""

from borealis_agent.role_api import BaseRole

ROLE_NAME = "hello"
ROLE_CONTEXTS = ["system"]


class Role(BaseRole):
    """Says hello."""

    async def register_events(self) -> None:
        """Begin."""

    def on_config(self, roles: list) -> None:
        """Hear."""
'''


def findings(tmp_path: Path, text: str, name: str = "role_Hello.py") -> list[str]:
    path = tmp_path / name
    path.write_text(text)
    return [f"{finding.line}: {finding.level}: {finding.text}" for finding in rolecheck.check_role(path)[0]]


def test_a_good_role_has_no_finding(tmp_path: Path) -> None:
    assert findings(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "level", "words"),
    [
        ('ROLE_NAME = "hello"', "", "error", "no ROLE_NAME"),
        ('ROLE_NAME = "hello"', 'ROLE_NAME = ""', "error", "ROLE_NAME is a text"),
        ('["system"]', '["root"]', "error", "ROLE_CONTEXTS knows"),
        ('["system"]', '"system"', "error", "ROLE_CONTEXTS is a list"),
        ("class Role(BaseRole)", "class Rule(BaseRole)", "error", "no Role"),
        ("class Role(BaseRole)", "class Role(BaseRole", "error", "not Python"),
        ('"""Says hello."""\n\nfrom', "from", "advice", "docstring"),
        ('ROLE_CONTEXTS = ["system"]', "", "advice", "ROLE_CONTEXTS is missing"),
        ('ROLE_NAME = "hello"', 'ROLE_NAME = "".join(["x"])', "advice", "plain text"),
        ("import BaseRole", "import BaseRole\nfrom borealis_agent.core import paths", "advice", "borealis_agent.core"),
        ("import BaseRole", "import BaseRole\nfrom borealis_agent import trust", "advice", "borealis_agent.trust"),
        ("import BaseRole", "import BaseRole\nimport borealis_engine", "advice", "borealis_engine"),
        ("import BaseRole", "import BaseRole\nfrom . import other", "advice", "stands alone"),
        ("\n\nclass Role", "\nprint('loaded')\n\nclass Role", "advice", "runs when the file is loaded"),
        ("\n\nclass Role", "\nfor x in ():\n    pass\n\nclass Role", "advice", "runs when the file is loaded"),
        ("(self, roles: list)", "(self)", "advice", "on_config takes"),
        ("register_events(self)", "register_events(self, now)", "advice", "register_events takes nothing"),
    ],
)
def test_finding(tmp_path: Path, old: str, new: str, level: str, words: str) -> None:
    assert old in GOOD
    found = findings(tmp_path, GOOD.replace(old, new, 1))
    assert len(found) == 1
    assert f": {level}: " in found[0]
    assert words in found[0]


OPEN = [
    "import json",
    "import aiohttp",
    "from borealis_agent import role_api",
    "from borealis_agent.capabilities.x import y",
    "from borealis_wire.events import Rest",
    "from borealis_base.clock import SystemClock",
]


@pytest.mark.parametrize("line", OPEN)
def test_imports_that_are_open_to_roles_pass(tmp_path: Path, line: str) -> None:
    assert findings(tmp_path, GOOD.replace("\nROLE_NAME", f"{line}\n\nROLE_NAME", 1)) == []


def test_two_roles_of_one_name_are_found(tmp_path: Path) -> None:
    for name in ("role_A.py", "role_B.py"):
        (tmp_path / name).write_text(GOOD)
    (finding,) = rolecheck.check_roles(sorted(tmp_path.iterdir()))
    assert (Path(finding.file).name, finding.level) == ("role_B.py", "error")
    assert "taken by role_A.py" in finding.text


@pytest.mark.parametrize("content", [b"\0", b"\xff\xfe", b"(" * 10_000, b"x = 1\n" * 500_000])
def test_survives_any_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "role_X.py"
    path.write_bytes(content)
    (finding,) = rolecheck.check_role(path)[0]
    assert finding.level == "error"


def test_the_exit_status_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rolecheck.main([str(tmp_path)]) == 2
    path = tmp_path / "role_Hello.py"
    path.write_text(GOOD)
    assert rolecheck.main([str(tmp_path)]) == 0
    path.write_text(GOOD.replace('ROLE_CONTEXTS = ["system"]', ""))
    assert rolecheck.main([str(path)]) == 0
    assert rolecheck.main(["--strict", str(path)]) == 1
    path.write_text("nonsense (")
    assert rolecheck.main([str(path)]) == 1
    assert rolecheck.main([str(tmp_path / "role_Missing.py")]) == 1
    assert "role_Hello.py:1: error: " in capsys.readouterr().out


def test_the_roles_of_the_house_are_clean() -> None:
    assert rolecheck.main(["--strict"]) == 0
