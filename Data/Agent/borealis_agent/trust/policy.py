"""What an order must pass before anything of ours acts on it (contract 4 and 8). Pure: no clock, no disk.

The checks, in this order: size and shape, type, signature and key, device, context and user, time, digests. Only the
envelope is believed; of the payload around it, script and files are taken after their digests matched. Replay is
not checked here: the journal knows what began before, and is asked next.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from borealis_agent.role_api.jobs import JobFile, VerifiedJob
from borealis_agent.trust.signing_keys import TrustedKeys, index_keys
from borealis_wire import base64s
from borealis_wire.entry import EntryKind, Order
from borealis_wire.envelope import (
    CANCEL_TYPE,
    JOB_TYPE,
    KEYS_TYPE,
    SCREEN_TYPE,
    TUNNEL_TYPE,
    UPDATE_TYPE,
    open_envelope,
)
from borealis_wire.events import RefusalCode, RunContext
from borealis_wire.keys import VerifyKey
from borealis_wire.limits import CLOCK_SKEW_SECONDS, MAX_FILES, MAX_FILES_BYTES, MAX_SCRIPT_BYTES
from borealis_wire.orders import CancelOrder, FileDigest, parse_cancel, parse_job, parse_keys, safe_file_name
from borealis_wire.refusal import Refused
from borealis_wire.screen import ScreenOrder, parse_screen
from borealis_wire.tunnel import TunnelStart, TunnelStop, parse_tunnel
from borealis_wire.updates import UpdateOrder, parse_update

_MAX_SCRIPT_CHARS: Final = MAX_SCRIPT_BYTES * 4 // 3 + 4
_MAX_FILES_CHARS: Final = MAX_FILES_BYTES * 4 // 3 + 4 * MAX_FILES


def verify_job(
    payload: Any,
    *,
    trusted: Mapping[str, VerifyKey],
    device_guid: str,
    context: RunContext,
    now: float,
    user: str = "",
) -> VerifiedJob:
    """Turn the payload of ``quick_job_run`` into a job that may be run.

    Args:
        payload: as it came; anything.
        trusted: the pinned signing keys, by key id. Keys in the message are never looked at.
        device_guid: this device's GUID, upper-case.
        context: the run context of this agent.
        now: Unix seconds by this device's clock.
        user: the account that this agent runs as.

    Raises:
        Refused: with the code that the Engine is told. Does not check replay.
    """
    script_text, encoding, files = _outer(payload)
    opened = open_envelope(payload.get("envelope"), expected_type=JOB_TYPE, trusted=trusted)
    order = parse_job(opened.payload)
    _check_device(order.device_guid, device_guid)
    if order.context is not context:
        raise Refused(RefusalCode.WRONG_CONTEXT, f"sealed for the {order.context} agent, this is the {context} one")
    check_user(order.user, user)
    _check_time(order.issued_at, order.expires_at, now)
    script = _script(script_text, encoding)
    if hashlib.sha256(script).hexdigest() != order.script_sha256:
        raise Refused(RefusalCode.DIGEST_MISMATCH, "the script is not the one that was signed")
    return VerifiedJob(order, script, _match_files(files, order.files), opened.key_id, payload)


def verify_cancel(payload: Any, *, trusted: Mapping[str, VerifyKey], device_guid: str, now: float) -> CancelOrder:
    """Open ``quick_job_cancel``. A cancel names no context: a run id is cancelled by whichever agent has it.

    Args:
        payload: as it came, ``{"envelope": …}`` or the envelope itself.

    Raises:
        Refused: with the code for the log. A replayed cancel ends a run that has ended already, which does nothing.
    """
    opened = open_envelope(_envelope_of(payload), expected_type=CANCEL_TYPE, trusted=trusted)
    order = parse_cancel(opened.payload)
    _check_device(order.device_guid, device_guid)
    _check_time(order.issued_at, order.expires_at, now)
    return order


def verify_screen(
    payload: Any,
    *,
    trusted: Mapping[str, VerifyKey],
    device_guid: str,
    context: RunContext,
    now: float,
    user: str = "",
) -> ScreenOrder:
    """Open an order to look at the screen, of ``screen_order`` or ``list_agent_windows``.

    Args:
        payload: as it came, ``{"envelope": …}`` or the envelope itself.
        context: the run context of this agent: whoever is signed in is looked at by their own agent alone.
        user: the account that this agent runs as.

    Raises:
        Refused: with the code that the Engine is told. Does not check replay.
    """
    opened = open_envelope(_envelope_of(payload), expected_type=SCREEN_TYPE, trusted=trusted)
    order = parse_screen(opened.payload)
    _check_device(order.device_guid, device_guid)
    if order.context is not context:
        raise Refused(RefusalCode.WRONG_CONTEXT, f"sealed for the {order.context} agent, this is the {context} one")
    check_user(order.user, user)
    _check_time(order.issued_at, order.expires_at, now)
    return order


def verify_update(
    payload: Any, *, trusted: Mapping[str, VerifyKey], device_guid: str, context: RunContext, now: float
) -> UpdateOrder:
    """Open ``agent_silent_update``.

    Args:
        payload: as it came, ``{"envelope": …}`` or the envelope itself.
        context: the run context of this agent: the SYSTEM agent alone replaces what both of them are started from.

    Raises:
        Refused: with the code that the Engine is told. Checks neither replay nor which release it is.
    """
    opened = open_envelope(_envelope_of(payload), expected_type=UPDATE_TYPE, trusted=trusted)
    order = parse_update(opened.payload)
    _check_device(order.device_guid, device_guid)
    _check_is_system(context, "an update is")
    _check_time(order.issued_at, order.expires_at, now)
    return order


def verify_tunnel(
    payload: Any, *, trusted: Mapping[str, VerifyKey], device_guid: str, context: RunContext, now: float
) -> TunnelStart | TunnelStop:
    """Open a tunnel order, of ``vpn_tunnel_start`` or ``vpn_tunnel_stop``.

    Args:
        payload: as it came, ``{"envelope": …}`` or the envelope itself. Upstream's fields around it are not looked at.
        context: the run context of this agent: tunnels are the SYSTEM agent's.

    Raises:
        Refused: with the code that the Engine is told. Does not check replay.
    """
    opened = open_envelope(_envelope_of(payload), expected_type=TUNNEL_TYPE, trusted=trusted)
    order = parse_tunnel(opened.payload)
    _check_device(order.device_guid, device_guid)
    _check_is_system(context, "tunnels are")
    _check_time(order.issued_at, order.expires_at, now)
    return order


def verify_entry(
    envelope: Any,
    *,
    kind: EntryKind[Order],
    trusted: Mapping[str, VerifyKey],
    device_guid: str,
    context: RunContext,
    now: float,
) -> Order:
    """Open an order to enter, as it comes in the first line of a connection.

    Args:
        envelope: the JSON value as it came; anything.
        kind: what is entered.
        context: the run context of this agent: entries are the SYSTEM agent's.

    Raises:
        Refused: with the code that whoever connects is told. Does not check replay.
    """
    opened = open_envelope(envelope, expected_type=kind.payload_type, trusted=trusted)
    order = kind.parse(opened.payload)
    _check_device(order.device_guid, device_guid)
    _check_is_system(context, kind.whose)
    _check_time(order.issued_at, order.expires_at, now)
    return order


def apply_keys(payload: Any, *, current: TrustedKeys) -> TrustedKeys:
    """Open ``signing_keys_changed`` and give the keys to trust from now on.

    A statement has no expiry: a device that was away for a year must be able to follow. Only a newer one counts, and
    a key that was ever revoked never comes back.

    Args:
        payload: as it came, ``{"envelope": …}`` or the envelope itself.

    Raises:
        Refused: not by a trusted key, ``replayed`` where it is not newer than the last one, or it leaves no key.
    """
    opened = open_envelope(_envelope_of(payload), expected_type=KEYS_TYPE, trusted=current.keys)
    statement = parse_keys(opened.payload)
    if statement.issued_at <= current.issued_at:
        raise Refused(RefusalCode.REPLAYED, "the key statement is not newer than the one this device follows")
    revoked = current.revoked | set(statement.revoked)
    keys = {key_id: key for key_id, key in index_keys(statement.keys).items() if key_id not in revoked}
    if not keys:
        raise Refused(RefusalCode.MALFORMED, "the key statement leaves no key to trust")
    return TrustedKeys(keys, revoked, statement.issued_at)


def keys_after_enrolment(offered: TrustedKeys, *, pinned: TrustedKeys, same_engine: bool, fresh: bool) -> TrustedKeys:
    """The signing keys to trust after an enrolment was approved.

    Whoever holds the Engine's TLS key but not its signing key could send every device to enrol again, and approve it
    with a signing key of his own. So a device that has pinned signing keys keeps them, unless an operator has just
    given it a code: then a person stands at it, as at the first enrolment.

    Args:
        offered: what the Engine's answer names.
        pinned: what this device trusted before.
        same_engine: the CA pin is the one it had before.
        fresh: the code or token was not used before.

    Raises:
        Refused: ``unknown_key``: none of the pinned keys is among the offered ones.
    """
    if not same_engine or not pinned.keys:
        return offered
    if not fresh:
        if not set(offered.keys) & set(pinned.keys):
            raise Refused(RefusalCode.UNKNOWN_KEY, "the Engine names other signing keys than this device has pinned")
        return pinned
    keys = {key_id: key for key_id, key in offered.keys.items() if key_id not in pinned.revoked}
    if not keys:
        raise Refused(RefusalCode.UNKNOWN_KEY, "the Engine names revoked signing keys only")
    return TrustedKeys(keys, pinned.revoked, max(offered.issued_at, pinned.issued_at))


def check_user(named: str, own: str) -> None:
    """An order that names a user is that user's alone.

    Raises:
        Refused: ``wrong_context``.
    """
    if named and named != own:
        raise Refused(RefusalCode.WRONG_CONTEXT, "sealed for another user of this device")


def _outer(payload: Any) -> tuple[str, str, list[tuple[str, str]]]:
    """Script text, its encoding, and files as (name, base64): shapes and sizes only, nothing is decoded yet."""
    if not isinstance(payload, dict):
        raise _malformed("the job is not an object")
    script, encoding = payload.get("script_content"), payload.get("script_encoding", "base64")
    if not isinstance(script, str) or not isinstance(encoding, str) or encoding not in {"base64", "plain"}:
        raise _malformed("script_content is a text, in base64 or plain")
    if len(script) > (_MAX_SCRIPT_CHARS if encoding == "base64" else MAX_SCRIPT_BYTES):
        raise Refused(RefusalCode.TOO_LARGE, f"the script exceeds {MAX_SCRIPT_BYTES} bytes")
    listed = payload.get("files", [])
    if not isinstance(listed, list):
        raise _malformed("files is a list")
    if len(listed) > MAX_FILES:
        raise Refused(RefusalCode.TOO_LARGE, f"more than {MAX_FILES} files")
    files = [_outer_file(item) for item in listed]
    if sum(len(data) for _, data in files) > _MAX_FILES_CHARS:
        raise Refused(RefusalCode.TOO_LARGE, f"the files exceed {MAX_FILES_BYTES} bytes")
    return script, encoding, files


def _outer_file(item: Any) -> tuple[str, str]:
    if not isinstance(item, dict):
        raise _malformed("a file has file_name and data")
    name, data = item.get("file_name", item.get("name")), item.get("data")
    if not isinstance(data, str):
        raise _malformed("a file has file_name and data")
    return safe_file_name(name), data


def _script(text: str, encoding: str) -> bytes:
    try:
        script = base64s.decode(text) if encoding == "base64" else text.encode("utf-8")
        script.decode("utf-8")
    except ValueError as error:
        raise _malformed("the script is not UTF-8 text in the encoding that is named") from error
    if len(script) > MAX_SCRIPT_BYTES:
        raise Refused(RefusalCode.TOO_LARGE, f"the script exceeds {MAX_SCRIPT_BYTES} bytes")
    return script


def _match_files(sent: list[tuple[str, str]], signed: tuple[FileDigest, ...]) -> tuple[JobFile, ...]:
    by_name = dict(sent)
    if len(by_name) != len(sent):
        raise _malformed("two files have the same name")
    if set(by_name) != {file.name for file in signed}:
        raise Refused(RefusalCode.DIGEST_MISMATCH, "other files came than were signed")
    return tuple(JobFile(digest.name, _file_data(by_name[digest.name], digest)) for digest in signed)


def _file_data(text: str, digest: FileDigest) -> bytes:
    try:
        data = base64s.decode(text)
    except ValueError as error:
        raise _malformed("a file is not base64") from error
    if len(data) != digest.size or hashlib.sha256(data).hexdigest() != digest.sha256:
        raise Refused(RefusalCode.DIGEST_MISMATCH, f"file {digest.name!r} is not the one that was signed")
    return data


def _envelope_of(payload: Any) -> Any:
    return payload["envelope"] if isinstance(payload, dict) and "envelope" in payload else payload


def _check_is_system(context: RunContext, what: str) -> None:
    if context is not RunContext.SYSTEM:
        raise Refused(RefusalCode.WRONG_CONTEXT, f"{what} for the system agent, this is the {context} one")


def _check_device(named: str, own: str) -> None:
    if not own or named != own:
        raise Refused(RefusalCode.WRONG_DEVICE, "sealed for another device")


def _check_time(issued_at: float, expires_at: float, now: float) -> None:
    # Skew is allowed for orders from the future only: an order past its time has been given up by the Engine, and
    # running it then would make the Engine's record untrue.
    if issued_at > now + CLOCK_SKEW_SECONDS:
        raise Refused(RefusalCode.NOT_YET_VALID, f"issued {issued_at - now:.0f} s in this device's future")
    if expires_at <= now:
        raise Refused(RefusalCode.EXPIRED, f"expired {now - expires_at:.0f} s ago by this device's clock")


def _malformed(detail: str) -> Refused:
    return Refused(RefusalCode.MALFORMED, detail)
