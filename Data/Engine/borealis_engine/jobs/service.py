"""From an operator's wish to sealed, recorded runs; and cancels."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection

from borealis_base.clock import Clock
from borealis_engine.activity import ActivityHistory, ActivityService, JobContent, LiveRun, RowKind
from borealis_engine.activity import store as activity_store
from borealis_engine.audit import AuditEntry
from borealis_engine.audit import store as audit_store
from borealis_engine.core.errors import Conflict, Forbidden, Invalid, NotFound, TooLarge
from borealis_engine.core.ids import Randomness
from borealis_engine.core.log import get_logger
from borealis_engine.dispatch import Dispatcher
from borealis_engine.jobs.checks import CheckedJob, check, fill_in
from borealis_engine.jobs.models import MAX_TARGETS, Launched, LaunchedRun, LaunchRequest
from borealis_engine.jobs.playbooks import secrets_for
from borealis_engine.jobs.ports import Machines, RunPlan, Scripts, Target, Targets
from borealis_engine.operators.permissions import Principal
from borealis_engine.signing import SigningService
from borealis_engine.storage import Database
from borealis_wire.envelope import JOB_TYPE
from borealis_wire.events import ScriptType
from borealis_wire.limits import MAX_ENVELOPE_PAYLOAD_BYTES
from borealis_wire.orders import FileDigest, JobOrder
from borealis_wire.playbooks import parse_options

SEAL_ON_LOOP: Final = 32
"""Up to so many runs are sealed on the event loop (50 microseconds each); more in a worker thread."""
AUDIT_EACH: Final = 32
"""Up to so many devices get an audit entry each; more get one for each site, and the runs name the devices."""

log = get_logger("jobs")


class JobService:
    """Quick jobs. ``history`` answers what operators read."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        randomness: Randomness,
        devices: Targets,
        signing: SigningService,
        activity: ActivityService,
        dispatcher: Dispatcher,
        scripts: Scripts,
        machines: Machines,
    ) -> None:
        self._db = db
        self._clock = clock
        self._randomness = randomness
        self._devices = devices
        self._signing = signing
        self._activity = activity
        self._dispatcher = dispatcher
        self._scripts = scripts
        self._machines = machines
        self.history = ActivityHistory(db=db, activity=activity, clock=clock)

    async def launch(
        self, principal: Principal, request: LaunchRequest, *, address: str = "", job: CheckedJob | None = None
    ) -> Launched:
        """Start a job on all its targets, or on none.

        Answers as soon as job, runs, sealed orders and audit entries are on disk; what follows is in the runs.
        ``job``: an order that the Engine itself made, in place of the request's script; the request names the targets.

        Raises:
            Invalid, NotFound, Forbidden, TooLarge: see ``checks.check``, ``checks.fill_in``, ``devices.targets`` and
                ``library``; and ``Forbidden`` ``device_revoked`` or ``device_quarantined`` naming the devices;
                ``Invalid`` ``needs_agent``, and see ``machines.plan``.
            Unavailable: the database is gone, or too many runs are alive.
        """
        if request.assembly_guid:
            wanted = request.assembly_guid, request.assembly_version
            request = fill_in(request, await self._scripts.script_to_run(principal, *wanted))
        job = job or check(request)
        targets = await self._targets(principal, request, job)
        plan = await self._machines.plan(
            principal, targets, credential_id=request.credential_id, connection=request.connection
        )
        first = await self._activity.take_numbers(len(targets))
        content, runs = self._build(principal, job, targets, first)
        keys = {target.guid: target.public_key_spki for target in targets} if job.vault_password else {}

        def secrets(run: LiveRun) -> Mapping[str, str]:
            if plan.covers(run.guid):
                return plan.secrets(run, job.vault_password)
            return secrets_for(job.vault_password, keys, run.guid)

        if len(runs) <= SEAL_ON_LOOP:
            self._seal(content, runs, secrets)
        else:
            await asyncio.to_thread(self._seal, content, runs, secrets)
        now = content.created_at
        for run in runs:  # written ahead: these leave at once, so no second commit is needed before they do
            run.sent_at = now if self._dispatcher.route(run) else None
        entries = _audit(principal, content, runs, address)
        await self._db.write(partial(_record, content=content, runs=runs, plan=plan, entries=entries, now=now))
        self._activity.opened(content, runs)
        self._dispatcher.submit(runs)
        log.info("launched", job_id=content.id, runs=len(runs), script_type=content.script_type, by=content.created_by)
        return Launched(
            content.id,
            [LaunchedRun(run.hostname, run.guid, run.id, run.run_id, run.status.value) for run in runs],
        )

    async def cancel(self, principal: Principal, run_id: str, *, address: str = "") -> str:
        """Cancel a run: at once if it never left the Engine, else by a sealed order to the device.

        Returns:
            ``cancelled`` or ``requested``.

        Raises:
            NotFound: ``run_not_found``; also outside the operator's sites.
            Conflict: ``run_finished``, or ``no_run`` for a use of the device.
        """
        run = self._activity.live(run_id)
        if run is None or not principal.sees_site(run.site_id):
            found = await self.history.run(principal.sites, run_id=run_id)  # raises where they may not know of it
            if found["kind"] != RowKind.JOB:
                raise Conflict("no_run", "This is no run, so it cannot be cancelled.")
            raise Conflict("run_finished", "The run is over already; there is nothing to cancel.")
        now = self._clock.now()
        entry = AuditEntry(
            actor=principal.username,
            action="run.cancel",
            target_kind="device",
            target=run.guid,
            detail={"hostname": run.hostname, "run_id": run.run_id, "activity_id": run.id},
            address=address,
            site_id=run.site_id,
        )
        at_once = await self._db.write(partial(_cancel, run=run, entry=entry, now=now))
        self._activity.cancelled(run, at_once=at_once)
        self._dispatcher.cancel(run)
        return "cancelled" if at_once else "requested"

    async def delete_history(self, principal: Principal, hostname: str, *, address: str = "") -> int:
        """Delete the finished runs of a device; gives how many. Runs under way stay.

        Raises:
        """
        entry = AuditEntry(
            actor=principal.username,
            action="activity.delete",
            target_kind="hostname",
            target=hostname,
            address=address,
            site_id=min(principal.sites) if principal.sites else None,
        )
        now = self._clock.now()
        return await self._db.write(
            partial(_delete_history, hostname=hostname, sites=principal.sites, entry=entry, now=now)
        )

    async def _targets(self, principal: Principal, request: LaunchRequest, job: CheckedJob) -> Sequence[Target]:
        ids = [site for site in request.sites if isinstance(site, int)]
        names = [site for site in request.sites if isinstance(site, str)]
        if names:
            ids += await self._devices.site_ids(principal.sites, names)
        targets = await self._devices.targets(
            principal.sites,
            guids=request.guids,
            hostnames=request.hostnames,
            site_ids=ids,
            all_devices=request.all,
        )
        playbook = job.script_type is ScriptType.ANSIBLE
        chosen = [target for target in targets if target.status == "active" and (target.has_agent or playbook)]
        if len(chosen) != len(targets) and (request.guids or request.hostnames):
            words = {text.casefold() for text in (*request.guids, *request.hostnames)}
            named = [t for t in targets if {t.guid.casefold(), t.hostname.casefold()} & words]
            _refuse_inactive(named)
            _refuse_agentless([] if playbook else named)
        if not chosen:
            raise NotFound("no_targets", "No active device is meant by this. Check sites, and approvals that wait.")
        if len(chosen) > MAX_TARGETS:
            raise TooLarge("too_many_targets", f"A job has at most {MAX_TARGETS} targets; choose sites one by one.")
        return chosen

    def _build(
        self, principal: Principal, job: CheckedJob, targets: Sequence[Target], first: int
    ) -> tuple[JobContent, list[LiveRun]]:
        now = self._clock.now()
        content = JobContent(
            id=self._randomness.uuid(),
            source="quick_job",
            script_name=job.script_name,
            script_type=job.script_type.value,
            script_sha256=job.script_sha256,
            script=job.script,
            script_signature=self._signing.sign_script(job.script),
            signing_key=self._signing.current_public.spki_base64,
            context=job.context,
            timeout_seconds=job.timeout_seconds,
            created_by=principal.username,
            created_at=now,
            expires_at=now + job.lifetime_seconds,
            variables=job.variables,
            environment=job.environment,
            files=job.files,
            assembly_guid=job.assembly_guid,
            assembly_version=job.assembly_version,
            playbook=job.playbook.to_json() if job.playbook is not None else None,
        )
        runs = [
            LiveRun(
                id=number,
                run_id=self._randomness.uuid(),
                job_id=content.id,
                guid=target.guid,
                hostname=target.hostname,
                site_id=target.site_id,
                context=job.context,
                created_at=now,
                expires_at=content.expires_at,
                timeout_seconds=job.timeout_seconds,
                run_as_user=job.run_as_user,
            )
            for number, target in enumerate(targets, first)
        ]
        return content, runs

    def _seal(
        self, content: JobContent, runs: Sequence[LiveRun], secrets: Callable[[LiveRun], Mapping[str, str]]
    ) -> None:
        files = tuple(FileDigest(file["file_name"], file["sha256"], file["size"]) for file in content.files)
        for run in runs:
            payload = order_of(content, run, files, secrets(run)).to_payload()
            if len(payload) > MAX_ENVELOPE_PAYLOAD_BYTES:
                raise TooLarge(
                    "job_too_large",
                    f"Variables and environment exceed {MAX_ENVELOPE_PAYLOAD_BYTES} bytes; send them as a file.",
                )
            run.envelope = self._signing.seal(JOB_TYPE, payload)


