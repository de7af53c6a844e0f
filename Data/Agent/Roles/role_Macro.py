"""Macros: types keys and text on the signed-in user's screen, as sealed orders say. Each running macro is a run."""

import asyncio
import random
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from borealis_agent.role_api import BaseRole, JobOutcome, OutputSink, RoleContext, VerifiedJob
from borealis_base.clock import SystemClock
from borealis_wire.events import DeviceEvent, RefusalCode, RunStatus, ScriptType
from borealis_wire.macro import DEFAULT_MACRO_SECONDS, MacroChange, MacroStart, parse_macro
from borealis_wire.refusal import Refused

if TYPE_CHECKING:
    from borealis_agent.capabilities.macro.running import RunningMacro

ROLE_NAME = "macro"
ROLE_CONTEXTS = ["interactive"]

MAX_MACROS = 4
"""At once. A change is a run too, and must find room."""
MAX_LINES = 5000
"""Of its result; only operators who change it thousands of times bring more."""


class Role(BaseRole):
    """Starts macros, changes them while they run, ends them; when and what is typed is in ``capabilities.macro``."""

    def __init__(self, ctx: RoleContext) -> None:
        super().__init__(ctx)
        self._running: dict[str, RunningMacro] = {}
        self._turn = asyncio.Lock()
        ctx.register_job_handler([ScriptType.MACRO], self.run_job)

    def on_config(self, roles: list[dict[str, Any]]) -> None:
        """Upstream's way to start a macro, which carries no seal."""
        for item in roles:
            if item.get("role") == ROLE_NAME:
                self.ctx.log(f"refused the macro of node {item.get('node_id')}: macros come as sealed orders alone")

    def health_report(self) -> Mapping[str, Any]:
        """How many run."""
        return {"state": "running", "macros": len(self._running)}

    async def run_job(self, job: VerifiedJob, output: OutputSink) -> JobOutcome:
        """Carry out one order: a macro lasts as long as its run, a change is over at once."""
        order = parse_macro(job.script)
        if isinstance(order, MacroChange):
            return await self._change(order, output)
        if len(self._running) >= MAX_MACROS:
            raise Refused(RefusalCode.BUSY, f"{len(self._running)} macros run already")
        return await self._run(job, order, output)

    async def _run(self, job: VerifiedJob, order: MacroStart, output: OutputSink) -> JobOutcome:
        from borealis_agent.capabilities.macro.child import HandProcess
        from borealis_agent.capabilities.macro.errors import CannotType
        from borealis_agent.capabilities.macro.running import RunningMacro

        run_id, started = job.order.run_id, time.time()
        seconds = job.order.timeout_seconds or DEFAULT_MACRO_SECONDS
        lines: list[str] = []
        hand = HandProcess()

        async def say(line: str) -> None:
            if len(lines) < MAX_LINES:
                lines.append(f"{line}\n")
            await output("stdout", f"{line}\n")
            await self._tell(run_id, line, success=True)

        macro = RunningMacro(
            order.settings, hand=hand, turn=self._turn, clock=SystemClock(), chance=random.random, say=say
        )
        self._running[run_id] = macro
        self.ctx.log(f"macro {run_id} begins: {order.settings.macro_type}, {order.settings.operation_mode}")
        status, code, reason = RunStatus.SUCCESS, 0, ""
        try:
            async with asyncio.timeout(seconds):
                await macro.run()
        except CannotType as error:
            status, code, reason = RunStatus.FAILED, 1, str(error)
        except TimeoutError:
            status, code, reason = RunStatus.TIMED_OUT, 1, f"its time of {seconds} s was over"
        except asyncio.CancelledError as cancelled:
            cancelled.outcome = _outcome(RunStatus.CANCELLED, None, [*lines, f"{macro.total}\n"], "", started)  # type: ignore[attr-defined]
            reason = "stopped"
            raise
        finally:
            del self._running[run_id]
            await hand.close()
            self.ctx.log(f"macro {run_id} ended: {macro.total}. {reason}".rstrip())
        await self._tell(run_id, reason or macro.total, success=not reason)
        return _outcome(status, code, [*lines, f"{macro.total}\n"], reason, started)

    async def _change(self, order: MacroChange, output: OutputSink) -> JobOutcome:
        started, macro = time.time(), self._running.get(order.run_id)
        if macro is None:
            return _outcome(RunStatus.FAILED, 1, [], "That macro is not running.", started)
        try:
            macro.change(order.changes)
        except Refused as refusal:
            return _outcome(RunStatus.FAILED, 1, [], f"Nothing was changed: {refusal.detail}.", started)
        line = f"changed {', '.join(sorted(order.changes))} of macro {order.run_id}\n"
        self.ctx.log(line.strip())
        await output("stdout", line)
        return _outcome(RunStatus.SUCCESS, 0, [line], "", started)

    async def _tell(self, run_id: str, message: str, *, success: bool) -> None:
        """Upstream's event; a run is what was a node there."""
        told = {"agent_id": self.ctx.agent_id, "node_id": run_id, "success": success, "message": message[:500]}
        await self.ctx.sio.emit(DeviceEvent.MACRO_STATUS, told)


def _outcome(status: RunStatus, code: int | None, lines: list[str], reason: str, started: float) -> JobOutcome:
    stderr = f"{reason}\n" if reason else ""
    return JobOutcome(status, code, "".join(lines), stderr, started, max(started, time.time()), reason[:512])
