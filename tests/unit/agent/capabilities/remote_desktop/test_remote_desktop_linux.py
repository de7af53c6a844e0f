"""xrdp on Linux: what is said of it, what preparing changes, and that undoing leaves the machine as it was."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fakes.xrdp_machine import GROUP, PACKAGES, XRDP_INI, XrdpMachine

from borealis_agent.capabilities.remote_desktop.changes import CannotPrepare
from borealis_agent.capabilities.remote_desktop.desk import Desk, desk_of_linux
from borealis_agent.capabilities.remote_desktop.linux import Listen, listens_of, look_linux, port_value, with_port
from borealis_agent.capabilities.remote_desktop.report import reach_of
from borealis_agent.capabilities.remote_desktop.running import run_program


class Bench:
    """A desk over a Debian in a folder."""

    def __init__(self, folder: Path, **options: bool | str) -> None:
        self.machine = XrdpMachine(folder / "machine", **options)  # type: ignore[arg-type]
        self.record = folder / "state" / "changes.json"
        self.said: list[str] = []

    @property
    def desk(self) -> Desk:
        """As after each start of the agent."""
        return desk_of_linux(self.machine.root, self.machine.run, self.record, privileged=True)


@pytest.fixture(params=[False, True], ids=["init", "systemd"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(tmp_path, systemd=request.param)


async def test_a_bare_machine_is_told_as_it_is(bench: Bench) -> None:
    report = await bench.desk.look()
    assert (report.installed, report.ready, report.reach, report.can_prepare) == (False, False, "nobody", True)
    assert report.problems == ("xrdp is not installed",)
    assert (report.session, report.sessions) == ("xfce4-session", ("xfce",))
    assert bench.machine.ran == []


async def test_preparing_opens_this_machine_alone_and_is_undone_exactly(bench: Bench) -> None:
    before = bench.machine.files()
    report = await bench.desk.prepare(open_network=False, say=bench.said.append)
    assert report.ready, report.problems
    assert (report.reach, report.listening, report.running) == ("this machine", ("127.0.0.1",), True)
    assert bench.machine.held == [True]  # it could not start by itself, listening everywhere
    assert not (bench.machine.root / "usr/sbin/policy-rc.d").exists()
    assert not any(line.startswith(("ufw", "firewall-cmd")) for line in bench.machine.ran)
    assert len(report.changes) == 4
    assert await bench.desk.undo(say=bench.said.append) == []
    assert bench.machine.files() == before
    assert (await bench.desk.look()).changes == ()


async def test_preparing_twice_changes_nothing_more(bench: Bench) -> None:
    await bench.desk.prepare(open_network=False, say=bench.said.append)
    files, ran = bench.machine.files(), len(bench.machine.ran)
    report = await bench.desk.prepare(open_network=False, say=bench.said.append)
    assert bench.machine.files() == files
    assert len(report.changes) == 4
    assert [line for line in bench.machine.ran[ran:] if "install" in line] == []


@pytest.mark.parametrize("wall", ["ufw", "firewalld", ""])
async def test_the_network_is_let_in_only_when_asked_and_shut_out_again(tmp_path: Path, wall: str) -> None:
    bench = Bench(tmp_path, firewall=wall)
    before = bench.machine.files()
    await bench.desk.prepare(open_network=False, say=bench.said.append)
    assert bench.machine.rules == set()
    report = await bench.desk.prepare(open_network=True, say=bench.said.append)
    assert report.reach == "network"
    assert bench.machine.rules == ({"3389/tcp"} if wall else set())
    assert bool(wall) != any("has to be opened by hand" in line for line in bench.said)
    assert await bench.desk.undo(say=bench.said.append) == []
    assert bench.machine.rules == set()
    assert bench.machine.files() == before


async def test_a_rule_that_was_there_before_stays(tmp_path: Path) -> None:
    bench = Bench(tmp_path, firewall="ufw")
    bench.machine.rules = {"3389/tcp"}
    await bench.desk.prepare(open_network=True, say=bench.said.append)
    await bench.desk.undo(say=bench.said.append)
    assert bench.machine.rules == {"3389/tcp"}


async def test_an_xrdp_that_was_in_use_keeps_its_address_and_goes_on_after_undoing(bench: Bench) -> None:
    await bench.machine.run(("apt-get", "install", "xrdp"))
    await bench.machine.run(("systemctl", "enable"))
    assert (await bench.desk.look()).reach == "network"
    before = bench.machine.files()
    report = await bench.desk.prepare(open_network=False, say=bench.said.append)
    assert report.reach == "network"
    assert not any("xrdp.ini" in change for change in report.changes)
    assert await bench.desk.undo(say=bench.said.append) == []
    assert bench.machine.files() == before
    assert (await bench.desk.look()).running


async def test_undoing_leaves_what_somebody_changed_since_and_says_so(bench: Bench) -> None:
    await bench.machine.run(("apt-get", "install", "xrdp"))
    await bench.machine.run(("/etc/init.d/xrdp", "stop"))
    await bench.desk.prepare(open_network=False, say=bench.said.append)
    ini = bench.machine.root / "etc/xrdp/xrdp.ini"
    ini.write_text(ini.read_text() + "; mine\n")
    (stays,) = await bench.desk.undo(say=bench.said.append)
    assert "somebody changed the file since" in stays
    assert ini.read_text().endswith("; mine\n")
    assert (await bench.desk.look()).changes == ("changed /etc/xrdp/xrdp.ini",)
    ini.write_text(ini.read_text().removesuffix("; mine\n"))
    assert await bench.desk.undo(say=bench.said.append) == []
    assert ini.read_text() == XRDP_INI


@pytest.mark.parametrize(
    "step", ["apt-get -s", "apt-get install", "usermod", "init.d/xrdp start", "systemctl start", "systemctl enable"]
)
async def test_survives_step_that_fails_and_undoes_what_was_done(bench: Bench, step: str) -> None:
    before = bench.machine.files()
    bench.machine.fails = step
    systemd = (bench.machine.root / "run/systemd/system").exists()
    if ("init.d" in step and systemd) or ("systemctl" in step and not systemd):
        return
    with pytest.raises(CannotPrepare, match="it does not want to"):
        await bench.desk.prepare(open_network=False, say=bench.said.append)
    assert not (bench.machine.root / "usr/sbin/policy-rc.d").exists()
    bench.machine.fails = ""
    assert await bench.desk.undo(say=bench.said.append) == []
    assert bench.machine.files() == before


class Killed(BaseException):
    """``kill -9`` in the middle."""


@pytest.mark.parametrize("step", ["apt-get install", "usermod", "init.d/xrdp start"])
@pytest.mark.parametrize("done", [False, True])
async def test_survives_agent_killed_at_any_step(tmp_path: Path, step: str, done: bool) -> None:
    bench = Bench(tmp_path)
    before, real = bench.machine.files(), bench.machine.run

    async def deadly(command: tuple[str, ...]) -> object:
        if step in " ".join(command) and "-s" not in command:
            if done:
                await real(command)
            raise Killed
        return await real(command)

    desk = desk_of_linux(bench.machine.root, deadly, bench.record, privileged=True)  # type: ignore[arg-type]
    with pytest.raises(Killed):
        await desk.prepare(open_network=False, say=bench.said.append)
    await bench.desk.recover(bench.said.append)
    assert not (bench.machine.root / "usr/sbin/policy-rc.d").exists()
    assert await bench.desk.undo(say=bench.said.append) == []
    assert bench.machine.files() == before


async def test_a_policy_of_the_machine_itself_stays(bench: Bench) -> None:
    bench.machine.write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n")
    (bench.machine.root / "usr/sbin/policy-rc.d").chmod(0o755)
    await bench.desk.prepare(open_network=False, say=bench.said.append)
    await bench.desk.recover(bench.said.append)
    assert (bench.machine.root / "usr/sbin/policy-rc.d").read_text() == "#!/bin/sh\nexit 101\n"


async def test_dnf_installs_what_is_missing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    (bench.machine.root / "usr/bin/apt-get").unlink()
    bench.machine.write("usr/bin/dnf", "")
    real, have = bench.machine.run, set[str]()

    async def fedora(command: tuple[str, ...]) -> object:
        from borealis_agent.capabilities.remote_desktop.running import Done

        if command[0] == "rpm":
            return Done(0 if command[-1] in have else 1, "")
        if command[:2] == ("dnf", "install"):
            have.update(command[4:])
            await real(("apt-get", "install"))
            await real(("/etc/init.d/xrdp", "stop"))
        if command[:2] == ("dnf", "remove"):
            have.difference_update(command[4:])
        return await real(command)

    desk = desk_of_linux(bench.machine.root, fedora, bench.record, privileged=True)  # type: ignore[arg-type]
    report = await desk.prepare(open_network=False, say=bench.said.append)
    assert (report.ready, have) == (True, {"xrdp", "xorgxrdp"})
    await desk.undo(say=bench.said.append)
    assert have == set()


@pytest.mark.parametrize("manager", ["apt-get", ""])
@pytest.mark.parametrize("privileged", [False, True])
async def test_rejects_where_it_may_or_can_not(tmp_path: Path, manager: str, privileged: bool) -> None:
    if manager and privileged:
        return
    bench = Bench(tmp_path)
    if not manager:
        (bench.machine.root / "usr/bin/apt-get").unlink()
    desk = desk_of_linux(bench.machine.root, bench.machine.run, bench.record, privileged=privileged)
    before = bench.machine.files()
    with pytest.raises(CannotPrepare, match="root" if not privileged else "neither apt-get nor dnf"):
        await desk.prepare(open_network=False, say=bench.said.append)
    assert bench.machine.files() == before
    assert bench.machine.ran == []


async def test_survives_torn_record(bench: Bench) -> None:
    bench.record.parent.mkdir()
    bench.record.write_text('{"version": 1, "changes": [{"ki')
    assert (await bench.desk.look()).changes == ()
    assert await bench.desk.undo(say=bench.said.append) == []
    assert [path.name.split(".bad-")[0] for path in bench.record.parent.iterdir()] == ["changes.json"]


async def test_the_record_holds_what_was_before(bench: Bench) -> None:
    await bench.desk.prepare(open_network=False, say=bench.said.append)
    kept = {change["kind"]: change["before"] for change in json.loads(bench.record.read_text())["changes"]}
    assert kept["apt"] == {"packages": list(PACKAGES)}
    assert base64.b64decode(kept["file"]["data"]).decode() == XRDP_INI
    assert kept["service"]["running"] is False
    assert bench.record.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda m: (m.root / "proc/501/comm").unlink(), "xrdp-sesman does not run"),
        (lambda m: (m.root / "proc/502/comm").unlink(), "xrdp does not run"),
        (lambda m: (m.root / "proc/net/tcp").unlink(), "nothing listens"),
        (lambda m: (m.root / "usr/lib/xorg/modules/libxorgxrdp.so").unlink(), "xorgxrdp is missing"),
        (lambda m: (m.root / "etc/alternatives/x-session-manager").unlink(), None),
        (lambda m: (m.root / "etc/xrdp/key.pem").unlink(), "key is missing"),
        (lambda m: m.write("etc/group", GROUP), "may not read the TLS key"),
        (lambda m: m.write("etc/xrdp/xrdp.ini", "[Globals]\nsecurity_layer=rdp\n"), "turns TLS off"),
    ],
)
async def test_what_is_missing_is_named(
    tmp_path: Path, harm: Callable[[XrdpMachine], object], words: str | None
) -> None:
    bench = Bench(tmp_path)
    await bench.desk.prepare(open_network=False, say=bench.said.append)
    harm(bench.machine)
    report = look_linux(bench.machine.root, privileged=True)
    if words is None:
        assert report.session == "xfce"  # the one desktop that is installed
    else:
        assert any(words in problem for problem in report.problems), report.problems
        assert not report.ready


@pytest.mark.parametrize(
    ("value", "listens"),
    [
        ("3389", [Listen("", 3389)]),
        ("tcp://:3390", [Listen("", 3390)]),
        ("tcp://127.0.0.1:3389", [Listen("127.0.0.1", 3389)]),
        ("tcp6://{::1}:3389, tcp://10.0.0.1:3391", [Listen("::1", 3389), Listen("10.0.0.1", 3391)]),
        ("vsock://-1:3389", []),
        ("nonsense", [Listen("", 3389)]),
    ],
)
def test_where_xrdp_listens(value: str, listens: list[Listen]) -> None:
    assert listens_of(f"[Globals]\nport={value}\n[Xorg]\nport=-1\n") == listens


def test_only_the_port_of_the_globals_is_changed() -> None:
    changed = with_port(XRDP_INI, "tcp://127.0.0.1:3389")
    assert port_value(changed) == "tcp://127.0.0.1:3389"
    assert changed.replace("tcp://127.0.0.1:3389", "3389") == XRDP_INI
    assert port_value(with_port("[Xorg]\nport=-1\n", "5")) == "5"
    assert with_port("[globals]\nfork=true\n", "5") == "[globals]\nport=5\nfork=true\n"


def test_how_far_addresses_reach() -> None:
    assert [reach_of(a) for a in ([], ["127.0.0.1"], ["::1", "127.0.0.2"], ["127.0.0.1", "10.1.1.1"], ["::"])] == [
        "nobody",
        "this machine",
        "this machine",
        "network",
        "network",
    ]


@pytest.mark.slow
async def test_a_program_that_leaves_a_daemon_on_its_output_is_no_wait(tmp_path: Path) -> None:
    done = await run_program(("sh", "-c", "echo started; exec sleep 5 & exit 3"), seconds=60)
    assert (done.code, done.output) == (3, "started\n")
    assert (await run_program(("no-such-program-here",))).code == 127
    with pytest.raises(TimeoutError):
        await run_program(("sleep", "60"), seconds=0.1)
