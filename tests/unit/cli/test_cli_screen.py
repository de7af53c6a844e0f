"""Screens on the command line: a picture into a file, what there is to see, and words for what went wrong."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.fakes.cli_world import CliWorld
from tests.fakes.fake_rest import GUID

from borealis_cli.client import EngineClient
from borealis_cli.errors import Refusal, Unreachable
from borealis_cli.places import Target

PLACE = f"/api/devices/{GUID}"
STATE: dict[str, Any] = {
    "guid": GUID,
    "hostname": "lab",
    "reachable": True,
    "user": "anna",
    "users": ["anna", "bert"],
    "watchers": [{"username": "olga", "monitor": 1, "rate": 10.0, "quality": 60, "since": 1.0, "user": "anna"}],
}
LIST = {
    "user": "anna",
    "monitors": [
        {"number": 0, "x": 0, "y": 0, "width": 3200, "height": 1080},
        {"number": 1, "x": 0, "y": 0, "width": 1920, "height": 1080},
    ],
    "windows": [
        {
            "id": 7,
            "title": "Figures\x1b[31m",
            "program": "calc",
            "x": 1,
            "y": 2,
            "width": 3,
            "height": 4,
            "active": True,
        }
    ],
    "note": "",
}


def engine(cli: CliWorld) -> CliWorld:
    cli.rest.routes |= {
        "GET /api/devices": (200, {"devices": [{"hostname": "lab", "guid": GUID}]}),
        f"GET {PLACE}/screen": (200, STATE),
        f"POST {PLACE}/screen/list": (200, LIST),
    }
    return cli


def test_screen_tells_who_watches_and_asks_the_device_only_when_told(cli: CliWorld) -> None:
    printed = engine(cli)("screen", "lab")
    assert printed.status == 0
    assert "olga (monitor 1 of anna)" in printed.out
    assert "anna, bert" in printed.out
    assert not cli.rest.bodies(f"POST {PLACE}/screen/list")
    assert engine(cli)("screen", "lab", "--json").json == STATE


def test_screen_lists_monitors_and_windows_harmlessly(cli: CliWorld) -> None:
    printed = engine(cli)("screen", "lab", "--windows")
    assert "1920" in printed.out
    assert "calc" in printed.out
    assert "\x1b[31m" not in printed.out


@pytest.mark.parametrize(
    "words", [("-o", "x.bmp"), ("--region", "1,2,3"), ("--region", "a,b,c,d"), ("--monitor", "-1"), ("--quality", "0")]
)
def test_rejects_what_is_no_picture_before_anything_is_asked(cli: CliWorld, words: tuple[str, ...]) -> None:
    printed = engine(cli)("screenshot", "lab", *words)
    assert printed.status != 0
    assert cli.rest.bodies(f"POST {PLACE}/screenshot") == []


def test_a_picture_that_is_refused_is_told_in_words(cli: CliWorld, tmp_path: Path) -> None:
    detail = {"error": "no_session", "detail": "Nobody is signed in there."}
    engine(cli).rest.routes[f"POST {PLACE}/screenshot"] = (409, detail)
    path = tmp_path / "shot.webp"
    printed = cli("screenshot", "lab", "-o", str(path), "--region", "1,2,30,40", "--monitor", "2")
    assert printed.status != 0
    assert "Nobody is signed in there." in printed.err
    assert not path.exists()
    (asked,) = cli.rest.bodies(f"POST {PLACE}/screenshot")
    assert asked["format"] == "webp"
    assert (asked["monitor"], asked["region"]) == (2, {"x": 1, "y": 2, "width": 30, "height": 40})


def client_of(answer: httpx.Response) -> EngineClient:
    target = Target("https://engine.example", "token", "", False)
    return EngineClient(target, transport=httpx.MockTransport(lambda _request: answer))


def test_bytes_come_as_they_are() -> None:
    answer = httpx.Response(200, content=b"\x89PNG\xff", headers={"content-type": "image/png"})
    with client_of(answer) as client:
        assert client.post_for_bytes("/x", {}) == b"\x89PNG\xff"


def test_rejects_an_answer_that_is_no_picture() -> None:
    with (
        client_of(httpx.Response(409, json={"error": "no_picture", "detail": "No."})) as client,
        pytest.raises(Refusal),
    ):
        client.post_for_bytes("/x", {})
    with client_of(httpx.Response(200, json={})) as client, pytest.raises(Unreachable):
        client.post_for_bytes("/x", {})


def test_whose_screen_is_said_to_the_engine(cli: CliWorld) -> None:
    assert engine(cli)("screen", "lab", "--windows", "--user", "bert").status == 0
    assert cli.rest.bodies(f"POST {PLACE}/screen/list") == [{"user": "bert"}]
