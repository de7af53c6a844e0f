"""``connect_agent``: judging what a device says about itself when its session begins; pure."""

import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from borealis_engine.gateway.admission import DeviceIdentity
from borealis_wire import PROTOCOL_VERSION
from borealis_wire.events import CONTEXT_HEADER_VALUES, SERVICE_MODES
from borealis_wire.messages import ConnectAgent

OLDEST_VERSION: Final = 0
"""Agents from before versions were counted say nothing, which reads as 0. They are served."""
_AGENT_ID: Final = re.compile(r"(?:.*_)?(?P<guid>[0-9A-Fa-f-]{36})(?:_(?P<label>[A-Za-z]+))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Hello:
    """What becomes of a ``connect_agent``. ``answer`` is its acknowledgement; ``mismatch`` ends the session."""

    answer: dict[str, Any]
    accepted: bool = False
    mismatch: bool = False
    running: tuple[str, ...] = ()
    wireguard_public_key: str = ""


def read_hello(payload: msgspec.Raw, identity: DeviceIdentity) -> Hello:
    """Compare what the message claims with what the token said.

    Args:
        payload: ``ConnectAgent``, or the agent id alone as a string, which upstream's agents send.
        identity: who is on this socket.

    Raises:
        msgspec.ValidationError: neither of the two.
    """
    message = _read(payload)
    if not message.agent_id:
        return Hello({"error": "agent_id_required", "detail": "Send agent_id with connect_agent."})
    if not _claims_itself(message, identity):
        detail = "agent_id or service_mode are not those of the access token. A device may speak for itself only."
        return Hello({"error": "agent_id_mismatch", "detail": detail}, mismatch=True)
    answer: dict[str, Any] = {
        "status": "ok",
        "protocol_version": PROTOCOL_VERSION,
        "guid": identity.guid,
        "context": identity.context.value,
    }
    notice = version_notice(message.protocol_version)
    if notice:
        answer["notice"] = notice
    key = message.wireguard_public_key
    return Hello(answer, accepted=True, running=tuple(message.running), wireguard_public_key=key)


def version_notice(version: int) -> str:
    """What a device with another protocol version is told; empty for one with ours. All known ones are served."""
    if version == PROTOCOL_VERSION:
        return ""
    if version > PROTOCOL_VERSION:
        return (
            f"This Engine speaks protocol version {PROTOCOL_VERSION}, the agent {version}. "
            "It is served as far as the Engine knows; update the Engine."
        )
    return (
        f"This Engine speaks protocol version {PROTOCOL_VERSION}, the agent {version}. It is served; update the agent."
    )


def _read(payload: msgspec.Raw) -> ConnectAgent:
    message = msgspec.json.decode(payload, type=ConnectAgent | str)
    return ConnectAgent(agent_id=message[:256]) if isinstance(message, str) else message


def _claims_itself(message: ConnectAgent, identity: DeviceIdentity) -> bool:
    found = _AGENT_ID.fullmatch(message.agent_id)
    if found is None or found["guid"].upper() != identity.guid.upper():
        return False
    label = CONTEXT_HEADER_VALUES[identity.context]
    if found["label"] is not None and found["label"].upper() != label:
        return False
    return message.service_mode.lower() in {"", SERVICE_MODES[identity.context], label.lower()}
