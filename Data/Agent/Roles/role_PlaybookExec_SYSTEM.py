"""Runs playbooks of signed jobs on this device, with Ansible in an environment of its own."""

import asyncio
import dataclasses
import socket
import sys
import time
from collections.abc import Mapping

from borealis_agent.role_api import BaseRole, JobFile, JobOutcome, OutputSink, RoleContext, VerifiedJob
from borealis_playbooks import launch
from borealis_wire.events import RunStatus, ScriptType
from borealis_wire.playbooks import VAULT_PASSWORD, PlaybookOptions

ROLE_NAME = "playbook_exec_system"
ROLE_CONTEXTS = ["system"]


class Role(BaseRole):
    """Takes playbooks; Ansible is installed when the first one comes, as part of that run."""

    def __init__(self, ctx: RoleContext) -> None:
        super().__init__(ctx)
        self._folders = launch.PlaybookFolders(ctx.state_folder)
        ctx.register_job_handler([ScriptType.ANSIBLE], self.run_job)

    def register_events(self) -> None:
        """What an earlier life left is nobody's any more. Playbooks come as jobs, by whichever event."""
        self._folders.prune()

    def health_report(self) -> Mapping[str, str]:
        """On Windows the role is there to say that it cannot work."""
        return {"reason": launch.NOT_ON_WINDOWS} if sys.platform == "win32" else {}

    async def run_job(self, job: VerifiedJob, output: OutputSink) -> JobOutcome:
        """Run one playbook to its end."""
        if sys.platform == "win32":
            return _failed(launch.NOT_ON_WINDOWS)
        run_id = job.order.run_id
        try:
            told = self._request(job)
        except ValueError as error:
            return _failed(f"The vault password cannot be opened here ({error}). Send the playbook again.")
        self.ctx.log(f"run {run_id}: playbook")
        recap = self._folders.recap(run_id)
        try:
            outcome = await self.ctx.execution.run(
                job, output, command=launch.command(), files=[JobFile(launch.REQUEST_FILE, told)]
            )
        except asyncio.CancelledError as cancelled:
            found = getattr(cancelled, "outcome", None)
            if isinstance(found, JobOutcome):
                vars(cancelled)["outcome"] = dataclasses.replace(found, recap=launch.take_recap(recap))
            raise
        taken = launch.take_recap(recap)
        reason = outcome.reason or (launch.failure_of(taken) if outcome.status is RunStatus.FAILED else "")
        return dataclasses.replace(outcome, recap=taken, reason=reason)

    def _request(self, job: VerifiedJob) -> bytes:
        order = job.order
        sealed = order.secrets.get(VAULT_PASSWORD)
        return launch.request(
            folders=self._folders,
            run_id=order.run_id,
            hostname=socket.gethostname(),
            options=(order.playbook or PlaybookOptions()).to_json(),
            variables={launch.variable_name(variable["name"]): variable.get("value") for variable in order.variables},
            vault_password=self.ctx.open_secret(sealed) if sealed else None,
        )


def _failed(reason: str) -> JobOutcome:
    now = time.time()
    return JobOutcome(RunStatus.FAILED, None, "", f"{reason}\n", now, now, reason)
