"""Runs one script from its order to its outcome: time-out, cancellation, output, clean-up."""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from borealis_agent.execution.capture import FLOOD_PAUSE_SECONDS, LiveOutput, Spill, StreamCapture
from borealis_agent.execution.interpreters import PLAYBOOK_SUFFIX, SUFFIXES, Interpreters, base_environment, own_account
from borealis_agent.execution.powershell import PowerShells
from borealis_agent.execution.process import OutputPipe, RunningScript, Starter, StartOrder
from borealis_agent.execution.workspace import PREFIXES, Workspace, make_workspace, prepare_temp
from borealis_agent.platform.machine import is_privileged
from borealis_agent.role_api import JobFile, JobOutcome, OutputSink, VerifiedJob
from borealis_base.clock import Clock
from borealis_base.tasks import Supervisor
from borealis_wire.events import RefusalCode, RunContext, RunStatus, ScriptType
from borealis_wire.limits import MAX_TIMEOUT_SECONDS
from borealis_wire.refusal import Refused

LINGER_SECONDS: Final = 1.0
"""After the script has ended, for its output to close before what holds it open is ended."""
SCRIPT_UMASK: Final = 0o022
"""What a shell has. The agent's own is stricter, and scripts write files that others shall read."""

log = logging.getLogger(__name__)


class RunCancelled(asyncio.CancelledError):
    """A run was cancelled; nothing of it is left. ``outcome`` holds what it printed until then."""

    def __init__(self, outcome: JobOutcome) -> None:
        super().__init__("the run was cancelled")
        self.outcome = outcome


