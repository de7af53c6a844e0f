"""``new-role``: what it writes passes everything that a role of the house must pass, and nothing is overwritten."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from borealis_bootstrap.app import run
from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.new_role import names_of, new_role

REPOSITORY = Path(__file__).resolve().parents[3]
COPIED = ("Data/Agent", "Data/Shared", "Data/Engine/borealis_engine", "Docs", "tests", "tools", "pyproject.toml")
SKIPPED = shutil.ignore_patterns("__pycache__", ".*_cache", "browser", "journeys", "attacks", "faults", "*.png")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of a checkout as the command itself reads."""
    for place in ("Data/Agent/Roles", "Docs/roles"):
        shutil.copytree(REPOSITORY / place, tmp_path / place, ignore=SKIPPED)
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("given", "name", "file"),
    [
        ("DiskSpace", "disk_space", "role_DiskSpace.py"),
        ("disk_space", "disk_space", "role_DiskSpace.py"),
        ("role_DiskSpace.py", "disk_space", "role_DiskSpace.py"),
        ("USBWatch", "usb_watch", "role_UsbWatch.py"),
        ("raid5", "raid_5", "role_Raid5.py"),
    ],
)
def test_a_name_may_be_given_in_either_spelling(given: str, name: str, file: str) -> None:
    names = names_of(given)
    assert (names.name, names.file) == (name, file)


@pytest.mark.parametrize(
    "given", ["", "a", "9lives", "../up", "a b", "a/b", "x" * 33, "aB" * 16, "caf\u00e9", "a.b", "-x", "class", "a\n"]
)
def test_rejects_bad_name_and_writes_nothing(checkout: Path, given: str) -> None:
    before = files(checkout)
    with pytest.raises(CannotGoOn) as refused:
        new_role(checkout, given)
    assert refused.value.status == 2
    assert "name" in refused.value.sentence
    assert files(checkout) == before


@pytest.mark.parametrize(
    "given", ["device_audit", "DeviceAudit", "DEVICE_AUDIT", "script_exec_system", "RemotePowershell", "RDP", "rdp"]
)
def test_rejects_name_that_is_taken(checkout: Path, given: str) -> None:
    before = files(checkout)
    with pytest.raises(CannotGoOn, match=r"taken|catalogue"):
        new_role(checkout, given)
    assert files(checkout) == before


def test_rejects_name_that_another_file_gives_its_role(checkout: Path) -> None:
    (checkout / "Data/Agent/Roles/role_Other.py").write_text('ROLE_NAME = "DiskSpace"\n')
    with pytest.raises(CannotGoOn, match=r"taken by Data/Agent/Roles/role_Other\.py"):
        new_role(checkout, "disk_space")


@pytest.mark.parametrize(
    "place",
    [
        "Data/Agent/Roles/role_diskspace.py",
        "Docs/roles/disk_space.md",
        "tests/unit/agent/roles/test_role_disk_space.py",
    ],
)
def test_overwrites_nothing(checkout: Path, place: str) -> None:
    path = checkout / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    before = files(checkout)
    with pytest.raises(CannotGoOn):
        new_role(checkout, "disk_space")
    assert files(checkout) == before


def test_survives_disk_that_takes_no_more(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files(checkout)

    def full(*_arguments: object, **_options: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        new_role(checkout, "disk_space")
    assert files(checkout) == before


def test_the_command_says_what_it_wrote(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["new-role", "DiskSpace"], checkout=checkout, environ={}) == 0
    written = capsys.readouterr().out
    for place in ("Data/Agent/Roles/role_DiskSpace.py", "Docs/roles/disk_space.md", "Docs/roles/README.md"):
        assert f"  {place}\n" in written
    assert run(["new-role", "DiskSpace"], checkout=checkout, environ={}) == 1
    assert "taken" in capsys.readouterr().err
    assert run(["new-role"], checkout=checkout, environ={}) == 2
    assert run(["new-role", "a/b"], checkout=checkout, environ={}) == 2


@pytest.mark.slow
def test_what_it_writes_passes_everything(tmp_path: Path) -> None:
    """Ruff, mypy, the role checker, the tests of all roles and of all pages, and its own."""
    for place in COPIED:
        source, target = REPOSITORY / place, tmp_path / place
        if source.is_dir():
            shutil.copytree(source, target, ignore=SKIPPED)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    role, page, test, table = new_role(tmp_path, "disk_space")
    assert page.is_file()
    assert "[`disk_space`](disk_space.md)" in table.read_text()
    python = [str(role.relative_to(tmp_path)), str(test.relative_to(tmp_path))]
    cache = str(REPOSITORY / ".mypy_cache") if (REPOSITORY / ".mypy_cache").is_dir() else str(tmp_path / "cache")
    every = ["tests/contract/test_every_role.py", "tests/docs/test_roles_documented.py"]
    for command in (
        ["ruff", "check", "--no-cache", *python],
        ["ruff", "format", "--no-cache", "--check", *python],
        ["mypy", "--strict", "--follow-imports=silent", "--cache-dir", cache, *python],
        ["tools/rolecheck.py", "--strict"],
        [
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            python[1],
            *every,
            "-k",
            "DiskSpace or disk_space",
        ],
    ):
        start = [sys.executable, *([] if command[0].endswith(".py") else ["-m"]), *command]
        paths = ":".join(str(tmp_path / part) for part in ("Data/Shared", "Data/Agent", "tools"))
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(start, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
