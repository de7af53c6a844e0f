"""The measurements: each starts from real programs over loopback TLS and gives figures."""

import asyncio
import json
import os
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from pathlib import Path

import httpx
from tests.programs.programs import (
    DATA,
    REPOSITORY,
    AgentProgram,
    EngineProgram,
    base_environment,
    enrol,
    wait_for,
)

from bench.figures import Figure, core_share, percentile, pss_mb, tree
from borealis_engine.core.paths import EnginePaths
from borealis_wire.keys import VerifyKey
from fleet.fleet import Fleet
from fleet.seed import SeededDevice, seed_devices

WARM_UP = 50
SETTLE_SECONDS = 10.0
"""Both programs have just started: their first inventory, heartbeats and compiled statements are no rest."""
DISPATCHES = 200
HEARTBEATS = 6000
REST_SECONDS = 30.0


def dispatch_latency(engine: EngineProgram, *, count: int = DISPATCHES) -> list[Figure]:
    """REST call to recorded result, one after the other: sealing, journal, durable records, TLS twice, bash."""
    body = json.dumps({"script_content": "true", "script_type": "bash", "all": True})
    headers = {"Authorization": f"Bearer {owner_token(engine)}", "Content-Type": "application/json"}
    took: list[float] = []
    time.sleep(SETTLE_SECONDS)
    # The standard library's client: a heavier one would be a third of what is measured.
    connection = HTTPSConnection("127.0.0.1", engine.port, context=engine.tls())
    for number in range(WARM_UP + count):
        started = time.perf_counter()
        connection.request("POST", "/api/scripts/quick_run?wait=30", body, headers)
        (run,) = json.loads(connection.getresponse().read())["runs"]
        if number >= WARM_UP:
            took.append((time.perf_counter() - started) * 1000)
        assert run["status"] == "Success", run
    connection.close()
    how = f"{count} runs of `true` by bash, one after the other, by the client's clock"
    return [
        Figure("dispatch latency p50", statistics.median(took), "ms", "<= 5", how),
        Figure("dispatch latency p99", percentile(took, 0.99), "ms", "<= 15", "the same runs"),
    ]


def agent_at_rest(agent: AgentProgram) -> list[Figure]:
    """Memory and processor time of the agent with all its processes, when nothing happens."""
    time.sleep(SETTLE_SECONDS)
    pids = tree(agent.pid)
    memory = pss_mb(pids)
    share = core_share(pids, REST_SECONDS)
    return [
        Figure("agent at rest, memory", memory, "MB PSS", "<= 42", f"{len(pids)} process(es), all system roles loaded"),
        Figure("agent at rest, processor", share, "% of a core", "<= 0.1", f"over {REST_SECONDS:.0f} s"),
    ]


def inventory_time(*, runs: int = 10) -> list[Figure]:
    """The inventory as a whole process."""
    environment = {**base_environment(), "PYTHONPATH": os.pathsep.join(str(DATA / p) for p in ("Agent", "Shared"))}
    took: list[float] = []
    size = 0
    for _ in range(runs + 1):
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-OO", "-m", "borealis_agent.capabilities.inventory"],
            env=environment,
            capture_output=True,
            check=True,
        )
        took.append(time.perf_counter() - started)
        size = len(done.stdout)
    facts = count_leaves(json.loads(done.stdout))
    how = f"whole process, median of {runs}; {facts} values, {size / 1024:.0f} KiB"
    return [Figure("inventory", statistics.median(took[1:]), "s", "<= 0.4", how)]


def count_leaves(value: object) -> int:
    """How many plain values a JSON document holds."""
    if isinstance(value, dict):
        return sum(count_leaves(item) for item in value.values())
    if isinstance(value, list):
        return sum(count_leaves(item) for item in value)
    return 1


@contextmanager
def engine_with_fleet(root: Path, count: int) -> Iterator[tuple[EngineProgram, list[SeededDevice]]]:
    """An Engine that knows ``count`` devices."""
    engine = EngineProgram(root)
    engine.start()
    engine.stop()
    seeded = seed_devices(EnginePaths(root / "Engine").root, count)
    engine.start()
    try:
        yield engine, seeded
    finally:
        engine.stop()


def make_fleet(engine: EngineProgram, seeded: list[SeededDevice]) -> Fleet:
    """Simulated devices that trust this Engine."""
    folder = EnginePaths(engine.root / "Engine")
    key = VerifyKey.from_spki((folder.code_signing / "borealis-script-ed25519.pub").read_bytes())
    return Fleet(
        seeded,
        url=engine.url,
        tls=ssl.create_default_context(cafile=str(engine.ca_file)),
        trusted={key.key_id: key},
    )


