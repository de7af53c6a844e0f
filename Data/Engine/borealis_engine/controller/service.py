"""Takes runs of machines without an agent, plays them, and reports as a device would."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from borealis_base.clock import Clock
from borealis_base.tasks import Supervisor
from borealis_engine.activity import ActivityService
from borealis_engine.controller.journal import Journal
from borealis_engine.controller.orders import PlayOrder, read_order
from borealis_engine.controller.playing import Play, Played
from borealis_engine.controller.ports import Reports
from borealis_engine.core.errors import Conflict, EngineError, NotFound, Unavailable
from borealis_engine.core.log import get_logger
from borealis_engine.credentials import CredentialSecret, CredentialService
from borealis_engine.devices import DeviceService
from borealis_engine.machines import Machine, MachineService
from borealis_engine.machines.runs import CREDENTIAL, place
from borealis_engine.signing import SigningService
from borealis_playbooks.launch import failure_of, variable_name
from borealis_wire import base64s
from borealis_wire.events import RefusalCode, RunContext, RunStatus
from borealis_wire.limits import MAX_TIMEOUT_SECONDS
from borealis_wire.messages import JobOutput, JobResult
from borealis_wire.playbooks import VAULT_PASSWORD, PlaybookOptions
from borealis_wire.refusal import Refused

MAX_PLAYS: Final = 8
"""Playbooks at the same time; each takes a core for a while and about 100 MB."""
AGAIN_SECONDS: Final = 1.0
HOST_KEY_CHANGED: Final = 77
"""The play's exit code (``borealis_playbooks.play.NOT_THE_MACHINE``)."""
CUT_OFF: Final = "The Engine was stopped while the playbook ran. It is not started again by itself."
log = get_logger("controller")


@dataclass(slots=True)
class _Under:
    """A run under way."""

    guid: str
    play: Play
    cancelled: bool = False
    timed_out: bool = False

    def time_is_up(self) -> None:
        """It took longer than it may."""
        self.timed_out = True
        self.play.end()


