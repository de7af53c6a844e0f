"""Devices that need no process of their own: let in, connected, and doing what they are sent.

Orders pass the agent's own checks and bash runs the script, so that what is shown of a run is what happened. For
outputs of a real agent there is ``AgentProgram``; these are for tests that need a dozen of machines.
"""

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Self

import httpx
from tests.attacks.attacker import RogueDevice, Socket
from tests.attacks.background import Background
from tests.programs.programs import EngineProgram

from borealis_agent.role_api.jobs import VerifiedJob
from borealis_agent.trust.policy import verify_job
from borealis_wire.events import DeviceEvent, EngineEvent, RunContext, RunStatus
from borealis_wire.keys import VerifyKey
from borealis_wire.refusal import Refused


class Machine(RogueDevice):
    """A device that runs bash scripts for real."""

    live: Socket | None = None

    def start(self, owner: httpx.Client, *, site: int | None = None) -> Self:
        """Let in by an operator, and connected."""
        self.enrol(owner, site=site)
        return self.connect()

    def connect(self) -> Self:
        """Connect with the tokens that it has."""
        self.trusted = trusted_keys(self.engine)
        self.live = self.online()
        self.live.answers[EngineEvent.QUICK_JOB_RUN] = self._asked
        return self

    def _asked(self, payload: Any) -> dict[str, str]:
        try:
            job = verify_job(
                payload, trusted=self.trusted, device_guid=self.guid, context=RunContext.SYSTEM, now=time.time()
            )
        except Refused as refusal:
            return {"status": "refused", "reason": refusal.code}
        threading.Thread(target=self._run, args=(job,), daemon=True).start()
        return {"status": "accepted"}

    def _run(self, job: VerifiedJob) -> None:
        order, started = job.order, time.time()
        done = subprocess.run(
            ["bash", "-s"],
            input=job.script,
            capture_output=True,
            env={"PATH": os.environ["PATH"], **order.environment, "BOREALIS_DEVICE_GUID": self.guid},
            timeout=30,
            check=False,
        )
        result = {
            "run_id": order.run_id,
            "job_id": order.job_id,
            "status": RunStatus.SUCCESS if done.returncode == 0 else RunStatus.FAILED,
            "stdout": done.stdout.decode(errors="replace"),
            "stderr": done.stderr.decode(errors="replace"),
            "exit_code": done.returncode,
            "started_at": started,
            "finished_at": time.time(),
        }
        assert self.live is not None
        self.live.call(DeviceEvent.QUICK_JOB_RESULT, result, seconds=20)


def trusted_keys(engine: EngineProgram) -> dict[str, VerifyKey]:
    """The key that the Engine signs with now."""
    folder = Path(engine.root) / "Engine" / "Certificates" / "Code-Signing"
    key = VerifyKey.from_spki((folder / "borealis-script-ed25519.pub").read_bytes())
    return {key.key_id: key}


class Rack:
    """Machines of one Engine, and the loop that their sockets are on. Close it."""

    def __init__(self, engine: EngineProgram, owner: httpx.Client) -> None:
        self.engine = engine
        self.owner = owner
        self.background = Background()
        self.machines: list[Machine] = []

    def new(self, hostname: str) -> Machine:
        """One that did not knock yet."""
        machine = Machine(self.engine, self.background, hostname=hostname)
        self.machines.append(machine)
        return machine

    def start(self, *hostnames: str) -> list[Machine]:
        """One of each name: let in, and connected."""
        return [self.new(hostname).start(self.owner) for hostname in hostnames]

    def close(self) -> None:
        """Hang up, all of them."""
        for machine in self.machines:
            if machine.live is not None:
                machine.live.close()
        self.background.close()
