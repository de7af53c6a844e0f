"""An operator looks at a real screen: Engine, both agents, an X server of the signed-in user's, and a window on it."""

import asyncio
import contextlib
import io
import os
import signal
import ssl
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import socketio
from PIL import Image
from tests.journeys.test_journey_signed_in_user import Machine, User, UserAgent, ground, user
from tests.programs.desktop import SERVER, Desktop
from tests.programs.programs import DATA, AgentProgram, EngineProgram, base_environment, enrol, wait_for, wait_run
from tests.programs.remains import Rest, has_ended, killed_at_work, offspring
from tests.programs.web import web_session

__all__ = ["ground", "user"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to have a second user"),
    pytest.mark.skipif(SERVER is None, reason="needs Xvfb"),
]
WINDOW = Path(__file__).parents[1] / "programs" / "window.py"
ORANGE, BLUE = (255, 128, 0), (0, 64, 192)


@dataclass
class Scene:
    """Everything, with an orange window on the screen. ``colour`` paints it anew."""

    machine: Machine
    desktop: Desktop
    guid: str
    window: Any
    before: set[int] = field(default_factory=set)

    def colour(self, pixel: tuple[int, int, int]) -> None:
        self.window.stdin.write("{:02x}{:02x}{:02x}\n".format(*pixel))
        self.window.stdin.flush()

    def eyes(self) -> list[psutil.Process]:
        """What takes the pictures of live views now; what took single ones before stays a while."""
        children = psutil.Process(self.machine.agent.pid).children()
        return [child for child in children if child.pid not in self.before and is_eye(child)]


def is_eye(process: psutil.Process) -> bool:
    """Whether it takes pictures; one that ends while it is looked at does not."""
    try:
        return "screen.eye" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def machine(ground: Path, user: User) -> Iterator[Machine]:
    """As in the neighbour's tests, once for all of these: each leaves it as it was."""
    root = Path(tempfile.mkdtemp(prefix="machine-", dir=ground))
    root.chmod(0o755)
    with contextlib.ExitStack() as ending:
        engine = EngineProgram(root / "engine")
        ending.callback(engine.stop)
        engine.start()
        system = AgentProgram(root, "--installer-code", engine.enrolment_token())
        system.command[1] = str(ground / "code" / "Agent" / "agent.py")
        agent = UserAgent(ground, user, root)
        for name in ("DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY"):
            agent.environment.pop(name, None)
        ending.callback(system.stop)
        ending.callback(agent.stop)
        enrol(engine, system)
        agent.start()
        yield Machine(engine, system, agent, user)


@pytest.fixture
def scene(machine: Machine, ground: Path, tmp_path: Path) -> Iterator[Scene]:
    program = ground / "window.py"
    program.write_text(WINDOW.read_text())
    folder = ground / f"x-{tmp_path.name}"
    folder.mkdir(mode=0o755)
    signed_in = machine.user
    python, packages = signed_in.python
    environment = {"PATH": os.environ["PATH"], "HOME": str(signed_in.home), "PYTHONPATH": packages}
    with Desktop(folder, signed_in.command, owner=(signed_in.uid, signed_in.gid)) as desktop:
        window = desktop.show([python, str(program), "Quarterly figures", "ff8000"], environment)
        with machine.engine.owner() as client:
            (device,) = client.get("/api/devices").json()["devices"]
            place = f"/api/devices/{device['guid']}/screen"
            wait_for(
                "the user's agent", lambda: client.get(place).json()["reachable"], seconds=60, log=machine.agent.output
            )
        found = Scene(machine, desktop, device["guid"], window)
        found.before = {eye.pid for eye in found.eyes()}
        yield found


def picture(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content)).convert("RGB")


