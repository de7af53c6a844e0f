"""Runs scripts of signed jobs as the account of the service: root, or what the SYSTEM agent runs as."""

from borealis_agent.role_api import BaseRole, JobOutcome, OutputSink, RoleContext, VerifiedJob
from borealis_wire.events import ScriptType

ROLE_NAME = "script_exec_system"
ROLE_CONTEXTS = ["system"]

SCRIPT_TYPES = (ScriptType.POWERSHELL, ScriptType.BATCH, ScriptType.BASH, ScriptType.PYTHON)


class Role(BaseRole):
    """Takes every script type that the agent may know; a missing interpreter is said when a job asks for it."""

    def __init__(self, ctx: RoleContext) -> None:
        super().__init__(ctx)
        ctx.register_job_handler(SCRIPT_TYPES, self.run_job)

    async def run_job(self, job: VerifiedJob, output: OutputSink) -> JobOutcome:
        """Run one job's script to its end."""
        self.ctx.log(f"run {job.order.run_id}: {job.order.script_type} as the service account")
        return await self.ctx.execution.run(job, output)
