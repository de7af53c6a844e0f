"""REST door: the Engine itself: health, figures, facts, its log files, and its signing key.

Times are Unix seconds (float).
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from sqlalchemy import Connection, text

from borealis_base.clock import Clock
from borealis_engine import VERSION
from borealis_engine.api.access import body_limit, operator, public
from borealis_engine.api.errors import errors
from borealis_engine.api.services import Services
from borealis_engine.audit import AuditEntry
from borealis_engine.core.errors import NotFound, Unavailable
from borealis_engine.core.metrics import Metrics
from borealis_engine.operators.permissions import Permission, Principal
from borealis_engine.storage import Database
from borealis_wire import PROTOCOL_VERSION

HEALTH_SECONDS: Final = 2.0
HEALTH_FRESH_SECONDS: Final = 1.0
MAX_LINES: Final = 5000
MAX_TAIL_BYTES: Final = 1024 * 1024
METRICS_TYPE: Final = "text/plain; version=0.0.4"
RUNNING_KEY: Final = "borealis_running"
_HEALTH_KEY: Final = "borealis_health"


@dataclass(frozen=True, slots=True)
class Running:
    """What the composition knows of this process; kept in the application's state under ``RUNNING_KEY``.

    ``figures`` gives the sizes of every room: room, name, number.
    """

    started_at: float
    figures: Callable[[], Mapping[str, Mapping[str, int]]]


@dataclass(slots=True)
class HealthProbe:
    """Asks the database at most once a second, however many ask us: the address is open to everybody."""

    db: Database
    clock: Clock
    _until: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def check(self) -> None:
        """Nothing if the database answers.

        Raises:
            Unavailable: it does not.
        """
        if self.clock.monotonic() < self._until:
            return
        async with self._lock:
            if self.clock.monotonic() < self._until:
                return
            try:
                async with asyncio.timeout(HEALTH_SECONDS):
                    await self.db.read(_ask)
            except TimeoutError:
                raise Unavailable("database_unavailable", "The database does not answer. It is tried again.") from None
            self._until = self.clock.monotonic() + HEALTH_FRESH_SECONDS


class Health(msgspec.Struct, frozen=True):
    """The Engine works. ``status`` is ``ok``."""

    status: str


class ServerInfo(msgspec.Struct, frozen=True):
    """This Engine. ``uptime`` in seconds; ``ca_pin`` is what enrolment tokens carry; ``figures`` by room.

    ``settings``: by the environment variable that sets it; they are read at the Engine's start.
    """

    version: str
    protocol_version: int
    time: float
    started_at: float
    uptime: float
    url: str
    ca_pin: str
    database: str
    signing_key_id: str
    settings: dict[str, str]
    figures: dict[str, dict[str, int]]


class RotateRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``revoke_old``: devices stop trusting the old key at once; use it when that key may be in other hands."""

    revoke_old: bool = False


class Rotated(msgspec.Struct, frozen=True):
    """The key that signs now, and the one before."""

    status: str
    key_id: str
    old_key_id: str
    revoked: bool


class LogFile(msgspec.Struct, frozen=True):
    """One log file."""

    name: str
    size: int
    modified_at: float


class LogAnswer(msgspec.Struct, frozen=True):
    """The files there are; with a name also its last lines, oldest first. ``cut``: there is more before them."""

    files: list[LogFile]
    name: str
    lines: list[str]
    cut: bool


@get(
    "/health",
    opt=public("load balancers and the start script ask before anybody can sign in; it tells only whether we work"),
    responses=errors(503),
    tags=["server"],
)
async def health(request: Request[Any, Any, Any], services: Services) -> Health:
    """Whether the Engine works: 503 where the database does not answer."""
    probe = request.app.state.get(_HEALTH_KEY)
    if probe is None:
        probe = request.app.state[_HEALTH_KEY] = HealthProbe(services.db, services.clock)
    await probe.check()
    return Health("ok")


