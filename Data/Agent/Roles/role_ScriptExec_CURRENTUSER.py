"""Runs scripts of signed jobs as the signed-in user: in their session, with their rights, environment and display.

The agent that loads this role is a process of that user's own, so there is no right to give up and none to gain.
It never is root's: ``app`` ends an interactive agent that was started by root.
"""

from borealis_agent.role_api import BaseRole, JobOutcome, OutputSink, RoleContext, VerifiedJob
from borealis_wire.events import ScriptType

ROLE_NAME = "script_exec_currentuser"
ROLE_CONTEXTS = ["interactive"]

SCRIPT_TYPES = (ScriptType.POWERSHELL, ScriptType.BATCH, ScriptType.BASH, ScriptType.PYTHON)


class Role(BaseRole):
    """Takes every script type that the agent may know; a missing interpreter is said when a job asks for it."""

    def __init__(self, ctx: RoleContext) -> None:
        super().__init__(ctx)
        ctx.register_job_handler(SCRIPT_TYPES, self.run_job)

    async def run_job(self, job: VerifiedJob, output: OutputSink) -> JobOutcome:
        """Run one job's script to its end."""
        self.ctx.log(f"run {job.order.run_id}: {job.order.script_type} as the signed-in user")
        return await self.ctx.execution.run(job, output)