async def fleet_figures(engine: EngineProgram, seeded: list[SeededDevice]) -> list[Figure]:
    """Memory for each connected device, heartbeats, fan-out, and recovery after the Engine was killed."""
    count = len(seeded)
    fleet = make_fleet(engine, seeded)
    before = pss_mb([engine.pid])
    started = time.perf_counter()
    await fleet.connect()
    connecting = time.perf_counter() - started
    await asyncio.sleep(3)
    after = pss_mb([engine.pid])
    figures = [
        Figure("Engine memory", after, "MB PSS", "", f"{count} devices connected"),
        Figure("Engine memory for each device", 1024 * (after - before) / count, "KiB", "", f"{count} devices"),
        Figure("connecting", count / connecting, "devices/s", "", "simulator and Engine share the machine"),
    ]
    started = time.perf_counter()
    statuses = await fleet.heartbeats(HEARTBEATS)
    took = time.perf_counter() - started
    taken = statuses.get(200, 0)
    note = f"{taken} of {HEARTBEATS} taken, 50 connections; the simulator uses the other core"
    figures.append(Figure("heartbeats", taken / took, "/s", "", note))
    figures.append(await fan_out(engine, fleet, count))
    figures.append(await recovery(engine, fleet, count))
    await fleet.close()
    return figures


async def fan_out(engine: EngineProgram, fleet: Fleet, count: int) -> Figure:
    """One job to all devices: until the last result is recorded."""
    headers = {"Authorization": f"Bearer {owner_token(engine)}"}
    async with httpx.AsyncClient(base_url=engine.url, verify=engine.tls(), headers=headers, timeout=120) as client:
        started = time.perf_counter()
        answer = await client.post(
            "/api/scripts/quick_run", json={"script_content": "true", "script_type": "bash", "all": True}
        )
        job_id = answer.json()["job_id"]
        while True:
            job = (await client.get(f"/api/jobs/{job_id}", params={"wait": 30})).json()
            if job["job"]["done"]:
                break
        took = time.perf_counter() - started
    good = sum(run["status"] == "Success" for run in job["runs"])
    return Figure(
        "fan-out", took, "s", "", f"{good} of {count} simulated devices succeeded, each run sealed and recorded"
    )


async def recovery(engine: EngineProgram, fleet: Fleet, count: int) -> Figure:
    """``kill -9`` of the Engine; until every device is back."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fleet.stay(stop))
        engine.kill()
        started = time.perf_counter()
        await asyncio.to_thread(engine.start)
        ready = time.perf_counter() - started
        while fleet.connected < count and time.perf_counter() - started < 120:  # noqa: ASYNC110  sockets tell nobody
            await asyncio.sleep(0.1)
        took = time.perf_counter() - started
        stop.set()
    note = f"{fleet.connected} of {count} back; the Engine itself answered after {ready:.1f} s"
    return Figure("recovery after kill -9 of the Engine", took, "s", "", note)


def owner_token(engine: EngineProgram) -> str:
    """The token of the Engine's owner."""
    return (engine.root / "Engine" / "Data" / "Secrets" / "cli.token").read_text().strip()


@contextmanager
def engine_with_agent(root: Path) -> Iterator[tuple[EngineProgram, AgentProgram]]:
    """A real Engine and a real enrolled agent, both run as the supervisor runs them (``-OO``)."""
    engine = EngineProgram(root / "engine").start()
    agent = AgentProgram(root / "agent", "--installer-code", engine.enrolment_token())
    agent.command.insert(1, "-OO")
    try:
        enrol(engine, agent)
        with engine.owner() as client:
            wait_for(
                "the first inventory",
                lambda: client.get(f"/api/devices/{agent.guid}").json()["details"].get("software"),
                seconds=60,
            )
        yield engine, agent
    finally:
        agent.stop()
        engine.stop()


def first_and_second_up(root: Path) -> list[Figure]:
    """``Borealis.sh up --detach`` on a fresh root, down, and up again."""
    environment = {**base_environment(), "BOREALIS_ROOT": str(root), "BOREALIS_ENGINE_PORT": "0"}
    from tests.programs.programs import free_port

    environment["BOREALIS_ENGINE_PORT"] = str(free_port())
    script = str(REPOSITORY / "Borealis.sh")
    took = []
    try:
        for _ in range(2):
            started = time.perf_counter()
            subprocess.run([script, "up", "--detach"], env=environment, check=True, stdout=subprocess.DEVNULL)
            took.append(time.perf_counter() - started)
            subprocess.run([script, "down"], env=environment, check=True, stdout=subprocess.DEVNULL)
    finally:
        subprocess.run([script, "down"], env=environment, check=False, stdout=subprocess.DEVNULL)
    return [
        Figure("first up", took[0], "s", "<= 120", "fresh root: environments, Engine, agent, one signed script"),
        Figure("second up", took[1], "s", "<= 8", "after down: to the result of a signed script"),
    ]