@get("/metrics", opt=operator(Permission.SERVER_READ), media_type=MediaType.TEXT, tags=["server"])
async def prometheus(metrics: Metrics) -> Response[str]:
    """Figures for Prometheus; give it a personal token with the scope ``server.read``."""
    return Response(metrics.render().decode(), media_type=METRICS_TYPE)


@get("/api/server/info", opt=operator(Permission.SERVER_READ), tags=["server"])
async def server_info(request: Request[Any, Any, Any], services: Services) -> ServerInfo:
    """Facts about this Engine."""
    now = services.clock.now()
    running = request.app.state.get(RUNNING_KEY) or Running(now, dict)
    return ServerInfo(
        version=VERSION,
        protocol_version=PROTOCOL_VERSION,
        time=now,
        started_at=running.started_at,
        uptime=max(0.0, now - running.started_at),
        url=services.settings.url,
        ca_pin=services.certificates.ca_pin,
        database=services.db.engine.dialect.name,
        signing_key_id=services.signing.current_public.key_id,
        settings=services.settings.in_force(),
        figures={room: dict(figures) for room, figures in running.figures().items()},
    )


@post(
    "/api/server/signing-key/rotate",
    opt={**operator(Permission.SERVER_MANAGE), **body_limit(1024)},
    status_code=200,
    tags=["server"],
)
async def rotate_signing_key(services: Services, principal: Principal, peer: str, data: RotateRequest) -> Rotated:
    """Put a new script-signing key in force, and tell every device by a statement that the old key signs."""
    old = services.signing.current_public.key_id
    await services.audit.record(
        AuditEntry(
            actor=principal.username,
            action="signing_key.rotate",
            target_kind="signing_key",
            target=old,
            detail={"revoke_old": data.revoke_old},
            address=peer,
        )
    )
    try:
        await services.signing.rotate(revoke_old=data.revoke_old)
    except OSError as error:
        raise Unavailable(
            "signing_key_not_written",
            f"The new key could not be written ({error.strerror}). The old key stays in force; make room, try again.",
        ) from error
    return Rotated("ok", services.signing.current_public.key_id, old, data.revoke_old)


@get("/api/server/logs", opt=operator(Permission.SERVER_READ), responses=errors(404), tags=["server"])
async def server_logs(
    services: Services,
    name: Annotated[str, Parameter(max_length=255, description="One of the files listed; none lists only.")] = "",
    lines: Annotated[int, Parameter(ge=1, le=MAX_LINES)] = 200,
) -> LogAnswer:
    """The Engine's log files, and the last lines of one."""
    folder = services.settings.paths.logs
    files = await asyncio.to_thread(list_logs, folder)
    if not name:
        return LogAnswer(files, "", [], cut=False)
    if name not in {file.name for file in files}:
        raise NotFound("log_not_found", "There is no such log file. Ask without a name for the list.")
    found, cut = await asyncio.to_thread(tail, folder / name, lines)
    return LogAnswer(files, name, found, cut)


def list_logs(folder: Path) -> list[LogFile]:
    """The plain files of the log folder by name; links are left out, they may lead anywhere."""
    found: list[LogFile] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    facts = entry.stat(follow_symlinks=False)
                    found.append(LogFile(entry.name, facts.st_size, facts.st_mtime))
    except OSError:
        return []
    return sorted(found, key=lambda file: file.name)


def tail(path: Path, lines: int, *, max_bytes: int = MAX_TAIL_BYTES) -> tuple[list[str], bool]:
    """The last ``lines`` lines of a file within its last ``max_bytes``, and whether there is more before them."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - max_bytes)
            file.seek(start)
            data = file.read(max_bytes)
    except OSError:
        return [], False
    found = data.decode("utf-8", "replace").splitlines()
    if start:
        found = found[1:]  # the first one begins somewhere in its middle
    return found[-lines:], start > 0 or len(found) > lines


def _ask(connection: Connection) -> None:
    connection.execute(text("SELECT 1"))


HANDLERS: list[HTTPRouteHandler] = [health, prometheus, server_info, rotate_signing_key, server_logs]
