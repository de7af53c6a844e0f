"""The orders that operators may give about remote desktop, as they lie in a signed job."""

from dataclasses import dataclass
from typing import Literal, cast

from borealis_wire import strict_json
from borealis_wire.events import RefusalCode
from borealis_wire.refusal import Refused

Action = Literal["look", "prepare", "undo"]
ACTIONS = frozenset({"look", "prepare", "undo"})


@dataclass(frozen=True, slots=True)
class DesktopOrder:
    """``open_network``: let other machines connect too, by what it listens on and through the firewall."""

    action: Action
    open_network: bool = False


def parse_order(script: bytes) -> DesktopOrder:
    """Read a signed order.

    Raises:
        Refused: ``malformed``; a member that is not known may be a condition, so nothing is done.
    """
    try:
        found = strict_json.loads(script, max_bytes=4096)
    except strict_json.JsonError as error:
        raise Refused(RefusalCode.MALFORMED, str(error)) from error
    if not isinstance(found, dict) or not {"action"} <= set(found) <= {"action", "open_network"}:
        raise Refused(RefusalCode.MALFORMED, "an order about remote desktop has action and may have open_network")
    action, open_network = found["action"], found.get("open_network", False)
    if action not in ACTIONS or not isinstance(open_network, bool):
        raise Refused(RefusalCode.MALFORMED, "action is look, prepare or undo; open_network is true or false")
    return DesktopOrder(cast(Action, action), open_network)
