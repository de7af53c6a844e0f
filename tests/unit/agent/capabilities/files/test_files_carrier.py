"""Orders about files, carried out by real processes: what arrives, what is refused, what is left behind."""

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.agent.capabilities.files.file_device import TRANSFER, Device, device_in, digest, order

from borealis_base.tasks import Supervisor
from borealis_wire.files import FileAction

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="POSIX's files and accounts")]
needs_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
DATA = bytes(range(256)) * 9000  # more than two blocks


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[Device]:
    async with device_in(tmp_path / "notes") as one:
        yield one


@pytest.fixture
def home(tmp_path: Path) -> Path:
    found = tmp_path / "home"
    found.mkdir()
    return found


def partials(folder: Path) -> list[Path]:
    return sorted(folder.glob(".borealis-*"))


async def test_a_file_goes_up_and_is_whole_or_not_there_at_all(device: Device, home: Path) -> None:
    target = home / "up.bin"
    async with device.line(order(FileAction.WRITE, target, size=len(DATA), sha256=digest(DATA))) as line:
        opened = await line.message()
        assert (opened["type"], opened["offset"], opened["path"]) == ("opened", 0, str(target))
        await line.send(DATA[:-1])
        assert not target.exists()
        (partial,) = partials(home)
        assert stat.S_IMODE(partial.stat().st_mode) == 0o600
        await line.send(DATA[-1:])
        done = await line.end(DATA)
        assert (done["type"], done["size"]) == ("done", len(DATA))
    assert target.read_bytes() == DATA
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert partials(home) == []
    assert list((device.carrier._notes._folder).glob("*")) == []


async def test_a_file_that_is_replaced_keeps_its_mode_and_a_mode_can_be_asked_for(device: Device, home: Path) -> None:
    target = home / "secret"
    target.write_bytes(b"old")
    target.chmod(0o600)
    assert (await device.write(target, b"new"))["reason"] == "exists"
    assert target.read_bytes() == b"old"
    assert (await device.write(target, b"new", overwrite=True))["type"] == "done"
    assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode)) == (b"new", 0o600)
    assert (await device.write(home / "tool", b"#!", mode=0o755))["type"] == "done"
    assert stat.S_IMODE((home / "tool").stat().st_mode) == 0o755
    assert (await device.write(home / "empty", b""))["type"] == "done"
    assert (home / "empty").read_bytes() == b""


async def test_a_transfer_that_was_cut_is_gone_on_with(device: Device, home: Path) -> None:
    target = home / "up.bin"
    async with device.line(order(FileAction.WRITE, target, size=len(DATA))) as line:
        await line.message()
        await line.send(DATA[:1_500_000])
    said = await device.answer(order(FileAction.STAT, target, transfer_id=TRANSFER))
    assert said["type"] == "opened"
    async with device.line(order(FileAction.STAT, target, transfer_id=TRANSFER)) as line:
        await line.message()
        stand = await line.message()
    assert (stand["entry"], stand["partial"]) == (None, 1_500_000)
    done = await device.write(target, DATA, offset=1_500_000, sha256=digest(DATA))
    assert done["type"] == "done"
    assert target.read_bytes() == DATA


async def test_a_newer_connection_takes_the_place_of_one_that_hangs(device: Device, home: Path) -> None:
    target = home / "up.bin"
    async with device.line(order(FileAction.WRITE, target, size=len(DATA))) as hanging:
        await hanging.message()
        await hanging.send(DATA[:100])
        assert (await device.write(target, DATA))["type"] == "done"
        assert await hanging.at_end()
    assert target.read_bytes() == DATA


async def test_what_arrives_other_than_it_was_sent_changes_nothing(device: Device, home: Path) -> None:
    target = home / "file"
    target.write_bytes(b"old")
    async with device.line(order(FileAction.WRITE, target, size=3, overwrite=True)) as line:
        await line.message()
        await line.send(b"bad")
        refused = await line.end(b"god")
    assert (refused["type"], refused["reason"]) == ("refused", "digest_mismatch")
    wrong = await device.write(target, b"new", overwrite=True, sha256=digest(b"another"))
    assert wrong["reason"] == "digest_mismatch"
    assert target.read_bytes() == b"old"
    assert partials(home) == []


async def test_more_than_is_there_is_not_gone_on_from(device: Device, home: Path) -> None:
    assert (await device.write(home / "file", DATA, offset=10))["reason"] == "changed"


