"""Whose screen is looked at: the session's own, found in the environment or in the user's own programs."""

import os
from pathlib import Path

import pytest

from borealis_agent.capabilities.screen.display import (
    NoScreen,
    environments_of_mine,
    find_screen,
    read_environment,
    session_environment,
)


@pytest.fixture
def sockets(tmp_path: Path) -> Path:
    (tmp_path / "X1").touch()
    return tmp_path


def test_the_agents_own_environment_counts_first(sockets: Path) -> None:
    own = {"DISPLAY": ":1", "XAUTHORITY": "/a", "SECRET": "x"}
    found = find_screen(own, [{"DISPLAY": ":1", "XAUTHORITY": "/b"}], sockets=sockets)
    assert found == {"DISPLAY": ":1", "XAUTHORITY": "/a"}


def test_a_display_that_is_gone_is_passed_over(sockets: Path) -> None:
    others = [{"DISPLAY": ":7"}, {"DISPLAY": "unix:1.0", "XAUTHORITY": "/b"}]
    assert find_screen({}, others, sockets=sockets) == {"DISPLAY": "unix:1.0", "XAUTHORITY": "/b"}
    with pytest.raises(NoScreen, match="display :7"):
        find_screen({"DISPLAY": ":7"}, [], sockets=sockets)


def test_no_screen_says_that_somebody_has_to_sign_in(sockets: Path) -> None:
    with pytest.raises(NoScreen, match="signed in at a desktop"):
        find_screen({}, [], sockets=sockets)


@pytest.mark.parametrize(
    "environment",
    [
        {"WAYLAND_DISPLAY": "wayland-0"},
        {"XDG_SESSION_TYPE": "wayland", "DISPLAY": ":1", "WAYLAND_DISPLAY": "wayland-0"},
    ],
)
def test_wayland_is_asked_by_its_session_bus_or_says_what_is_missing(
    environment: dict[str, str], sockets: Path
) -> None:
    with pytest.raises(NoScreen, match="session bus"):
        find_screen({}, [environment], sockets=sockets)
    bus = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/b"}
    found = find_screen({}, [environment, {**environment, **bus}], sockets=sockets)
    assert found == {**environment, **bus, "XDG_SESSION_TYPE": "wayland"}
    (sockets / "bus").touch()
    found = find_screen({}, [{**environment, "XDG_RUNTIME_DIR": str(sockets)}], sockets=sockets)
    assert found["DBUS_SESSION_BUS_ADDRESS"] == f"unix:path={sockets}/bus"


def test_only_what_matters_is_read_of_an_environment() -> None:
    text = b"PATH=/bin\0DISPLAY=:1\0XAUTHORITY=\0HOME=/h\xff\0TOKEN=secret\0"
    assert read_environment(text) == {"DISPLAY": ":1", "HOME": os.fsdecode(b"/h\xff")}


def process(proc: Path, number: int, environment: bytes, *, uid: int | None = None) -> None:
    folder = proc / str(number)
    folder.mkdir()
    (folder / "environ").write_bytes(environment)
    if uid is not None:
        os.chown(folder, uid, -1)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
def test_rejects_displays_that_other_users_programs_name(tmp_path: Path) -> None:
    process(tmp_path, 10, b"DISPLAY=:1\0")
    process(tmp_path, 11, b"DISPLAY=:66\0", uid=1)
    process(tmp_path, 12, b"HOME=/h\0")
    process(tmp_path, 13, b"DISPLAY=:2\0")
    (tmp_path / "self").mkdir()
    assert [found["DISPLAY"] for found in environments_of_mine(tmp_path)] == [":2", ":1"]


def test_a_script_gets_what_makes_it_part_of_the_desktop_session(sockets: Path) -> None:
    """Started by systemd before anybody sat down, the agent's own environment has nothing of it."""
    desktop = {"DISPLAY": ":1", "XAUTHORITY": "/b", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/bus"}
    others = [{"DISPLAY": ":7", "XAUTHORITY": "/old"}, {**desktop, "HOME": "/h", "LD_PRELOAD": "x"}]
    assert session_environment({"PATH": "/bin"}, others, sockets=sockets) == desktop
    wayland = {"WAYLAND_DISPLAY": "wayland-0", "XDG_RUNTIME_DIR": "/run/user/1000"}
    assert session_environment({}, [wayland], sockets=sockets) == wayland
    assert session_environment({"DISPLAY": ":9"}, others, sockets=sockets) == {}, "its own is there already"
    assert session_environment({}, [], sockets=sockets) == {}
