"""What is decided about desktops: whose screen, which programs, and what of a viewer's words goes through."""

import struct
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_agent.capabilities.desktop import commands, finding
from borealis_agent.capabilities.desktop.finding import NoDesktop, Screen
from borealis_agent.capabilities.desktop.watching import NotKnown, ViewOnly

posix = pytest.mark.skipif(sys.platform == "win32", reason="X11 screens")
ANNA, BEN, GREETER, STRANGER = 1000, 1001, 112, 1002


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every display is there."""
    monkeypatch.setattr("borealis_agent.capabilities.screen.display._is_there", lambda _display, _sockets: True)


def x11(display: str, **more: str) -> dict[str, str]:
    return {"DISPLAY": display, "XAUTHORITY": f"/run/{display}", **more}


WAYLAND = {"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0", "XDG_SESSION_TYPE": "wayland"}


def find(
    *programs: tuple[int, Mapping[str, str]],
    uid: int | None = None,
    seated: int | None = None,
    own: frozenset[str] = frozenset(),
    servers: Mapping[str, int] | None = None,
) -> Screen:
    return finding.find(programs, uid=uid, seated=seated, own=own, server_uid=(servers or {}).get)


@posix
@pytest.mark.usefixtures("sockets")
def test_the_screen_of_a_named_account_is_found() -> None:
    found = find((ANNA, x11(":0")), (BEN, x11(":1")), uid=BEN)
    assert (found.uid, found.display, found.environment["XAUTHORITY"]) == (BEN, ":1", "/run/:1")
    with pytest.raises(NoDesktop, match="nobody is signed in") as refused:
        find((ANNA, x11(":0")), uid=BEN)
    assert refused.value.reason == "no_screen"


@posix
@pytest.mark.usefixtures("sockets")
def test_who_sits_at_the_machine_is_the_systems_word_then_the_lowest_display_of_a_person() -> None:
    both = ((ANNA, x11(":1")), (BEN, x11(":0")))
    assert find(*both, seated=ANNA).uid == ANNA
    assert find(*both).uid == BEN
    assert find((GREETER, x11(":0")), (ANNA, x11(":1"))).uid == ANNA
    assert find((GREETER, x11(":0"))).uid == GREETER
    assert find(*both, seated=STRANGER).uid == BEN  # somebody on a text console
    assert not finding.is_person(GREETER)
    assert finding.is_person(ANNA)


@posix
@pytest.mark.usefixtures("sockets")
def test_rejects_a_screen_that_somebody_else_paints() -> None:
    programs = ((ANNA, x11(":0")), (STRANGER, x11(":5")))
    assert find(*programs, servers={":0": 0, ":5": STRANGER}).uid == ANNA
    with pytest.raises(NoDesktop):
        find((ANNA, x11(":5")), servers={":5": STRANGER})


@posix
@pytest.mark.usefixtures("sockets")
def test_rejects_displays_of_other_machines_and_our_own() -> None:
    with pytest.raises(NoDesktop):
        find((ANNA, x11("localhost:10.0")))
    with pytest.raises(NoDesktop):
        find((ANNA, x11(":7")), own=frozenset({"7"}))
    assert find((ANNA, x11(":7.0")), (ANNA, x11(":2")), own=frozenset({"7"})).display == ":2"


@posix
@pytest.mark.usefixtures("sockets")
def test_wayland_is_told_as_such_and_nobody_elses_screen_is_shown_instead() -> None:
    for programs, seated in (((ANNA, WAYLAND),), None), (((ANNA, WAYLAND), (BEN, x11(":3"))), ANNA):
        with pytest.raises(NoDesktop, match="X11") as refused:
            find(*programs, seated=seated)
        assert refused.value.reason == "unsupported"


def test_the_seat_is_read_from_what_logind_writes(tmp_path: Path) -> None:
    assert finding.seated_uid(tmp_path) is None
    (tmp_path / "seat0").write_text("# private\nIS_SEAT0=1\nACTIVE=c2\nACTIVE_UID=1000\nSESSIONS=c2\n")
    assert finding.seated_uid(tmp_path) == ANNA
    (tmp_path / "seat0").write_text("IS_SEAT0=1\n")
    assert finding.seated_uid(tmp_path) is None


def test_a_screen_is_served_without_listening_and_without_the_users_own_settings() -> None:
    words = commands.screen_command("/usr/bin/x11vnc", ":0", title="anna :0", view_only=False)
    assert {"-inetd", "-norc", "-noremote", "-nocmds", "-novncconnect", "-repeat"} <= set(words)
    assert not {"-noxdamage", "-rfbport", "-viewonly", "-connect", "-forever"} & set(words)
    looking = commands.screen_command("/usr/bin/x11vnc", ":0", title="anna :0", view_only=True)
    assert set(looking) - set(words) == {"-viewonly", "-nosel"}


def test_an_own_desktop_is_served_without_listening() -> None:
    words = commands.own_command("/usr/bin/Xvnc", cookie="/c", title="anna", width=1000, height=700, tell=9)
    assert {"-inetd", "-AcceptSetDesktopSize=1", "1000x700"} <= set(words)
    assert words[words.index("-nolisten") + 1] == "tcp"
    assert "-rfbport" not in words


@posix
@pytest.mark.parametrize(
    ("installed", "files", "wanted"),
    [
        ({"openbox": "/b/openbox", "xterm": "/b/xterm"}, set(), [["/b/openbox", "--startup", "/b/xterm"]]),
        ({"twm": "/b/twm", "xterm": "/b/xterm"}, set(), [["/b/twm"], ["/b/xterm"]]),
        ({"xterm": "/b/xterm"}, set(), [["/b/xterm"]]),
        ({"x-session-manager": "/b/startxfce4", "xterm": "/b/xterm"}, {"/etc/X11/Xsession"}, [["/etc/X11/Xsession"]]),
        ({"x-session-manager": "/b/startxfce4"}, set(), [["/b/startxfce4"]]),
        ({}, {"/home/anna/.xsession"}, [["/home/anna/.xsession"]]),
        ({}, {"/home/anna/.xsession", "/etc/X11/Xsession"}, [["/etc/X11/Xsession"]]),
    ],
)
def test_a_session_is_what_the_machine_has(installed: dict[str, str], files: set[str], wanted: list[list[str]]) -> None:
    assert commands.session_commands("/home/anna", installed.get, files.__contains__) == wanted


def test_rejects_what_is_not_installed_with_what_to_install() -> None:
    for program, package in (("x11vnc", "x11vnc"), ("Xvnc", "tigervnc-standalone-server")):
        with pytest.raises(NoDesktop, match=f"apt-get install {package}") as refused:
            commands.needed(program, lambda _: None)
        assert refused.value.reason == "missing"
    with pytest.raises(NoDesktop, match="apt-get install openbox xterm"):
        commands.session_commands("/home/anna", lambda _: None, lambda _: False)


GREETING = b"RFB 003.008\n\x01\x01"
HARMLESS = st.sampled_from(
    [
        b"\0\0\0\0" + bytes(16),
        b"\x02\0\0\x03" + bytes(12),
        b"\x03\x01" + bytes(8),
        b"\x96\x01" + bytes(8),
        b"\xf8\0\0\0" + bytes(4) + b"\x05hello",
    ]
)
ACTS = st.sampled_from(
    [
        b"\x04\x01\0\0" + struct.pack(">I", 0x61),
        b"\x05\x01\0\x05\0\x05",
        b"\x06\0\0\0" + struct.pack(">I", 7) + b"\x04\x05\x06 cut",
        b"\x06\0\0\0" + struct.pack(">i", -6) + b"\x04\x05zlib",
        b"\xfb\0\x05\0\x04\0\x01\0" + bytes(16),
        b"\xff\0\0\x01" + bytes(8),
    ]
)


@given(st.lists(st.one_of(HARMLESS.map(lambda m: (m, True)), ACTS.map(lambda m: (m, False))), max_size=30), st.data())
def test_rejects_whatever_acts_however_it_is_cut(messages: list[tuple[bytes, bool]], data: st.DataObject) -> None:
    said = GREETING + b"".join(message for message, _ in messages)
    filtered, passed, at = ViewOnly(), bytearray(), 0
    while at < len(said):
        size = data.draw(st.integers(1, 40))
        passed += filtered.pass_on(said[at : at + size])
        at += size
    assert bytes(passed) == GREETING + b"".join(message for message, harmless in messages if harmless)


def test_rejects_a_large_clipboard_without_keeping_it() -> None:
    filtered = ViewOnly()
    filtered.pass_on(GREETING + b"\x06\0\0\0" + struct.pack(">I", 50_000_000))
    for _ in range(50):
        assert filtered.pass_on(bytes(1_000_000)) == b""
    assert filtered.pass_on(b"\x03\x01" + bytes(8)) == b"\x03\x01" + bytes(8)


@pytest.mark.parametrize("said", [b"\xfa\0\x01\x02", b"\x63", b"\xff\x01\0\0", b"\x02\0\xff\xff" + bytes(4)])
def test_rejects_messages_that_may_act_for_all_we_know(said: bytes) -> None:
    filtered = ViewOnly()
    if said[0] == 2:  # known, and longer than any that is kept
        with pytest.raises(NotKnown):
            filtered.pass_on(GREETING + said)
        return
    with pytest.raises(NotKnown):
        filtered.pass_on(GREETING + said)


def test_rejects_another_version_of_the_protocol() -> None:
    with pytest.raises(NotKnown):
        ViewOnly().pass_on(b"RFB 003.889\n\x01\x01\x04")
    assert ViewOnly().pass_on(b"RFB 003.003\n\x01\x04" + bytes(7)) == b"RFB 003.003\n\x01"


@posix
def test_a_name_is_shown_as_no_more_than_a_name() -> None:
    from borealis_agent.capabilities.desktop.signs import MAX_NAME, plain

    assert plain("olga") == "olga"
    assert plain("Zoë\n\x1b[0m") == "Zoe??[0m"
    assert len(plain("x" * 300)) == MAX_NAME
    assert plain("\u202eevil") == "?evil"


def test_a_cookie_is_for_one_display() -> None:
    entry = commands.cookie_entry(b"0123456789abcdef", "7")
    assert entry.endswith(b"\0\x017\0\x12MIT-MAGIC-COOKIE-1\0\x100123456789abcdef")
