"""Unpacking a package: what was signed and nothing else, plain files under plain names, within bounds."""

import contextlib
import gzip
import hashlib
import io
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.programs.programs import REPOSITORY
from tests.programs.systems import needs_file_modes

from borealis_agent.capabilities.update import archive
from borealis_agent.capabilities.update.archive import BadPackage, safe_path, unpack
from borealis_bootstrap.package import make_package


def tar(*members: tarfile.TarInfo, content: bytes = b"") -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as made:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            made.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue())


def member(name: str, kind: bytes = tarfile.REGTYPE, *, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, link, mode
    return made


def unpacked(folder: Path, content: bytes) -> int:
    package = folder / "package.tar.gz"
    package.write_bytes(content)
    return unpack(package, folder / "in", sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def outside(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"in", "package.tar.gz"}


def test_a_real_package_comes_out_as_it_went_in(tmp_path: Path) -> None:
    content = make_package(REPOSITORY)
    count = unpacked(tmp_path, content)
    found = [path for path in (tmp_path / "in").rglob("*") if path.is_file()]
    assert len(found) == count > 100
    assert make_package(tmp_path / "in") == content


@needs_file_modes
def test_no_mode_of_the_archive_is_taken(tmp_path: Path) -> None:
    unpacked(tmp_path, tar(member("run", mode=0o6777), content=b"x"))
    assert stat.S_IMODE((tmp_path / "in" / "run").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../up",
        "a/../../up",
        "a/..",
        "..",
        "./a",
        "a//b",
        "",
        "a/",
        "C:/x",
        "a\\b",
        "a:b",
        "a b",
        "a\n",
        "ä",
        "a./b",
        "a/b.",
        "x" * 201,
    ],
)
def test_rejects_a_package_with_a_file_that_would_lie_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadPackage):
        unpacked(tmp_path, tar(member(name), content=b"x"))
    assert outside(tmp_path) == set()


@pytest.mark.parametrize(
    "made",
    [
        member("a", tarfile.SYMTYPE, link="/etc"),
        member("a", tarfile.LNKTYPE, link="/etc/passwd"),
        member("a", tarfile.DIRTYPE),
        member("a", tarfile.CHRTYPE),
        member("a", tarfile.BLKTYPE),
        member("a", tarfile.FIFOTYPE),
    ],
    ids=["symbolic link", "hard link", "folder", "device", "block device", "pipe"],
)
def test_rejects_a_package_with_anything_but_plain_files(tmp_path: Path, made: tarfile.TarInfo) -> None:
    with pytest.raises(BadPackage, match="no plain file"):
        unpacked(tmp_path, tar(made))
    assert not (tmp_path / "in" / "a").exists()


@pytest.mark.parametrize("second", ["a", "A"])
def test_rejects_a_package_with_one_file_twice(tmp_path: Path, second: str) -> None:
    with pytest.raises(BadPackage, match="twice"):
        unpacked(tmp_path, tar(member("a"), member(second)))


@pytest.mark.parametrize(
    "change",
    [lambda raw: raw + b"x", lambda raw: raw[:-1], lambda raw: raw[:40] + bytes([raw[40] ^ 1]) + raw[41:]],
    ids=["longer", "shorter", "altered"],
)
def test_rejects_a_package_that_is_not_the_signed_one(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    signed = tar(member("a"), content=b"x" * 1000)
    package = tmp_path / "package.tar.gz"
    package.write_bytes(change(signed))
    with pytest.raises(BadPackage, match="not the package that was signed"):
        unpack(package, tmp_path / "in", sha256=hashlib.sha256(signed).hexdigest(), size=len(signed))
    assert not (tmp_path / "in").exists(), "nothing is unpacked before the digest fits"


def test_rejects_a_package_that_swells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 100_000)
    with pytest.raises(BadPackage, match="more than"):
        unpacked(tmp_path, tar(member("a"), content=bytes(1_000_000)))
    monkeypatch.setattr(archive, "MAX_FILES", 2)
    (tmp_path / "in" / "a").unlink()
    (tmp_path / "in").rmdir()
    with pytest.raises(BadPackage, match="too many"):
        unpacked(tmp_path, tar(*(member(name) for name in "abc")))


@given(st.binary(max_size=2000))
def test_rejects_any_bytes_that_are_no_package(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    folder = tmp_path_factory.mktemp("raw")
    for content in (raw, gzip.compress(raw)):
        with contextlib.suppress(BadPackage):
            unpacked(folder, content)
        assert outside(folder) == set()
        for path in sorted((folder / "in").rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        if (folder / "in").exists():
            (folder / "in").rmdir()


@given(st.text(max_size=40))
def test_a_name_that_is_taken_stays_inside(name: str) -> None:
    try:
        parts = safe_path(name)
    except BadPackage:
        return
    assert "/".join(parts) == name
    folder = Path("/in").resolve()
    assert folder.joinpath(*parts).resolve().is_relative_to(folder)
    assert ".." not in parts
