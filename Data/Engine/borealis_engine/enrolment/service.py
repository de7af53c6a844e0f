"""The room of enrolment in one object, for ``app``, the doors, and the supervisor."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection

from borealis_base.clock import Clock
from borealis_engine.audit import AuditLog
from borealis_engine.core.errors import EngineError
from borealis_engine.core.feed import ChangeFeed
from borealis_engine.core.ids import Randomness
from borealis_engine.core.metrics import Metrics
from borealis_engine.core.settings import EngineSettings
from borealis_engine.enrolment import approval_store, codes, refresh_store
from borealis_engine.enrolment.admission import Admission
from borealis_engine.enrolment.approval_desk import ApprovalDesk
from borealis_engine.enrolment.code_desk import CodeDesk
from borealis_engine.enrolment.ground import Ground, log
from borealis_engine.enrolment.models import (
    ApprovalRow,
    ApprovalStatus,
    ApprovalView,
    CodeRow,
    EnrolmentLimits,
    IssuedCode,
    Resolution,
)
from borealis_engine.enrolment.ports import Devices
from borealis_engine.enrolment.refreshing import Refreshing, refresh_urls
from borealis_engine.enrolment.settlement import expire
from borealis_engine.enrolment.tls import EngineCertificates
from borealis_engine.enrolment.tokens import AccessTokens
from borealis_engine.operators.permissions import Principal
from borealis_engine.signing import SigningService
from borealis_engine.storage import Database
from borealis_wire.events import RunContext
from borealis_wire.messages import (
    EnrolApproved,
    EnrolPending,
    EnrolPoll,
    EnrolRequest,
    EnrolStatus,
    TokenRefreshed,
    TokenRefreshRequest,
)

PRUNE_SECONDS: Final = 60.0
EXPIRE_BATCH: Final = 200


class EnrolmentService:
    """How machines become devices, and how devices keep their tokens."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        randomness: Randomness,
        feed: ChangeFeed,
        audit: AuditLog,
        devices: Devices,
        signing: SigningService,
        certificates: EngineCertificates,
        access_tokens: AccessTokens,
        settings: EngineSettings,
        limits: EnrolmentLimits | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._ground = Ground(
            db,
            clock,
            randomness,
            feed,
            audit,
            devices,
            signing,
            certificates,
            access_tokens,
            limits or EnrolmentLimits(),
            settings.url,
            metrics,
        )
        self._admission = Admission(self._ground)
        self._refreshing = Refreshing(self._ground)
        self._codes = CodeDesk(self._ground)
        self._approvals = ApprovalDesk(self._ground)

    # --- for devices

    async def request(self, message: EnrolRequest, peer: str) -> EnrolPending:
        """A device asks to be let in. See ``Admission.request``."""
        return await self._admission.request(message, peer)

    async def poll(self, message: EnrolPoll, peer: str, context: RunContext) -> EnrolStatus | EnrolApproved:
        """A device asks how its request stands. See ``Admission.poll``."""
        return await self._admission.poll(message, peer, context)

    async def refresh(
        self,
        request: TokenRefreshRequest,
        dpop: str | None,
        urls: frozenset[str],
        peer: str,
        context: RunContext,
    ) -> TokenRefreshed:
        """A device renews its tokens. See ``Refreshing.refresh``."""
        return await self._refreshing.refresh(request, dpop=dpop, urls=urls, peer=peer, context=context)

    def refresh_urls(self, host: str) -> frozenset[str]:
        """The URLs that a proof for a refresh may name, by the header ``Host``. See ``refreshing.refresh_urls``."""
        return refresh_urls(host=host, public_url=self._ground.url, certificates=self._ground.certificates)

    # --- for operators

    async def create_code(
        self,
        principal: Principal,
        *,
        ttl_hours: float | None = None,
        expires_in_seconds: int | None = None,
        max_uses: int | None = None,
        site_id: int | None = None,
        site: str = "",
        address: str = "",
    ) -> IssuedCode:
        """Make an enrolment code. See ``CodeDesk.create``."""
        return await self._codes.create(
            principal,
            ttl_hours=ttl_hours,
            expires_in_seconds=expires_in_seconds,
            max_uses=max_uses,
            site_id=site_id,
            site=site,
            address=address,
        )

    async def list_codes(self, principal: Principal, *, status: str = "") -> Sequence[CodeRow]:
        """Codes that the operator may see. See ``CodeDesk.list``."""
        return await self._codes.list(principal, status=status)

    async def delete_code(self, principal: Principal, code_id: int, *, address: str = "") -> None:
        """Delete a code. See ``CodeDesk.delete``."""
        await self._codes.delete(principal, code_id, address=address)

    async def list_approvals(self, principal: Principal, *, status: str = "") -> Sequence[ApprovalView]:
        """Devices that wait, or waited. See ``ApprovalDesk.list``."""
        return await self._approvals.list(principal, status=status)

    async def approve(
        self,
        principal: Principal,
        reference: str,
        *,
        guid: str | None = None,
        resolution: Resolution | None = None,
        accept_unbound: bool = False,
        address: str = "",
    ) -> ApprovalRow:
        """Let a device in. See ``ApprovalDesk.approve``."""
        return await self._approvals.approve(
            principal,
            reference,
            guid=guid,
            resolution=resolution,
            accept_unbound=accept_unbound,
            address=address,
        )

    async def deny(self, principal: Principal, reference: str, *, address: str = "") -> None:
        """Refuse a device. See ``ApprovalDesk.deny``."""
        await self._approvals.deny(principal, reference, address=address)

    # --- for the supervisor

    async def prune_loop(self) -> None:
        """End what is overdue and delete what is long over, each minute; run it as a supervised task."""
        while True:
            try:
                await self.prune()
            except EngineError as error:
                log.warning("could not prune", reason=error.detail)
            await self._ground.clock.sleep(PRUNE_SECONDS)

    async def prune(self) -> None:
        """Once: expire approvals whose time is over, and delete old approvals, codes and tokens.

        Raises:
            Unavailable: the database is gone; the next time will do.
        """
        ground = self._ground
        while True:
            ended = await ground.db.write(partial(_expire_some, now=ground.now()))
            for row in ended:
                ground.count("expired")
                ground.approval_changed(row.reference, ApprovalStatus.EXPIRED, row.current.site_id)
            if len(ended) < EXPIRE_BATCH:
                break
        counts = await ground.db.write(partial(_prune, now=ground.now()))
        if any(counts.values()):
            log.info("pruned", **counts)


def _expire_some(connection: Connection, now: int) -> list[ApprovalRow]:
    rows = approval_store.overdue(connection, now, EXPIRE_BATCH)
    for row in rows:
        expire(connection, row, now)
    return rows


def _prune(connection: Connection, now: int) -> dict[str, int]:
    return {
        "approvals": approval_store.prune(connection, now),
        "install_keys": codes.prune(connection, now),
        "refreshes": refresh_store.prune(connection, now),
    }
