"""Who gets no desktop, and what is told; nothing is started here."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from tests.fakes.fake_clock import FakeClock

from borealis_agent.capabilities.desktop import desktops, finding
from borealis_agent.capabilities.desktop.desktops import Desktops
from borealis_agent.capabilities.desktop.finding import NoDesktop, Screen
from borealis_agent.capabilities.entry import Refusing, Visitor
from borealis_wire.desktop import Consent, DesktopKind, DesktopOrder

linux = pytest.mark.skipif(sys.platform != "linux", reason="desktops are shown on Linux")


@pytest.fixture
async def visitor() -> AsyncIterator[Visitor]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    yield Visitor(ours, "10.255.0.1")
    ours.close()
    theirs.close()


def start_none(_name: str, work: Coroutine[Any, Any, object]) -> None:
    work.close()
    raise AssertionError("something was started")


def desktops_with(
    find: Callable[[int | None, frozenset[str]], Screen] = finding.screen_here,
    which: Callable[[str], str | None] = lambda name: f"/usr/bin/{name}",
) -> Desktops:
    return Desktops(start_task=start_none, clock=FakeClock(), say=lambda _: None, find=find, which=which)


def order(**members: Any) -> DesktopOrder:
    given = {"kind": DesktopKind.SCREEN, **members}
    return DesktopOrder("o", "s", "11111111-2222-4333-8444-555555555555", "olga", issued_at=0, expires_at=60, **given)


async def refused(found: Desktops, wanted: DesktopOrder, visitor: Visitor) -> tuple[str, str]:
    with pytest.raises(Refusing) as no:
        await found.visit(wanted, visitor)
    return no.value.reason, str(no.value)


@pytest.mark.parametrize(("platform", "says"), [("win32", "Remote Desktop"), ("darwin", "Linux only")])
async def test_rejects_where_there_are_no_such_desktops(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, platform: str, says: str
) -> None:
    monkeypatch.setattr(desktops.sys, "platform", platform)
    reason, sentence = await refused(desktops_with(), order(), visitor)
    assert (reason, says in sentence) == ("unsupported", True)


@linux
@pytest.mark.parametrize("wanted", [order(), order(kind=DesktopKind.OWN, user="root")])
async def test_rejects_where_a_program_is_missing(visitor: Visitor, wanted: DesktopOrder) -> None:
    if os.geteuid() != 0 and wanted.user:
        pytest.skip("root's desktop is root's to show")
    reason, sentence = await refused(desktops_with(which=lambda _: None), wanted, visitor)
    assert (reason, "apt-get install" in sentence) == ("missing", True)


@linux
async def test_rejects_an_account_that_is_not_there(visitor: Visitor) -> None:
    for kind in DesktopKind:
        assert (await refused(desktops_with(), order(kind=kind, user="no-such-person"), visitor))[0] == "no_account"


@linux
async def test_rejects_an_own_desktop_of_who_would_have_to_be_asked_and_cannot_be(visitor: Visitor) -> None:
    import pwd

    def wayland(_uid: int | None, _own: frozenset[str]) -> Screen:
        raise NoDesktop("unsupported", finding.WAYLAND)

    me = pwd.getpwuid(os.geteuid()).pw_name
    wanted = order(kind=DesktopKind.OWN, user=me, consent=Consent.ASK)
    reason, sentence = await refused(desktops_with(wayland), wanted, visitor)
    assert (reason, "Wayland" in sentence) == ("denied", True)
    await asyncio.sleep(0)
