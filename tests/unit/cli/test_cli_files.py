"""``borealis cp`` and ``borealis ls``: what is asked of the Engine, what is gone on with, and which names are taken."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.fakes.cli_world import CliWorld
from tests.fakes.fake_rest import GUID, FakeRest

AT = f"/api/files/{GUID}"
DATA = bytes(range(256)) * 40
TAG = "1-2-3"


def entry(name: str, kind: str = "file", **members: Any) -> dict[str, Any]:
    plain = {"odd": False, "link": False, "size": 5, "modified": 1_760_000_000.0, "mode": 0o644, "owner": "root"}
    return {"name": name, "kind": kind, **plain, **members}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Device(FakeRest):
    """An Engine with one device; files are bytes."""

    there: dict[str, dict[str, Any]] = field(default_factory=dict)
    folders: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    partial: bytes = b""
    put: list[httpx.Request] = field(default_factory=list)
    got: list[httpx.Request] = field(default_factory=list)
    on_put: list[Callable[[httpx.Request], httpx.Response]] = field(default_factory=list)
    on_get: list[Callable[[httpx.Request], httpx.Response]] = field(default_factory=list)
    whole: str = digest(DATA)

    def transport(self) -> httpx.MockTransport:
        """For clients in this process."""
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path, query = request.url.path, request.url.params
        if path == "/api/devices":
            return httpx.Response(200, json={"devices": [{"hostname": "lab", "guid": GUID}]})
        if path == AT:
            told = {"path": query["path"], "user": "root", "left_out": 0, "entries": self.folders[query["path"]]}
            return httpx.Response(200, json=told)
        if path == f"{AT}/upload":
            told = {"path": query["path"], "user": "root", "offset": len(self.partial)}
            return httpx.Response(200, json={**told, "there": self.there.get(query["path"])})
        if path == f"{AT}/content" and request.method == "PUT":
            self.put.append(request)
            return self.on_put.pop(0)(request)
        if path == f"{AT}/content":
            self.got.append(request)
            return self.on_get.pop(0)(request)
        if path.endswith("/digest"):
            return httpx.Response(200, json={"sha256": self.whole})
        return httpx.Response(409, json={"error": "files_exists", "detail": "It is there."})


def refusing(status: int, code: str) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: httpx.Response(status, json={"error": code, "detail": "No."})


def taking(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"path": "/x", "offset": 5, "whole": True})


def giving(data: bytes, *, start: int = 0, size: int = len(DATA)) -> Callable[[httpx.Request], httpx.Response]:
    headers = {"etag": f'"{TAG}"', "content-length": str(size - start), "x-borealis-transfer": "t"}
    return lambda _: httpx.Response(206 if start else 200, content=iter([data]), headers=headers)


@pytest.fixture
def device(cli: CliWorld) -> Device:
    cli.rest = Device()
    return cli.rest


def test_a_file_goes_up_with_its_digest_and_goes_on_where_the_device_is(
    cli: CliWorld, device: Device, tmp_path: Path
) -> None:
    source = tmp_path / "a.bin"
    source.write_bytes(DATA)
    source.chmod(0o640)
    device.there["/srv"] = entry("srv", "folder")

    def cut(_: httpx.Request) -> httpx.Response:
        device.partial = DATA[:1000]
        return refusing(503, "files_cut")(_)

    device.on_put += [cut, taking]
    printed = cli("cp", str(source), "lab:/srv", "--user", "ada")
    assert (printed.status, "Going on" in printed.err) == (0, False), printed.err
    first, second = (dict(request.url.params) for request in device.put)
    assert first["path"] == second["path"] == "/srv/a.bin"
    assert (first["user"], first["size"], first["mode"]) == ("ada", str(len(DATA)), str(0o640))
    assert (first["sha256"], first["overwrite"]) == (digest(DATA), "false")
    assert first["transfer"] == second["transfer"]
    assert (first["offset"], second["offset"]) == ("0", "1000")
    assert device.put[1].content == DATA[1000:]


def test_what_the_device_refuses_is_said_and_not_tried_again(cli: CliWorld, device: Device, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    device.on_put.append(refusing(409, "files_no_space"))
    printed = cli("cp", str(tmp_path / "a"), "lab:/x")
    assert (printed.status, "files_no_space" in printed.err) == (1, True)
    assert len(device.put) == 1
    assert cli("cp", str(tmp_path / "nothing"), "lab:/x").status == 1
    printed = cli("cp", str(tmp_path), "lab:/x")
    assert (printed.status, "-r" in printed.err) == (1, True)


def test_a_file_comes_down_goes_on_and_is_checked(cli: CliWorld, device: Device, tmp_path: Path) -> None:
    device.there["/f"] = entry("f")
    device.on_get += [giving(DATA[:5000]), giving(DATA[4999:], start=4999)]
    printed = cli("cp", "lab:/f", str(tmp_path))
    assert printed.status == 0, printed.err
    assert (tmp_path / "f").read_bytes() == DATA
    assert "range" not in device.got[0].headers
    assert device.got[1].headers["range"] == "bytes=4999-"
    assert device.got[1].headers["if-range"] == f'"{TAG}"'
    printed = cli("cp", "lab:/f", str(tmp_path))
    assert (printed.status, "is there already" in printed.err) == (1, True)
    device.on_get.append(giving(DATA))
    device.whole = digest(b"another")
    printed = cli("cp", "lab:/f", str(tmp_path), "--overwrite")
    assert (printed.status, "did not arrive" in printed.err) == (1, True)
    assert (tmp_path / "f").read_bytes() == DATA
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".borealis")] == []


@pytest.mark.parametrize("name", ["..", "a/b", "..\\up", "/etc/passwd", "a\0b", ""])
def test_rejects_names_of_a_device_that_lead_elsewhere(
    cli: CliWorld, device: Device, tmp_path: Path, name: str
) -> None:
    target = tmp_path / "deep" / "er"
    target.mkdir(parents=True)
    device.there["/d"] = entry("d", "folder")
    device.folders["/d"] = [entry(name), entry(name, "folder")]
    printed = cli("cp", "-r", "lab:/d", str(target))
    assert "is left out" in printed.err or printed.status == 1
    assert device.got == []
    assert {one for one in (tmp_path / "deep").rglob("*") if one.is_file()} == set()
    device.there["/d"] = entry(name)
    if name:
        assert cli("cp", "lab:/d", str(target)).status == 1


@pytest.mark.parametrize("words", [("a",), ("a", "b"), ("lab:/a", "lab:/b"), ("lab:/a", "b", "c"), ("C:/a", "./b:c")])
def test_one_side_is_on_a_device(cli: CliWorld, device: Device, words: tuple[str, ...]) -> None:
    assert cli("cp", *words).status == 2
    assert device.put == device.got == []


def test_a_folder_is_listed(cli: CliWorld, device: Device) -> None:
    device.folders["/d"] = [entry("a.txt"), entry("sub", "folder"), entry(".hidden"), entry("l\x1b[31m", link=True)]
    printed = cli("ls", "lab:/d")
    assert printed.status == 0
    for words in ("-rw-r--r--", "drw-r--r--", "a.txt", "sub/", "(a link)"):
        assert words in printed.out
    assert ".hidden" not in printed.out
    assert "\x1b" not in printed.out
    assert ".hidden" in cli("ls", "-a", "lab:/d").out
    assert cli("ls", "lab:/d", "--json").json["user"] == "root"
