"""Installing Ansible: from a lock file with hashes, whole or not at all, with sentences for people."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from borealis_playbooks import environment
from borealis_playbooks.environment import (
    COMPLETE,
    CannotInstall,
    ensure_environment,
    environment_key,
    failure_sentence,
    lock_file,
    split_lock,
    unpack_collections,
)

NO_HASHES = "--hash=sha256:" + "0" * 64


def test_the_lock_file_parts_what_is_installed_from_what_is_unpacked() -> None:
    packages, bundle = split_lock(lock_file().read_text())
    assert "ansible-core==" in packages
    assert "\nansible==" not in f"\n{packages}"
    assert bundle.startswith("ansible==")
    assert "--hash=sha256:" in bundle
    assert len(bundle.splitlines()) + len(packages.splitlines()) == len(lock_file().read_text().splitlines())


def test_an_environment_is_named_by_lock_file_interpreter_and_place(tmp_path: Path) -> None:
    lock = tmp_path / "ansible.txt"
    lock.write_text("a")
    first = environment_key(lock, tmp_path)
    assert environment_key(lock, tmp_path / "moved") != first  # its programs name their interpreter by its path
    lock.write_text("b")
    assert environment_key(lock, tmp_path) != first


def test_only_the_wanted_collections_are_unpacked(tmp_path: Path) -> None:
    wheel = tmp_path / "ansible.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in (
            "ansible_collections/ansible/posix/plugins/modules/mount.py",
            "ansible_collections/ansible/posix/tests/x.py",
            "ansible_collections/community/general/../../../../out.py",
            "ansible_collections/community/crypto/plugins/x.py",
            "ansible_collections/ansible/windows/plugins/modules/win_ping.ps1",
        ):
            archive.writestr(name, "x")
    assert unpack_collections(wheel, tmp_path / "to") == 2
    assert sorted(path.name for path in (tmp_path / "to").rglob("*") if path.is_file()) == ["mount.py", "win_ping.ps1"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "not the one that was locked"),
        ("NewConnectionError: Failed to establish", "no network"),
        ("ERROR: No matching distribution found for ansible-core", "no network"),
        ("something else\nlast line", "last line"),
        ("", "pip failed"),
    ],
)
def test_a_failure_is_one_sentence(said: str, words: str) -> None:
    assert words in failure_sentence(said)


@pytest.mark.slow
def test_survives_no_network_and_leaves_nothing_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    lock = tmp_path / "ansible.txt"
    lock.write_text(f"ansible==1 \\\n    {NO_HASHES}\nnothing-of-that-name==1 \\\n    {NO_HASHES}\n")
    said: list[str] = []
    folder = tmp_path / "ansible"
    for _ in range(2):
        with pytest.raises(CannotInstall, match="cannot be downloaded"):
            ensure_environment(folder, lock, say=said.append)
    assert not list(folder.rglob(COMPLETE))
    assert not list(folder.glob(".work-*"))
    assert any("about" in line and "MB" in line for line in said)


def test_survives_too_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "NEEDED_BYTES", 1 << 60)
    lock = tmp_path / "ansible.txt"
    lock.write_text("")
    with pytest.raises(CannotInstall, match="MB free"):
        ensure_environment(tmp_path / "ansible", lock, say=lambda _: None)


@pytest.mark.slow
def test_an_environment_in_use_is_kept_and_an_old_one_goes(tmp_path: Path) -> None:
    lock = tmp_path / "ansible.txt"
    lock.write_text("")
    folder = tmp_path / "ansible"
    for name in (environment_key(lock, folder), "3.11.0-used", "3.11.0-old"):
        (folder / name).mkdir(parents=True)
        (folder / name / COMPLETE).write_text("whole\n")
    hold = "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_SH); print('held', flush=True); input()"
    command = [sys.executable, "-c", hold, str(folder / "3.11.0-used" / COMPLETE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout is not None
        assert user.stdout.readline() == "held\n"
        code = (
            "import sys; from pathlib import Path;"
            "from borealis_playbooks.environment import ensure_environment;"
            "print(ensure_environment(Path(sys.argv[1]), Path(sys.argv[2]), say=print))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder), str(lock)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        user.communicate("\n")
    assert done.stdout.strip().endswith(environment_key(lock, folder))
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == [
        "3.11.0-used",
        environment_key(lock, folder),
    ]
