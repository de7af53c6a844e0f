"""A folder of role files, and a supervisor over them whose door, REST and execution are fakes."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.fakes.fake_http import FakeHttp
from tests.fakes.intake_world import FakeDoor

from borealis_agent.core.paths import AgentPaths
from borealis_agent.role_api import JobFile, JobOutcome, OutputSink, VerifiedJob
from borealis_agent.roles import RoleSupervisor, RoleWorld
from borealis_base.tasks import Supervisor
from borealis_wire.events import RunContext, RunStatus, ScriptType


class Config:
    """Implements ``role_api.ConfigPort``."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}

    def _write(self) -> None:
        self.data["written"] = True

    def watch(self) -> bool:
        return False


class Execution:
    """Implements ``role_api.ExecutionPort``."""

    def interpreter_for(self, script_type: ScriptType) -> list[str]:
        return [script_type.value]

    async def run(
        self,
        job: VerifiedJob,
        output: OutputSink,
        *,
        command: Sequence[str] | None = None,
        files: Sequence[JobFile] = (),
    ) -> JobOutcome:
        await output("stdout", "live")
        return JobOutcome(RunStatus.SUCCESS, 0, job.script.decode(), "", 1, 2)


class Stage:
    """A folder of role files and a supervisor over them."""

    def __init__(
        self, root: Path, tasks: Supervisor, context: RunContext = RunContext.SYSTEM, patience: float | None = None
    ) -> None:
        self.folder = root / "Roles"
        self.folder.mkdir(exist_ok=True)
        self.door, self.http, self.config = FakeDoor(), FakeHttp(), Config()
        if patience is not None:
            self.config.data["role_patience_seconds"] = patience
        self.told: list[Any] = []
        self.paths = AgentPaths(root / "Agent")
        self.roles = RoleSupervisor(
            RoleWorld(
                folder=self.folder,
                context=context,
                agent_id=lambda: "HOST_GUID_SYSTEM",
                config=self.config,
                execution=Execution(),
                http=self.http,
                paths=self.paths,
                door=lambda: self.door,
                told=self._tell,
                tasks=tasks,
                extra={"agent_build_id": "b1"},
            )
        )

    def _tell(self, payload: Any) -> bool:
        self.told.append(payload)
        return bool(payload.get("mine"))

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(textwrap.dedent(text))

    def state(self, name: str) -> str:
        health = self.roles.health.state(name)
        return health.state if health else "absent"