def order_of(content: JobContent, run: LiveRun, files: tuple[FileDigest, ...], secrets: Mapping[str, str]) -> JobOrder:
    """What is sealed for one run: everything that the device will act on."""
    return JobOrder(
        job_id=run.id,
        run_id=run.run_id,
        device_guid=run.guid,
        context=run.context,
        script_type=ScriptType(content.script_type),
        script_sha256=content.script_sha256,
        issued_at=content.created_at,
        expires_at=content.expires_at,
        timeout_seconds=content.timeout_seconds,
        files=files,
        environment=content.environment,
        variables=content.variables,
        playbook=parse_options(content.playbook) if content.playbook is not None else None,
        secrets=secrets,
        user=run.run_as_user,
    )


def _refuse_inactive(targets: Sequence[Target]) -> None:
    for status, code, what in (
        ("quarantined", "device_quarantined", "in quarantine; release it first"),
        ("", "device_revoked", "revoked; enrol it again first"),
    ):
        found = [t.hostname for t in targets if t.status != "active" and (not status or t.status == status)]
        if found:
            raise Forbidden(code, f"{', '.join(sorted(found)[:20])}: {what}. Nothing was started.")


def _refuse_agentless(targets: Sequence[Target]) -> None:
    found = [target.hostname for target in targets if not target.has_agent]
    if found:
        raise Invalid(
            "needs_agent",
            f"{', '.join(sorted(found)[:20])}: without an agent only playbooks can be run. Nothing was started.",
        )