async def test_a_file_comes_down_whole_and_from_the_middle(device: Device, home: Path) -> None:
    source = home / "down.bin"
    source.write_bytes(DATA)
    async with device.line(order(FileAction.READ, source)) as line:
        opened = await line.message()
        assert (opened["size"], opened["offset"]) == (len(DATA), 0)
        assert await line.plain(len(DATA)) == DATA
        assert await line.message() == {"type": "done", "part": digest(DATA), "whole": digest(DATA)}
    middle: dict[str, Any] = {"offset": 1_000_000, "version": opened["version"]}
    async with device.line(order(FileAction.READ, source, **middle)) as line:
        assert (await line.message())["offset"] == 1_000_000
        assert await line.plain(len(DATA) - 1_000_000) == DATA[1_000_000:]
        done = await line.message()
    assert (done["part"], done["whole"]) == (digest(DATA[1_000_000:]), digest(DATA))
    source.write_bytes(b"another one")
    async with device.line(order(FileAction.READ, source, **middle)) as line:
        opened = await line.message()
        assert (opened["offset"], opened["size"]) == (0, 11)
    assert (await device.answer(order(FileAction.READ, source, offset=12)))["reason"] == "changed"


async def test_a_folder_is_told_and_changed(device: Device, home: Path) -> None:
    (home / "a").write_bytes(b"123")
    (home / "b").mkdir()
    (home / "c").symlink_to("b")
    (home / "d").symlink_to("nothing")
    os.mkfifo(home / "e")
    Path(os.fsdecode(os.fsencode(home) + b"/\xff")).touch()
    async with device.line(order(FileAction.LIST, home)) as line:
        assert (await line.message())["path"] == str(home)
        entries = (await line.message())["entries"]
        assert await line.message() == {"type": "done", "left_out": 0}
    found = {one["name"]: (one["kind"], one["link"], one["odd"]) for one in entries}
    assert found == {
        "a": ("file", False, False),
        "b": ("folder", False, False),
        "c": ("folder", True, False),
        "d": ("other", True, False),
        "e": ("other", False, False),
        "?": ("file", False, True),
    }
    assert next(one["size"] for one in entries if one["name"] == "a") == 3
    for action, path, reason in (
        (FileAction.MKDIR, home / "new", ""),
        (FileAction.MKDIR, home / "new", "exists"),
        (FileAction.REMOVE, home / "new", ""),
        (FileAction.REMOVE, home / "new", "not_found"),
        (FileAction.REMOVE, home, "not_empty"),
        (FileAction.REMOVE, "/", "no_right"),
        (FileAction.LIST, home / "a", "not_folder"),
        (FileAction.LIST, home / "a" / "b", "not_folder"),
        (FileAction.LIST, home / ("x" * 300), "too_long"),
        (FileAction.READ, home / "nothing", "not_found"),
        (FileAction.READ, home / "b", "is_folder"),
        (FileAction.READ, "/", "is_folder"),
        (FileAction.READ, home / "e", "not_plain"),
        (FileAction.READ, "/dev/null", "not_plain"),
        (FileAction.READ, home / "a" / ".." / ".." / "x", "not_folder"),
    ):
        assert (await device.answer(order(action, path))).get("reason", "") == reason, (action, path)
    for path, reason in ((home / "b", "is_folder"), (home / "e", "not_plain"), (home / "nowhere" / "x", "not_found")):
        assert (await device.write(path, b"x", overwrite=True))["reason"] == reason


async def test_a_large_folder_comes_in_pieces(device: Device, home: Path) -> None:
    for number in range(1000):
        (home / f"{number:04}{'x' * 200}").touch()
    async with device.line(order(FileAction.LIST, home)) as line:
        await line.message()
        count = pieces = 0
        while (said := await line.message())["type"] == "entries":
            count += len(said["entries"])
            pieces += 1
    assert (count, pieces > 5) == (1000, True)


async def test_survives_a_disk_that_is_full(device: Device) -> None:
    refused = await device.answer(order(FileAction.WRITE, "/dev/shm/borealis-files-test", size=2**42))
    assert refused["reason"] == "no_space"
    assert not list(Path("/dev/shm").glob(f".borealis-{TRANSFER}*"))


