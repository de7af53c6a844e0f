"""The agent's package: same files, same bytes; what it holds is what a checkout stages."""

import gzip
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from tests.programs.programs import REPOSITORY

from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.layout import Runtime
from borealis_bootstrap.package import ARCHIVE, DESCRIPTION, make_package, put_package, release_of
from borealis_bootstrap.staging import version_of


def test_the_same_files_are_the_same_bytes_whenever_and_by_whomever_they_were_written(tmp_path: Path) -> None:
    first = make_package(REPOSITORY)
    copy = tmp_path / "copy"
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(first))) as archive:
        archive.extractall(copy, filter="data")
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
    assert make_package(copy) == first
    sources = [Runtime("agent", tmp_path, checkout).sources for checkout in (REPOSITORY, copy)]
    assert version_of(sources[0]) == version_of(sources[1])


def test_it_holds_plain_files_with_plain_modes_and_nothing_of_the_engine() -> None:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(make_package(REPOSITORY)))) as archive:
        members = archive.getmembers()
    assert all(member.isreg() and member.mode == 0o644 and member.uid == 0 for member in members)
    names = {member.name for member in members}
    assert {"Data/Agent/agent.py", "Data/Bootstrap/begin.py", "requirements/agent.txt"} <= names
    assert not [name for name in names if "Engine" in name or "__pycache__" in name]


def test_the_description_says_what_lies_beside_it(tmp_path: Path) -> None:
    engine = Runtime("engine", tmp_path / "Engine", REPOSITORY)
    put_package(engine, "0" * 16)
    told = json.loads((engine.code / DESCRIPTION).read_text())
    assert told["build_id"] == "0" * 16
    assert told["size"] == (engine.code / ARCHIVE).stat().st_size
    assert told["release"] == release_of(REPOSITORY) != "0"
    before = (engine.code / ARCHIVE).stat().st_mtime_ns
    put_package(engine, "0" * 16)
    assert (engine.code / ARCHIVE).stat().st_mtime_ns == before
    (engine.code / ARCHIVE).write_bytes(b"torn")
    put_package(engine, "0" * 16)
    assert (engine.code / ARCHIVE).stat().st_size == told["size"]


def test_a_checkout_without_the_agent_makes_none(tmp_path: Path) -> None:
    with pytest.raises(CannotGoOn, match="incomplete"):
        put_package(Runtime("engine", tmp_path / "Engine", tmp_path), "0" * 16)
    assert not (tmp_path / "Engine").exists()