def _record(
    conn: Connection,
    *,
    content: JobContent,
    runs: Sequence[LiveRun],
    plan: RunPlan,
    entries: Sequence[AuditEntry],
    now: float,
) -> None:
    ActivityService.insert(conn, content, runs)
    plan.record(conn, runs)
    for entry in entries:
        audit_store.record(conn, entry, now)


def _cancel(conn: Connection, *, run: LiveRun, entry: AuditEntry, now: float) -> bool:
    at_once = activity_store.cancel_unsent(conn, run.id, reason="cancelled_before_sent", now=now)
    if not at_once and not activity_store.request_cancel(conn, run.id, now=now):
        raise Conflict("run_finished", "The run is over already; there is nothing to cancel.")
    audit_store.record(conn, entry, now)
    return at_once


def _delete_history(
    conn: Connection, *, hostname: str, sites: frozenset[int] | None, entry: AuditEntry, now: float
) -> int:
    count = activity_store.delete_history(conn, hostname, sites)
    audit_store.record(conn, entry, now)
    return count


def _audit(principal: Principal, content: JobContent, runs: Sequence[LiveRun], address: str) -> list[AuditEntry]:
    common = {"job_id": content.id, "script": content.script_name, "sha256": content.script_sha256}
    if content.assembly_guid is not None:
        common |= {"assembly_guid": content.assembly_guid, "assembly_version": str(content.assembly_version)}
    if runs and runs[0].run_as_user:
        common |= {"user": runs[0].run_as_user}
    if len(runs) <= AUDIT_EACH:
        return [
            AuditEntry(
                actor=principal.username,
                action="run.start",
                target_kind="device",
                target=run.guid,
                detail={**common, "hostname": run.hostname, "run_id": run.run_id, "type": content.script_type},
                address=address,
                site_id=run.site_id,
            )
            for run in runs
        ]
    return [
        AuditEntry(
            actor=principal.username,
            action="run.start",
            target_kind="job",
            target=content.id,
            detail={**common, "devices": count, "type": content.script_type},
            address=address,
            site_id=site_id,
        )
        for site_id, count in Counter(run.site_id for run in runs).items()
    ]