def test_the_command_line_writes_a_picture_into_a_file(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "screen.jpg"
    environment = {
        **base_environment(),
        "BOREALIS_ROOT": str(scene.machine.engine.root),
        "PYTHONPATH": os.pathsep.join(str(DATA / part) for part in ("Shared", "Engine/cli")),
    }
    words = ["screenshot", scene.guid, "-o", str(path), "--region", "60,60,200,100"]
    done = subprocess.run(
        [sys.executable, "-m", "borealis_cli", *words], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    taken = Image.open(path).convert("RGB")
    assert taken.size == (200, 100)
    assert close_to(taken.getpixel((100, 50)), ORANGE)


def close_to(pixel: Any, wanted: tuple[int, int, int]) -> bool:
    return all(abs(a - b) <= 6 for a, b in zip(pixel, wanted, strict=True))


def test_an_operator_takes_pictures_and_lists_what_there_is(scene: Scene) -> None:
    place = f"/api/devices/{scene.guid}"
    with scene.machine.engine.owner() as client:
        assert client.get(f"{place}/screen").json()["reachable"] is True
        found = client.post(f"{place}/screen/list", json={}).json()
        assert found["user"] == scene.machine.user.name
        assert [(one["number"], one["width"], one["height"]) for one in found["monitors"]] == [
            (0, 1280, 720),
            (1, 1280, 720),
        ]
        (shown,) = [one for one in found["windows"] if one["title"] == "Quarterly figures"]
        assert (shown["x"], shown["y"], shown["width"], shown["height"]) == (40, 30, 320, 200)
        for kind in ("png", "jpeg", "webp"):
            answer = client.post(f"{place}/screenshot", json={"format": kind})
            assert answer.headers["content-type"] == f"image/{kind}"
            taken = picture(answer)
            assert taken.size == (1280, 720)
            assert close_to(taken.getpixel((200, 130)), ORANGE)
            assert close_to(taken.getpixel((900, 600)), (0, 0, 0))
        part = {"x": 100, "y": 100, "width": 64, "height": 48}
        cut = picture(client.post(f"{place}/screenshot", json={"region": part}))
        assert cut.size == (64, 48)
        assert cut.getcolors() == [(64 * 48, ORANGE)]
        wrong = client.post(f"{place}/screenshot", json={"monitor": 7})
        assert (wrong.status_code, wrong.json()["error"]) == (409, "no_picture")
        entries = client.get("/api/audit", params={"action": "screen.", "limit": 6}).json()["entries"]
    assert [entry["action"] for entry in entries] == ["screen.picture"] * 5 + ["screen.list"]
    assert all(entry["target"] == scene.guid and entry["actor"] == "owner" for entry in entries)
    log = scene.machine.agent.log_text()
    assert "owner takes a picture of this screen" in log
    assert not list(scene.machine.agent.own_root.rglob("*.png"))


class Watching:
    """An operator's socket, and the picture as it grows out of the frames."""

    def __init__(self, client: socketio.AsyncClient) -> None:
        self.client = client
        self.canvas: Any = None
        self.frames: list[int] = []
        self.over: list[dict[str, Any]] = []
        self.changed = asyncio.Event()
        client.on("screen_frame", self._frame)
        client.on("screen_ended", self._ended)

    async def _frame(self, head: dict[str, Any], data: bytes) -> None:
        if head["fresh"]:
            self.canvas = Image.new("RGB", (head["width"], head["height"]), (255, 0, 255))
        at = 0
        for x, y, _width, _height, size in head["tiles"]:
            self.canvas.paste(Image.open(io.BytesIO(data[at : at + size])), (x, y))
            at += size
        self.frames.append(len(head["tiles"]))
        self.changed.set()

    async def _ended(self, told: dict[str, Any]) -> None:
        self.over.append(told)
        self.changed.set()

    async def until(self, probe: Any) -> None:
        async with asyncio.timeout(15):
            while not probe():
                self.changed.clear()
                await self.changed.wait()


@contextlib.asynccontextmanager
async def watching(scene: Scene) -> AsyncIterator[Watching]:
    engine = scene.machine.engine
    token = (engine.root / "Engine" / "Data" / "Secrets" / "cli.token").read_text().strip()
    tls = ssl.create_default_context(cafile=str(engine.ca_file))
    async with web_session(tls) as web:
        client = socketio.AsyncClient(reconnection=False, handle_sigint=False, http_session=web)
        await client.connect(engine.url, headers={"Authorization": f"Bearer {token}"}, transports=["websocket"])
        try:
            yield Watching(client)
        finally:
            await client.disconnect()


async def test_a_live_view_shows_what_changes_and_ends_with_who_watches(scene: Scene) -> None:
    order = {"guid": scene.guid, "rate": 15.0}
    async with watching(scene) as one, watching(scene) as other:
        granted = await one.client.call("watch_screen", order, timeout=20)
        whose = scene.machine.user.name
        assert granted == {"status": "ok", "rate": 15.0, "quality": 60, "seconds": 1800, "user": whose}
        await one.until(lambda: one.canvas and close_to(one.canvas.getpixel((200, 130)), ORANGE))
        scene.colour(BLUE)
        await one.until(lambda: close_to(one.canvas.getpixel((200, 130)), BLUE))
        assert one.frames[0] == 60, "the whole picture first"
        assert max(one.frames[1:]) <= 6, "then what changed"
        # Who comes later sees the whole picture at once, and the same view.
        assert (await other.client.call("watch_screen", {**order, "rate": 2.0}, timeout=20))["rate"] == 15.0
        await other.until(lambda: other.canvas and close_to(other.canvas.getpixel((200, 130)), BLUE))
        with scene.machine.engine.owner() as client:
            state = client.get(f"/api/devices/{scene.guid}/screen").json()
        assert [one["username"] for one in state["watchers"]] == ["owner", "owner"]
        assert len(scene.eyes()) == 1
        await one.client.call("unwatch_screen", {"guid": scene.guid}, timeout=20)
        scene.colour(ORANGE)
        await other.until(lambda: close_to(other.canvas.getpixel((200, 130)), ORANGE))
    await asyncio.to_thread(wait_for, "what takes pictures to end", lambda: not scene.eyes())
    wanted = ["screen.watch"] * 2 + ["screen.watch_end"] * 2
    with scene.machine.engine.owner() as client:

        def on_record() -> bool:
            """The end goes on record once the device was told of it."""
            entries = client.get("/api/audit", params={"action": "screen.", "limit": 4}).json()["entries"]
            return sorted(entry["action"] for entry in entries) == wanted

        await asyncio.to_thread(wait_for, "the audit log", on_record)
        rows = client.get("/api/runs", params={"kind": "screen", "limit": 2, "device": scene.guid}).json()["runs"]
    assert [row["script_name"] for row in rows] == ["Screen: live view of monitor 1"] * 2
    assert {row["status"] for row in rows} == {"Success"}
    assert all(row["finished_at"] > row["started_at"] for row in rows)


async def test_a_live_view_ends_when_the_device_is_quarantined_or_its_agent_dies(scene: Scene) -> None:
    order = {"guid": scene.guid, "rate": 10.0}
    async with watching(scene) as one:
        assert (await one.client.call("watch_screen", order, timeout=20))["status"] == "ok"
        await one.until(lambda: one.frames)
        with scene.machine.engine.owner() as client:
            assert client.post(f"/api/devices/{scene.guid}/quarantine", json={}).status_code == 200
            await one.until(lambda: one.over)
            refused = await one.client.call("watch_screen", order, timeout=20)
            assert refused["error"] == "device_not_active"
            await asyncio.to_thread(wait_for, "what takes pictures to end", lambda: not scene.eyes())
            assert client.post(f"/api/devices/{scene.guid}/release", json={}).status_code == 200
        assert (await one.client.call("watch_screen", order, timeout=20))["status"] == "ok"
        await one.until(scene.eyes)
        (eye,) = scene.eyes()
        scene.machine.agent.kill()
        await one.until(lambda: len(one.over) == 2)
    await asyncio.to_thread(wait_for, "the orphan's end", lambda: has_ended(eye))
    scene.machine.agent.start()


def test_survives_kill_nine_at_everything_the_users_agent_does(scene: Scene) -> None:
    """A script, and a picture of a screen that hangs; a live view is killed above."""
    agent = scene.machine.agent
    wait_for("it to rest", lambda: not offspring(agent.pid), seconds=60)  # what took single pictures ends by itself
    before = Rest.of(agent, agent.own_root)
    place = f"/api/devices/{scene.guid}"
    with scene.machine.engine.owner() as client, ThreadPoolExecutor(1) as others:
        script = "touch left; setsid sleep 3600 & sleep 3600"
        body = {"script_content": script, "script_type": "bash", "run_mode": "current_user", "all": True}
        run_id = client.post("/api/scripts/quick_run", json=body).json()["results"][0]["run_id"]
        os.kill(scene.desktop.server_pid, signal.SIGSTOP)
        try:
            asked = others.submit(client.post, f"{place}/screenshot", json={})
            wait_for("all of them", lambda: len(offspring(agent.pid)) >= 4, log=agent.output)
            with killed_at_work(agent, before):
                assert wait_run(client, run_id)["status"] == "Interrupted"
                assert asked.result(60).status_code == 409
        finally:
            os.kill(scene.desktop.server_pid, signal.SIGCONT)
        wait_for("the screen", lambda: client.get(f"{place}/screen").json()["reachable"])
        assert close_to(picture(client.post(f"{place}/screenshot", json={})).getpixel((200, 130)), ORANGE)


def test_a_screen_that_is_gone_is_told_in_words(scene: Scene) -> None:
    with scene.machine.engine.owner() as client:
        scene.desktop.__exit__()
        answer = client.post(f"/api/devices/{scene.guid}/screenshot", json={})
        assert (answer.status_code, answer.json()["error"]) == (409, "no_picture")
        assert "DISPLAY" in answer.json()["detail"]
        scene.machine.agent.stop()
        wait_for(
            "the session's end",
            lambda: not client.get(f"/api/devices/{scene.guid}/screen").json()["reachable"],
        )
        answer = client.post(f"/api/devices/{scene.guid}/screenshot", json={})
        assert (answer.status_code, answer.json()["error"]) == (409, "no_session")
