"""REST door: work by polling and results by REST, for devices whose WebSocket is blocked (contract 4).

A device whose socket works may use both: runs are recognised by their id, whichever way they come.
"""

from typing import Final

import msgspec
from litestar import post
from litestar.handlers import HTTPRouteHandler

from borealis_engine.api.access import DevicePrincipal, body_limit, device
from borealis_engine.api.services import Services
from borealis_engine.core.errors import Forbidden
from borealis_wire.events import Rest, RunContext
from borealis_wire.limits import MAX_REST_UPLOAD_BYTES, SCRIPT_POLL_SECONDS
from borealis_wire.messages import JobResult, ScriptAnswer, ScriptRequest

POLL_MS: Final = SCRIPT_POLL_SECONDS * 1000
BUSY_POLL_MS: Final = 1000
"""After work was handed out there may be more: ask again soon."""
QUARANTINED_POLL_MS: Final = 60_000


class ResultAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """``ok``: do not send it again. ``ignored`` says why nothing was recorded (``repeated``, ``unknown_run`` …)."""

    status: str
    ignored: str = ""


@post(Rest.SCRIPT_REQUEST, opt=device(), status_code=200, tags=["device"])
async def script_request(services: Services, device: DevicePrincipal, data: ScriptRequest) -> ScriptAnswer:
    """Jobs and cancel orders that wait for this device and context, each sealed as on the socket."""
    _check_guid(device, data.guid)
    signing_key = services.signing.current_public.spki_base64
    if device.status != "active":
        return ScriptAnswer(
            status="quarantined", poll_after_ms=QUARANTINED_POLL_MS, sig_alg="ed25519", signing_key=signing_key
        )
    jobs, cancels = await services.dispatcher.work_for_poll(device.guid, RunContext(device.context), user=device.user)
    return ScriptAnswer(
        status="work" if jobs or cancels else "idle",
        poll_after_ms=BUSY_POLL_MS if jobs else POLL_MS,
        sig_alg="ed25519",
        signing_key=signing_key,
        jobs=jobs,
        cancels=cancels,
    )


@post(
    Rest.SCRIPT_RESULT,
    opt={**device(limit="results"), **body_limit(MAX_REST_UPLOAD_BYTES)},
    status_code=200,
    tags=["device"],
)
async def script_result(services: Services, device: DevicePrincipal, data: JobResult) -> ResultAnswer:
    """The end of a run; recorded before it is answered, once however often it comes."""
    answer = await services.dispatcher.device_result(device.guid, RunContext(device.context), data, user=device.user)
    return ResultAnswer(**answer)


def _check_guid(device: DevicePrincipal, guid: str) -> None:
    if guid and guid.lower() != device.guid.lower():
        raise Forbidden("guid_mismatch", "The token is another device's.")


HANDLERS: list[HTTPRouteHandler] = [script_request, script_result]