class Executor:
    """Implements ``role_api.ExecutionPort`` for this agent's own account.

    ``session``: what a script needs besides to be part of the user's desktop session, asked anew for each.
    """

    def __init__(
        self,
        *,
        temp: Path,
        outputs: Path,
        clock: Clock,
        interpreters: Interpreters,
        starter: Starter,
        context: RunContext,
        environ: Mapping[str, str] | None = None,
        privileged: bool | None = None,
        logs: Path | None = None,
        session: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._temp = temp
        self._logs = logs
        self._session = session
        self._prefix = PREFIXES[context]
        self._spill = Spill(outputs)
        self._clock = clock
        self._interpreters = interpreters
        self._starter = starter
        privileged = is_privileged() if privileged is None else privileged
        # On Windows the environment of a service is the machine's own; there is nothing better to put in its place.
        self._environment = base_environment(
            os.environ if environ is None else environ,
            privileged=privileged and sys.platform != "win32",
            account=own_account(),
        )
        self._powershells = PowerShells(self._environment)

    def prepare(self) -> None:
        """Empty the temporary folder of what an earlier life left.

        Raises:
            OSError: it cannot be made.
        """
        prepare_temp(self._temp, self._prefix)
        self._spill.prune()

    async def end_remains(self, run_ids: Iterable[str]) -> None:
        """End what is left of runs that an earlier life of the agent began and did not see the end of."""
        for run_id in run_ids:
            await self._starter.end_remains(run_id)

    async def watch(self) -> None:
        """Collect what scripts left to us; a supervised task that runs as long as the agent."""
        await self._starter.watch()

    def interpreter_for(self, script_type: ScriptType) -> Sequence[str] | None:
        """The command that interprets this type here, or None where it is not installed."""
        return self._interpreters.command(script_type)

    async def run(
        self,
        job: VerifiedJob,
        output: OutputSink,
        *,
        command: Sequence[str] | None = None,
        files: Sequence[JobFile] = (),
    ) -> JobOutcome:
        """Run a job's script to its end, its time-out, or cancellation.

        Args:
            job: what to run.
            output: hears its output live.
            command: what interprets it, the script's path is appended; by default what its type says.
            files: of the role's own, beside the job's files in the script's folder.

        Raises:
            Refused: ``interpreter_missing`` or ``unsupported_type``.
            RunCancelled: this task was cancelled; everything that the script started has ended.
            OSError: the script could not be started: disk full, no processes left.
        """
        order = job.order
        if command is None:
            command = self._command_for(order.script_type)
            if sys.platform == "win32" and order.script_type is ScriptType.POWERSHELL:
                await self._ask_powershell(command)
        suffix = SUFFIXES.get(order.script_type, PLAYBOOK_SUFFIX)
        workspace = make_workspace(self._temp, self._prefix, job.script, suffix, (*job.files, *files))
        try:
            script = await self._starter.start(
                StartOrder(
                    order.run_id,
                    (*command, str(workspace.script)),
                    self._environment_of(job, workspace),
                    workspace.folder,
                    SCRIPT_UMASK,
                )
            )
            try:
                return await self._attend(job, script, output)
            finally:
                script.close()
        finally:
            await workspace.remove()

    def _command_for(self, script_type: ScriptType) -> Sequence[str]:
        if script_type not in SUFFIXES or (script_type is ScriptType.BATCH and sys.platform != "win32"):
            raise Refused(RefusalCode.UNSUPPORTED_TYPE, f"{script_type} scripts do not run on this system")
        command = self.interpreter_for(script_type)
        if command is None:
            raise Refused(RefusalCode.INTERPRETER_MISSING, f"there is no interpreter for {script_type} here")
        return command

    async def _ask_powershell(self, command: Sequence[str]) -> None:
        if not await self._powershells.answers(command):
            raise Refused(
                RefusalCode.INTERPRETER_MISSING,
                f"{command[0]} does not tell its version: it is no working PowerShell",
            )

    def _environment_of(self, job: VerifiedJob, workspace: Workspace) -> dict[str, str]:
        order = job.order
        own = {
            "BOREALIS_RUN_ID": order.run_id,
            "BOREALIS_JOB_ID": str(order.job_id),
            "BOREALIS_DEVICE_GUID": order.device_guid,
            "BOREALIS_RUN_CONTEXT": order.context.value,
            "BOREALIS_FILES": str(workspace.folder),
            **({"BOREALIS_AGENT_LOGS": str(self._logs)} if self._logs else {}),
        }
        return {**self._environment, **self._session(), **order.environment, **own}

    async def _attend(self, job: VerifiedJob, script: RunningScript, output: OutputSink) -> JobOutcome:
        order, started = job.order, self._clock.now()
        live = LiveOutput(output)
        captures = [StreamCapture(order.run_id, stream, self._spill, live) for stream in ("stdout", "stderr")]
        status, code, reason = RunStatus.FAILED, None, ""
        cancelled = False
        async with Supervisor() as tasks:
            pumps = [
                tasks.start(f"{capture.stream} of {order.run_id}", _pump(pipe, capture))
                for capture, pipe in zip(captures, (script.stdout, script.stderr), strict=True)
            ]
            tasks.start(f"live output of {order.run_id}", live.run())
            try:
                async with asyncio.timeout(order.timeout_seconds or MAX_TIMEOUT_SECONDS):
                    code = await script.wait()
                status, reason = _verdict(code)
                live.close()  # its last output must not wait for watchers: the result follows
                await self._let_go(script, pumps)
            except TimeoutError:
                seconds = order.timeout_seconds or MAX_TIMEOUT_SECONDS
                status, reason = RunStatus.TIMED_OUT, f"the script took longer than {seconds} s"
                await _end(script, pumps)
            except asyncio.CancelledError:
                cancelled = True
                status, reason = RunStatus.CANCELLED, "cancelled"
                await _uninterrupted(_end(script, pumps))
            except BaseException:
                await _uninterrupted(_end(script, pumps))
                raise
        stdout, stderr = (capture.finish() for capture in captures)
        outcome = JobOutcome(status, code, stdout, stderr, started, max(started, self._clock.now()), reason)
        if cancelled:
            raise RunCancelled(outcome)
        return outcome

    async def _let_go(self, script: RunningScript, pumps: "Sequence[asyncio.Task[None]]") -> None:
        """The script has ended by itself: take the rest of its output, end what it left."""
        _, holding = await asyncio.wait(pumps, timeout=LINGER_SECONDS)
        await script.end_left_behind()
        if holding:
            await asyncio.wait(holding, timeout=LINGER_SECONDS)


async def _pump(pipe: OutputPipe, capture: StreamCapture) -> None:
    while data := await pipe.read():
        await capture.feed(data)
        # A pipe that is never empty never gives way by itself.
        await asyncio.sleep(FLOOD_PAUSE_SECONDS if capture.overflowing else 0)


async def _end(script: RunningScript, pumps: "Sequence[asyncio.Task[None]]") -> None:
    await script.end_all()
    await asyncio.wait(pumps, timeout=LINGER_SECONDS)


async def _uninterrupted(work: Coroutine[Any, Any, None]) -> None:
    """See it through although this task is being cancelled: half-ended trees are what cancelling is not for."""
    async with Supervisor() as tasks:
        task = tasks.start("end a run", work)
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([task])


def _verdict(code: int) -> tuple[RunStatus, str]:
    if code == 0:
        return RunStatus.SUCCESS, ""
    return RunStatus.FAILED, f"ended by signal {code - 128}" if sys.platform != "win32" and code > 128 else ""


def starter_for(clock: Clock) -> Starter:
    """What starts scripts on this system."""
    if sys.platform == "win32":
        from borealis_agent.execution.windows import WindowsStarter

        return WindowsStarter(clock)
    else:  # noqa: RET505  # the type check for Windows then passes over it
        from borealis_agent.execution.posix import PosixStarter

        return PosixStarter(clock)
