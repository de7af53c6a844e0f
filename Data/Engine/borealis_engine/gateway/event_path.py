"""The way of every event from a socket to its handler: rule, rate, form, and an answer that tells what was wrong."""

from typing import Any

import msgspec

from borealis_base.clock import Clock
from borealis_engine.core.errors import EngineError
from borealis_engine.core.log import get_logger
from borealis_engine.gateway import rules
from borealis_engine.gateway.device_door import DeviceDoor
from borealis_engine.gateway.frames import MALFORMED
from borealis_engine.gateway.operator_door import OperatorDoor
from borealis_engine.gateway.operator_socket import OperatorSocket
from borealis_engine.gateway.rules import EVENT_RULES, Verdict
from borealis_engine.gateway.sessions import DeviceSession

log = get_logger("agents")


class EventPath:
    """Default deny: what ``rules.EVENT_RULES`` does not name reaches nobody."""

    def __init__(self, *, clock: Clock, devices: DeviceDoor, operators: OperatorDoor) -> None:
        self._clock = clock
        self._devices = devices
        self._operators = operators
        self.unknown = 0
        self.malformed = 0
        self.dropped = 0

    async def handle(
        self, owner: DeviceSession | OperatorSocket, name: str, payload: msgspec.Raw, attached: bytes | None = None
    ) -> Any:
        """Judge an event and give the acknowledgement.

        ``attached`` are the bytes that came beside it, None where none did. ``None`` acknowledges with nothing.
        Senders that go too fast wait here; what is droppable is dropped.
        """
        if name == MALFORMED:
            self.malformed += 1
            await owner.connection.close(reason="malformed event")
            return None
        is_device = isinstance(owner, DeviceSession)
        permissions = frozenset() if isinstance(owner, DeviceSession) else owner.permissions
        size = memoryview(payload).nbytes + len(attached or b"")
        verdict = rules.judge(name, "device" if is_device else "operator", size, permissions)
        if verdict != Verdict.PASS:
            self.unknown += 1
            return rules.refusal(verdict)
        if not await self._in_time(owner, name):
            self.dropped += 1
            return {"error": "rate_limited", "detail": "Too many events; this one was dropped."}
        return await self._answer(owner, name, payload, attached)

    def statistics(self) -> dict[str, int]:
        """What did not get through, for metrics."""
        return {
            "events_refused": self.unknown,
            "events_malformed": self.malformed,
            "events_dropped": self.dropped,
        }

    async def _in_time(self, owner: DeviceSession | OperatorSocket, name: str) -> bool:
        now = self._clock.monotonic()
        if EVENT_RULES[name].droppable:
            return owner.events.take(1, now)
        delay = owner.events.delay(EVENT_RULES[name].cost, now)
        if delay > 0:
            await self._clock.sleep(delay)
        return not owner.connection.closed

    async def _answer(
        self, owner: DeviceSession | OperatorSocket, name: str, payload: msgspec.Raw, attached: bytes | None
    ) -> Any:
        try:
            if attached is not None:
                taker = self._devices.attached.get(name)
                if taker is None or not isinstance(owner, DeviceSession):
                    return {"error": "invalid_request", "detail": "This event comes without bytes beside it."}
                return await taker(owner, payload, attached)
            if isinstance(owner, DeviceSession):
                return await self._devices.handlers[name](owner, payload)
            return await self._operators.handlers[name](owner, payload)
        except EngineError as error:
            return {"error": error.code, "detail": error.detail}
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            return {"error": "invalid_request", "detail": f"The event has another form: {error}"[:300]}
        except Exception:
            log.exception("unexpected error in a socket event", event_name=name)
            return {"error": "internal_error", "detail": "The Engine met a fault of its own; its log has the reason."}