@needs_root
async def test_rejects_what_the_account_may_not_do(device: Device, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"mine")
    secret.chmod(0o600)
    for folder in (tmp_path, *tmp_path.parents):
        folder.chmod(folder.stat().st_mode | 0o011)
    assert (await device.answer(order(FileAction.READ, secret, user="daemon")))["reason"] == "no_right"
    assert (await device.write(secret, b"x", user="daemon", overwrite=True))["reason"] == "no_right"
    assert (await device.write("/etc/borealis-of-daemon", b"x", user="daemon"))["reason"] == "no_right"
    assert (await device.answer(order(FileAction.LIST, "/root", user="daemon")))["reason"] == "no_right"
    assert (await device.answer(order(FileAction.READ, secret, user="no-such-person")))["reason"] == "no_account"
    mine = tmp_path / "daemons"
    mine.mkdir()
    os.chown(mine, 1, 1)
    assert (await device.write(mine / "file", b"x", user="daemon"))["type"] == "done"
    assert ((mine / "file").stat().st_uid, (mine / "file").stat().st_gid) == (1, 1)
    # A link to what it may not read is no way there either.
    (mine / "link").symlink_to(secret)
    assert (await device.answer(order(FileAction.READ, mine / "link", user="daemon")))["reason"] == "no_right"
    # What root writes over it stays whose it was.
    assert (await device.write(mine / "file", b"y", overwrite=True))["type"] == "done"
    assert ((mine / "file").read_bytes(), (mine / "file").stat().st_uid) == (b"y", 1)


@needs_root
async def test_rejects_links_that_an_account_laid_for_root(device: Device, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "shadow").write_bytes(b"secret")
    for name, target in (("file", "../real/shadow"), ("folder", "../real"), ("up", "..")):
        (theirs / name).symlink_to(target)
        os.chown(theirs / name, 1, 1, follow_symlinks=False)
    for wanted in (
        order(FileAction.READ, theirs / "file"),
        order(FileAction.READ, theirs / "folder" / "shadow"),
        order(FileAction.LIST, theirs / "folder"),
        order(FileAction.LIST, theirs / "folder" / ".." / "up" / "real"),
        order(FileAction.REMOVE, theirs / "folder" / "shadow"),
        order(FileAction.WRITE, theirs / "file", size=1, overwrite=True),
        order(FileAction.WRITE, theirs / "folder" / "new", size=1),
    ):
        assert (await device.answer(wanted))["reason"] == "unsafe_link", wanted
    # Root's own links are followed, and a link that is replaced stays one.
    (tmp_path / "link").symlink_to("real/shadow")
    assert (await device.write(tmp_path / "link", b"new", overwrite=True))["type"] == "done"
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "shadow").read_bytes() == b"new"
    # Nor does a partial file that somebody else laid there become root's.
    partial = tmp_path / f".borealis-{TRANSFER}.part"
    partial.symlink_to("real/shadow")
    assert (await device.write(tmp_path / "new", b"x"))["type"] == "refused"
    partial.unlink()
    partial.touch()
    os.chown(partial, 1, 1)
    assert (await device.write(tmp_path / "new", b"x"))["reason"] == "no_right"


async def test_what_nobody_goes_on_with_is_removed(device: Device, home: Path) -> None:
    async with device.line(order(FileAction.WRITE, home / "up.bin", size=len(DATA))) as line:
        await line.message()
        await line.send(DATA[:1000])
    assert len(partials(home)) == 1
    notes = device.carrier._notes
    assert notes.old(0.0) == [(TRANSFER, str(home / "up.bin"), "")], "a clock that was set back keeps nothing for ever"
    clock = device.carrier._clock.now()
    assert notes.old(clock) == []
    device.carrier._clock = type("Later", (), {"now": lambda _: clock + 8 * 24 * 3600, "sleep": _never})()
    async with Supervisor() as tasks:
        tasks.start("sweep", device.carrier.sweep())
        while partials(home) or notes.old(0.0):
            await asyncio.sleep(0.05)


async def _never(_self: object, _seconds: float) -> None:
    await asyncio.Event().wait()


async def test_survives_a_visitor_that_is_dropped_without_a_process_left(device: Device, home: Path) -> None:
    async with device.line(order(FileAction.WRITE, home / "up.bin", size=len(DATA))) as line:
        await line.message()
        await line.send(DATA[:1000])
        ((visitor, over),) = device.carrier._writing.values()
        visitor.drop()
        await over.wait()
    assert device.carrier.under_way == 0
    assert partials(home)[0].stat().st_size == 1000


async def test_rejects_too_many_at_once(device: Device, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("borealis_agent.capabilities.files.carrier.MAX_AT_ONCE", 0)
    assert (await device.answer(order(FileAction.LIST, home)))["reason"] == "busy"
