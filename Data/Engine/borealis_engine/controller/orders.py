"""Reading what dispatch hands over, as an agent does: only what the signing key sealed is believed. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from borealis_wire import base64s
from borealis_wire.envelope import JOB_TYPE, open_envelope
from borealis_wire.events import RefusalCode, RunContext, ScriptType
from borealis_wire.keys import VerifyKey
from borealis_wire.orders import JobOrder, parse_job, script_digest
from borealis_wire.refusal import Refused


@dataclass(frozen=True, slots=True)
class PlayOrder:
    """An order whose signature held, for this machine, with its playbook and files as they were sealed."""

    order: JobOrder
    name: str
    script: str
    files: tuple[Mapping[str, str], ...]


def read_order(payload: Mapping[str, Any], guid: str, *, trusted: Sequence[VerifyKey], now: float) -> PlayOrder:
    """Check everything that an agent checks.

    Raises:
        Refused: with the reason.
    """
    opened = open_envelope(
        payload.get("envelope"), expected_type=JOB_TYPE, trusted={key.key_id: key for key in trusted}
    )
    order = parse_job(opened.payload)
    if order.device_guid != guid:
        raise Refused(RefusalCode.WRONG_DEVICE, "the order is for another device")
    if order.context is not RunContext.SYSTEM:
        raise Refused(RefusalCode.WRONG_CONTEXT, "a machine without an agent has no signed-in user")
    if order.script_type is not ScriptType.ANSIBLE:
        raise Refused(RefusalCode.UNSUPPORTED_TYPE, "only playbooks run on a machine without an agent")
    if now > order.expires_at:
        raise Refused(RefusalCode.EXPIRED, "the order has expired")
    try:
        script = base64s.decode(payload["script_content"])
        files = {file["file_name"]: base64s.decode(file["data"]) for file in payload["files"]}
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(RefusalCode.MALFORMED, "the order brings no playbook that can be read") from error
    if script_digest(script) != order.script_sha256:
        raise Refused(RefusalCode.DIGEST_MISMATCH, "the playbook is not the one that was sealed")
    sealed = {file.name: file.sha256 for file in order.files}
    if {name: script_digest(data) for name, data in files.items()} != sealed:
        raise Refused(RefusalCode.DIGEST_MISMATCH, "the files are not those that were sealed")
    name = payload.get("script_name")
    return PlayOrder(
        order,
        name if isinstance(name, str) else "",
        script.decode("utf-8"),
        tuple({"name": name, "data": base64s.encode(data)} for name, data in files.items()),
    )
