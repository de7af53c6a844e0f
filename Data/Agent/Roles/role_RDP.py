"""Remote desktop: tells the Engine whether this device is ready for it, and prepares it when an operator asks."""

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from borealis_agent.capabilities.remote_desktop.report import SECTION, Report
from borealis_agent.role_api import BaseRole, JobOutcome, OutputSink, RoleContext, VerifiedJob
from borealis_wire.events import Rest, RunStatus, ScriptType

if TYPE_CHECKING:
    from borealis_agent.capabilities.remote_desktop.desk import Desk

ROLE_NAME = "RDP"
ROLE_CONTEXTS = ["system"]

AUTO_ENABLE = "BOREALIS_RDP_AUTO_ENABLE"
"""Environment variable, Windows: allow remote desktop and open the firewall for it at each start."""
SECONDS_BETWEEN_LOOKS = 300.0
SECONDS_TO_RETRY = 30.0


class Role(BaseRole):
    """Looks every five minutes and posts what changed; the rest is in ``capabilities.remote_desktop``."""

    def __init__(self, ctx: RoleContext) -> None:
        super().__init__(ctx)
        self._desk: Desk | None = None
        self._report: Report | None = None
        self._sent: Report | None = None
        ctx.register_job_handler([ScriptType.REMOTE_DESKTOP], self.run_job)

    def register_events(self) -> None:
        """Begin. Not ended by an empty ``agent_config``."""
        self.ctx.start_task("remote desktop", self._run())

    def health_report(self) -> Mapping[str, Any]:
        """In short; the whole report is in the device's details."""
        if self._report is None:
            return {"state": "running"}
        report = self._report
        return {"state": "running", "ready": report.ready, "reach": report.reach, "changes": len(report.changes)}

    async def run_job(self, job: VerifiedJob, output: OutputSink) -> JobOutcome:
        """Carry out one operator's order; each step is told as it is made."""
        from borealis_agent.capabilities.remote_desktop.desk import CannotPrepare
        from borealis_agent.capabilities.remote_desktop.order import parse_order

        order, started, lines = parse_order(job.script), time.time(), list[str]()
        status, code, complaint = RunStatus.SUCCESS, 0, ""

        def tell(text: str) -> None:
            self._log(text)
            lines.append(f"{text}\n")
            self.ctx.start_task("tell a step", output("stdout", f"{text}\n"))

        try:
            async with asyncio.timeout(job.order.timeout_seconds or None):
                if order.action == "prepare":
                    await self._the_desk().prepare(open_network=order.open_network, say=tell)
                elif order.action == "undo":
                    complaint = "".join(f"{text}\n" for text in await self._the_desk().undo(say=tell))
        except CannotPrepare as error:
            complaint = f"{error}\n"
        except TimeoutError:
            status, complaint = RunStatus.TIMED_OUT, f"it took longer than {job.order.timeout_seconds} s\n"
        finally:
            await self._look_and_send()
        if complaint:
            status, code = (RunStatus.FAILED, 1) if status is RunStatus.SUCCESS else (status, 1)
            self._log(complaint.strip())
        else:
            tell(self._sentence())
        reason = complaint.strip().splitlines()[0][:512] if complaint else ""
        return JobOutcome(status, code, "".join(lines), complaint, started, max(started, time.time()), reason)

    async def _run(self) -> None:
        await self._the_desk().recover(self._log)
        if _on_windows() and _is_set(os.environ.get(AUTO_ENABLE, "")):
            await self._enable_as_asked()
        while True:
            sent = await self._look_and_send()
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS if sent else SECONDS_TO_RETRY)

    async def _enable_as_asked(self) -> None:
        from borealis_agent.capabilities.remote_desktop.desk import CannotPrepare

        try:
            await self._the_desk().prepare(open_network=True, say=self._log)
        except CannotPrepare as error:
            self._log(f"{AUTO_ENABLE} is set, but remote desktop could not be enabled: {error}")

    async def _look_and_send(self) -> bool:
        """Whether the Engine knows what is there now."""
        self._report = report = await self._the_desk().look()
        if report == self._sent:
            return True
        section = {SECTION: {**report.to_details(), "looked_at": int(time.time())}}
        try:
            payload = {"agent_id": self.ctx.agent_id, "details": section, "complete": list(section)}
            await self.ctx.post_json(Rest.DETAILS, payload)
        except Exception as error:  # noqa: BLE001  # whatever kept it from the Engine, it is sent at the next look
            self._log(f"the report could not be sent yet: {error}")
            return False
        if self._sent is None or self._sent.ready != report.ready:
            self._log(self._sentence())
        self._sent = report
        return True

    def _sentence(self) -> str:
        report = self._report
        if report is None:
            return "nothing is known yet"
        if report.ready:
            return f"remote desktop is ready: {report.server} on port {report.port}, reachable from {report.reach}"
        return f"remote desktop is not ready: {'; '.join(report.problems) or 'nobody can reach it'}"

    def _the_desk(self) -> "Desk":
        if self._desk is None:
            from borealis_agent.capabilities.remote_desktop.desk import desk_here

            self._desk = desk_here(self.ctx.state_folder)
        return self._desk

    def _log(self, text: str) -> None:
        log_agent = self.ctx.hooks.get("log_agent")
        if log_agent is None:
            self.ctx.log(text)
        else:
            log_agent(text, fname="rdp.log")


def _on_windows() -> bool:
    return sys.platform == "win32"


def _is_set(text: str) -> bool:
    return text.strip().lower() in {"1", "true", "yes", "on"}
