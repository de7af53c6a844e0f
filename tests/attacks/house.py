"""An Engine with a real agent, for attacks on the device: what is stolen from the Engine, and what comes of it."""

import base64
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tests.attacks.attacker import RogueDevice, stolen_signing_key
from tests.attacks.background import Background
from tests.attacks.fake_engine import FakeEngine, stolen_context
from tests.attacks.people import OwnersKey
from tests.programs.programs import (
    AgentProgram,
    EngineProgram,
    enrol,
    pending_approvals,
    wait_for,
    wait_online,
)

from borealis_wire.keys import SigningKey


@dataclass
class House:
    """Engine and agent; ``loot`` is a folder that forged scripts would leave a mark in."""

    engine: EngineProgram
    agent: AgentProgram
    background: Background
    loot: Path
    guid: str = ""

    @property
    def owner(self) -> httpx.Client:
        """The Engine's owner, whenever it was started."""
        return self.engine.client(auth=OwnersKey(self.engine))

    @property
    def signing_key(self) -> SigningKey:
        """The Engine's own; an attacker does not have it."""
        return stolen_signing_key(self.engine)

    def mark(self, name: str) -> str:
        """A script that leaves a mark."""
        return f"touch '{self.loot}/{name}'"

    def marks(self) -> set[str]:
        """The scripts that have really run."""
        return {path.name for path in self.loot.iterdir()}

    def launch(self, script: str, **options: Any) -> str:
        """A job for the agent; gives the run id."""
        body = {"script_content": script, "script_type": "bash", "guids": [self.guid], **options}
        with self.owner as owner:
            answer = owner.post("/api/scripts/quick_run", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["results"][0]["run_id"])

    def run_of(self, run_id: str, *, ended: bool = True, seconds: float = 30.0) -> dict[str, Any]:
        """A run as the Engine has it, once it is over."""

        def probe() -> dict[str, Any] | None:
            with self.owner as owner:
                run: dict[str, Any] = owner.get(f"/api/runs/{run_id}").json()
            return None if ended and run["status"] in {"Pending", "Running"} else run

        return wait_for(f"the end of {run_id}", probe, seconds=seconds, log=self.agent.logs / "agent.log")

    def device(self, hostname: str) -> RogueDevice:
        """Another device, in the attacker's hands."""
        with self.owner as owner:
            return RogueDevice(self.engine, self.background, hostname=hostname).enrol(owner)

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """The Engine's database in the hands of whoever can write the file; the Engine is stopped meanwhile."""
        was_running = self.engine.running()
        if was_running:
            self.engine.stop()
        with closing(sqlite3.connect(self.engine.root / "Engine" / "database.db")) as connection:
            yield connection
            connection.commit()
        if was_running:
            self.engine.start()

    def captured(self, run_id: str) -> dict[str, Any]:
        """``quick_job_run`` of a run as it went over the wire, put together from a copy of the database."""
        path = self.engine.root / "Engine" / "database.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            row = connection.execute(
                "SELECT r.id, r.envelope, j.script, j.script_type, j.files, j.script_signature, j.signing_key"
                " FROM runs r JOIN jobs j ON j.id = r.job_id WHERE r.run_id = ?",
                (run_id,),
            ).fetchone()
        number, envelope, script, script_type, files, signature, key = row
        return {
            "job_id": number,
            "run_id": run_id,
            "script_type": script_type,
            "script_content": base64.b64encode(script).decode(),
            "script_encoding": "base64",
            "files": json.loads(files),
            "envelope": json.loads(envelope),
            "signature": signature,
            "sig_alg": "ed25519",
            "signing_key": key,
            "context": {"run_id": run_id},
        }

    @contextmanager
    def imposter(self, **options: Any) -> Iterator[FakeEngine]:
        """Somebody with the Engine's TLS key in its place, and the agent connected to it."""
        self.engine.stop()
        try:
            with FakeEngine(
                self.background, stolen_context(self.engine.root), port=self.engine.port, **options
            ) as imposter:
                imposter.wait_session(log=self.agent.logs / "agent.log")
                yield imposter
        finally:
            self.engine.start()

    def settled(self) -> None:
        """Engine and agent run and hear each other."""
        if not self.engine.running():
            self.engine.start()
        if not self.agent.running():
            self.agent.start()
        try:
            wait_online(self.engine, self.agent, seconds=3)
        except AssertionError:
            self.agent.kill()  # it waits longer and longer for an Engine that keeps going away
            self.agent.start()
            wait_online(self.engine, self.agent)

    def readmitted(self) -> None:
        """Bring back an agent that had to enrol anew: an operator agrees, and it is the same device."""
        self.agent.kill()
        self.agent.start()
        with self.owner as owner:

            def back() -> bool:
                for approval in pending_approvals(owner):
                    reference = approval["approval_reference"]
                    owner.post(f"/api/admin/device-approvals/{reference}/approve", json={"guid": self.guid})
                found = owner.get(f"/api/devices/{self.guid}").json()
                return bool(found["presence"]["contexts"])

            wait_for("the agent to be back", back, seconds=60, log=self.agent.logs / "agent.log")
        assert self.agent.guid == self.guid


@contextmanager
def a_house(folder: Path, background: Background) -> Iterator[House]:
    """An Engine with an enrolled agent; both are ended afterwards."""
    loot = folder / "loot"
    loot.mkdir(parents=True)
    engine = EngineProgram(folder / "engine").start()
    agent = AgentProgram(folder / "agent", "--installer-code", engine.enrolment_token())
    house = House(engine, agent, background, loot)
    try:
        house.guid = enrol(engine, agent)
        yield house
    finally:
        agent.stop()
        engine.stop()
