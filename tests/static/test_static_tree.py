"""Rules of the tree that no linter knows: file sizes, test names, lock files, nothing of one machine."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.programs.programs import REPOSITORY

MOST_LINES = 500
MOST_LINES_OF_AN_ENTRY = 150
GENERATED = "Data/Engine/web-interface/src/api/schema.d.ts"  # from the API document; tests/page holds it to that
ENTRIES = ("Data/Engine/server.py", "Data/Agent/agent.py", "Data/Agent/role_manager.py", "Data/Bootstrap/start.py")


def tracked(*patterns: str) -> Iterator[Path]:
    """Files of the checkout that belong to it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        if name and (REPOSITORY / name).is_file():
            yield REPOSITORY / name


def test_no_source_file_is_a_house_of_its_own() -> None:
    for path in tracked("*.py", "*.ts", "*.tsx"):
        if path == REPOSITORY / GENERATED:
            continue
        assert len(path.read_text().splitlines()) <= MOST_LINES, path
    for name in ENTRIES:
        assert len((REPOSITORY / name).read_text().splitlines()) <= MOST_LINES_OF_AN_ENTRY, name


def test_no_two_test_files_have_one_name() -> None:
    names = Counter(path.name for path in tracked("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_everything_locked_has_a_hash_and_nothing_an_address() -> None:
    locks = sorted((REPOSITORY / "requirements").glob("*.txt"))
    assert locks
    for lock in locks:
        text = lock.read_text()
        assert not re.search(r"https?://|--index-url|--find-links|--extra-index", text), lock
        for block in re.split(r"\n(?=\S)", text.strip()):
            assert "--hash=sha256:" in block, f"{lock}: {block.splitlines()[0]}"


def test_what_is_asked_for_is_locked() -> None:
    for wanted in sorted((REPOSITORY / "requirements").glob("*.in")):
        lock = wanted.with_suffix(".txt").read_text()
        for line in wanted.read_text().splitlines():
            name = re.match(r"[A-Za-z0-9._-]+", line)
            if name and not line.startswith("-"):
                assert re.search(rf"(?m)^{re.escape(name[0])}(\[.*\])?==", lock, re.IGNORECASE), f"{wanted}: {line}"


def test_the_runtimes_are_ignored_and_their_sources_are_not() -> None:
    def ignored(path: str) -> bool:
        return subprocess.run(["git", "check-ignore", "-q", path], cwd=REPOSITORY, check=False).returncode == 0

    assert ignored("Agent/x")
    assert ignored("Engine/x")
    assert not ignored("Data/Agent/x")
    assert not ignored("Data/Engine/x")