class Controller:
    """A ``dispatch.ports.DeviceLink`` for machines without an agent."""

    def __init__(
        self,
        *,
        folder: Path,
        code_root: Path,
        clock: Clock,
        devices: DeviceService,
        machines: MachineService,
        credentials: CredentialService,
        signing: SigningService,
        activity: ActivityService,
        reports: Reports,
        max_plays: int = MAX_PLAYS,
    ) -> None:
        self._environments = folder / "ansible"
        self._journal = Journal(folder / "runs")
        self._code_root = code_root
        self._clock = clock
        self._devices = devices
        self._machines = machines
        self._credentials = credentials
        self._signing = signing
        self._activity = activity
        self._reports = reports
        self._max_plays = max_plays
        self._tasks: Supervisor | None = None
        self._under: dict[str, _Under] = {}
        self._turned_away: dict[str, None] = {}

    async def run_loop(self) -> None:
        """Tell what an earlier life left, then take runs; a supervised task. Ends every play when it ends."""
        await self._tell_cut_off()
        async with Supervisor() as tasks:
            self._tasks = tasks
            try:
                for guid in {run.guid for run in self._activity.live_runs() if self.plays_for(run.guid)}:
                    await self._reports.device_ready(guid, RunContext.SYSTEM, set())
                await asyncio.Event().wait()
            finally:
                self._tasks = None

    def plays_for(self, guid: str) -> bool:
        """Whether this is a machine without an agent."""
        return self._machines.machine(guid) is not None

    # --- dispatch.ports.DeviceLink

    def has_session(self, guid: str, context: RunContext, user: str = "") -> bool:
        """Whether runs can be taken now."""
        return self._tasks is not None and context is RunContext.SYSTEM

    def user_for(self, guid: str) -> str | None:
        """Nobody is signed in where there is no agent."""
        return None

    async def send_job(
        self, guid: str, context: RunContext, payload: dict[str, Any], *, user: str = ""
    ) -> dict[str, Any] | None:
        """Take a run, or say why not, in a device's words."""
        try:
            return self._take(guid, payload)
        except Refused as refused:
            log.warning("refused an order", guid=guid, reason=refused.code.value)
            return {"status": "refused", "reason": refused.code.value}

    async def send_cancel(self, guid: str, context: RunContext, payload: dict[str, Any], *, user: str = "") -> None:
        """End a run and all its processes."""
        under = self._under.get(str(payload.get("run_id")))
        if under is not None and under.guid == guid:
            under.cancelled = True
            under.play.end()

    def statistics(self) -> dict[str, int]:
        """Sizes, for metrics."""
        return {"plays": len(self._under), "turned_away": len(self._turned_away)}

    # --- life of a run

    def _take(self, guid: str, payload: dict[str, Any]) -> dict[str, Any]:
        if self._tasks is None:
            raise Refused(RefusalCode.BUSY, "the controller is not running")
        found = read_order(payload, guid, trusted=self._signing.public_keys, now=self._clock.now())
        run_id = found.order.run_id
        if run_id in self._under:
            return {"status": "accepted"}
        if len(self._under) >= self._max_plays:
            self._turned_away[guid] = None
            raise Refused(RefusalCode.BUSY, "as many playbooks run as may at the same time")
        try:
            mountpoint = self._journal.begin(run_id)
        except FileExistsError:
            raise Refused(RefusalCode.REPLAYED, "the run was begun before") from None
        except (ValueError, OSError) as error:
            log.error("a run cannot be noted", run_id=run_id, reason=str(error))
            raise Refused(RefusalCode.BUSY, "the run cannot be noted on disk") from error
        under = _Under(guid, Play(clock=self._clock, code_root=self._code_root))
        self._under[run_id] = under
        self._tasks.start("playbook", self._carry_out(found, under, mountpoint))
        return {"status": "accepted"}

    async def _carry_out(self, found: PlayOrder, under: _Under, mountpoint: Path) -> None:
        run_id = found.order.run_id
        started = self._clock.now()
        try:
            try:
                result = await self._play(found, under, mountpoint, started)
            except asyncio.CancelledError:
                under.play.end()
                result = self._result(run_id, RunStatus.INTERRUPTED, started, Played(), CUT_OFF)
                await asyncio.shield(self._report(under.guid, result, patient=False))
                raise
            await self._report(under.guid, result, patient=True)
        finally:
            self._under.pop(run_id, None)
            await self._room_again()

    async def _play(self, found: PlayOrder, under: _Under, mountpoint: Path, started: float) -> JobResult:
        run_id, played = found.order.run_id, Played()
        try:
            request = {**await self._request(found), "mountpoint": str(mountpoint)}
            timeout = found.order.timeout_seconds or MAX_TIMEOUT_SECONDS
            alarm = asyncio.get_running_loop().call_later(timeout, under.time_is_up)
            try:
                played = await under.play.run(request, self._listener(under.guid, run_id))
            finally:
                alarm.cancel()
        except (EngineError, OSError) as error:
            reason = error.detail if isinstance(error, EngineError) else f"The playbook could not be started: {error}."
            played.output["stderr"] = f"{reason}\n"
            return self._result(run_id, RunStatus.FAILED, started, played, reason)
        if under.cancelled:
            return self._result(run_id, RunStatus.CANCELLED, started, played, "")
        if under.timed_out:
            return self._result(run_id, RunStatus.TIMED_OUT, started, played, "")
        if played.exit_code == HOST_KEY_CHANGED:
            return self._result(run_id, RunStatus.REFUSED, started, played, RefusalCode.HOST_KEY_CHANGED.value)
        if played.exit_code == 0:
            return self._result(run_id, RunStatus.SUCCESS, started, played, "")
        reason = failure_of(played.recap)
        if played.exit_code is None and not reason:
            reason = "The playbook's process was ended from outside."
        return self._result(run_id, RunStatus.FAILED, started, played, reason)

    async def _request(self, found: PlayOrder) -> dict[str, Any]:
        order = found.order
        auth = self._devices.auth_state(order.device_guid)
        machine = self._machines.machine(order.device_guid)
        if auth is None or machine is None or machine.connection is None:
            raise NotFound("machine_unreadable", "The machine was removed meanwhile, or its connection cannot be read.")
        secrets = {name: self._open(order.run_id, name, text) for name, text in order.secrets.items()}
        content = self._activity.live(order.run_id)
        job = None if content is None else await self._activity.content(content.job_id)
        secret = await self._credentials.secret_for_run(
            int(secrets[CREDENTIAL]) if CREDENTIAL in secrets else 0,
            kind=machine.connection.credential_kind,
            site_id=auth.site_id,
            actor=job.created_by if job is not None else "engine",
            run_id=order.run_id,
            guid=auth.guid,
            hostname=auth.hostname,
        )
        return {
            "run_id": order.run_id,
            "hostname": auth.hostname,
            "playbook": "playbook.yml",
            "script": found.script,
            "files": list(found.files),
            "environment": dict(order.environment),
            "options": (order.playbook or PlaybookOptions()).to_json(),
            "variables": {variable_name(item["name"]): item.get("value") for item in order.variables},
            "vault_password": secrets.get(VAULT_PASSWORD),
            "environments": str(self._environments),
            "target": _target(machine, secret),
        }

    def _open(self, run_id: str, name: str, sealed: str) -> str:
        try:
            return self._credentials.open(place(run_id, name), base64s.decode(sealed)).decode()
        except ValueError as error:
            raise Conflict(
                "credential_unreadable", "The order's secrets cannot be read. Start the job again."
            ) from error

    def _listener(self, guid: str, run_id: str) -> Any:
        count = 0

        async def heard(stream: Any, text: str) -> None:
            nonlocal count
            seq, count = count, count + 1
            try:
                await self._reports.device_output(guid, RunContext.SYSTEM, JobOutput(run_id, seq, stream, text))
            except EngineError as error:
                log.warning("a piece of output is lost", run_id=run_id, error_code=error.code)

        return heard

    def _result(self, run_id: str, status: RunStatus, started: float, played: Played, reason: str) -> JobResult:
        return JobResult(
            run_id=run_id,
            status=status.value,
            stdout=played.output["stdout"],
            stderr=played.output["stderr"],
            exit_code=played.exit_code if status in {RunStatus.SUCCESS, RunStatus.FAILED} else None,
            reason=reason[:1024],
            started_at=started,
            finished_at=self._clock.now(),
            recap=played.recap,
        )

    async def _report(self, guid: str, result: JobResult, *, patient: bool) -> None:
        """Record an end; where the database is gone, again and again, as an agent does."""
        while True:
            try:
                await self._reports.device_result(guid, RunContext.SYSTEM, result)
                await self._credentials.end_use(result.run_id)
            except Unavailable as error:
                log.warning("an end cannot be recorded yet", run_id=result.run_id, error_code=error.code)
                if not patient:
                    return  # the journal keeps it: it is told at the next start
                await self._clock.sleep(AGAIN_SECONDS)
                continue
            self._journal.end(result.run_id)
            return

    async def _tell_cut_off(self) -> None:
        """Runs that were begun, or that nobody but us could have, are over."""
        begun = self._journal.begun()
        for run in self._activity.live_runs():
            if not self.plays_for(run.guid) or not (run.run_id in begun or run.status is RunStatus.RUNNING):
                continue
            result = JobResult(run_id=run.run_id, status=RunStatus.INTERRUPTED.value, reason=CUT_OFF)
            await self._report(run.guid, result, patient=True)
            log.warning("a playbook was cut off by the Engine's end", run_id=run.run_id, hostname=run.hostname)
        for run_id in begun:
            self._journal.end(run_id)

    async def _room_again(self) -> None:
        """A place is free: who was turned away is asked again."""
        waiting, self._turned_away = list(self._turned_away), {}
        if self._tasks is None:
            return
        for guid in waiting:
            running = {run_id for run_id, under in self._under.items() if under.guid == guid}
            try:
                await self._reports.device_ready(guid, RunContext.SYSTEM, running)
            except EngineError as error:
                log.warning("could not ask again", guid=guid, error_code=error.code)


def _target(machine: Machine, secret: CredentialSecret) -> dict[str, Any]:
    """See ``borealis_playbooks.target``."""
    connection = machine.connection
    assert connection is not None
    return {
        "connection": connection.kind,
        "address": connection.address,
        "port": connection.port,
        "user": secret.username,
        "password": secret.password,
        "key": secret.private_key,
        "passphrase": secret.passphrase,
        "transport": secret.transport,
        "host_keys": list(connection.host_keys),
        "tls": {"mode": connection.tls.mode, "certificate": connection.tls.certificate},
        "become": {
            "method": secret.become.method,
            "user": secret.become.user,
            "password": secret.become.password,
        },
    }
