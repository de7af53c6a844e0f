"""What devices say: decoded, judged, handed to ``dispatch``; and what they are told about signing keys.

Believes the access token about who speaks, never the message.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from borealis_base.tasks import Supervisor
from borealis_engine.core.errors import EngineError
from borealis_engine.core.log import get_logger
from borealis_engine.gateway.frames import encode_event
from borealis_engine.gateway.hello import Hello, read_hello
from borealis_engine.gateway.ports import Dispatch, KeyStatements, Tunnels, Updates
from borealis_engine.gateway.screen_door import DeviceScreens
from borealis_engine.gateway.sessions import DeviceSession
from borealis_engine.gateway.socket_server import SocketServer
from borealis_wire.events import DeviceEvent, EngineEvent, RunContext
from borealis_wire.messages import JobOutput, JobResult
from borealis_wire.updates import UpdateTold

log = get_logger("agents")
Handler = Callable[[DeviceSession, msgspec.Raw], Awaitable[Any]]


class _Result(JobResult, frozen=True):
    """A result whose ``context`` is checked to be JSON and never becomes objects: nothing here reads it."""

    context: msgspec.Raw = msgspec.Raw(b"{}")  # type: ignore[assignment]


_OUTPUT: Final = msgspec.json.Decoder(JobOutput)
_RESULT: Final = msgspec.json.Decoder(_Result)
_UPDATE: Final = msgspec.json.Decoder(UpdateTold)


class DeviceDoor:
    """Handlers of devices' events by name."""

    def __init__(
        self,
        *,
        dispatch: Dispatch,
        keys: KeyStatements,
        server: SocketServer,
        screens: DeviceScreens,
        updates: Updates,
        tunnels: Tunnels,
    ) -> None:
        self._tunnels = tunnels
        self._dispatch = dispatch
        self._keys = keys
        self._server = server
        self._updates = updates
        self.tasks: Supervisor | None = None
        self.handlers: dict[str, Handler] = {
            DeviceEvent.CONNECT_AGENT: self._connect_agent,
            DeviceEvent.REQUEST_CONFIG: self._request_config,
            DeviceEvent.QUICK_JOB_OUTPUT: self._output,
            DeviceEvent.QUICK_JOB_RESULT: self._result,
            DeviceEvent.COLLECTOR_STATUS: self._tolerated,
            DeviceEvent.MACRO_STATUS: self._tolerated,
            DeviceEvent.AGENT_SILENT_UPDATE_STATUS: self._update_status,
            **screens.handlers,
        }
        self.attached = screens.attached

    async def tell_keys(self, session: DeviceSession) -> None:
        """Send the statements about signing keys that this session has not had, in their order."""
        statements = self._keys.statement_for_devices()
        if session.statements_told >= len(statements):
            return
        async with session.telling:  # two that send at once must not tell the same one twice
            for envelope in statements[session.statements_told :]:
                text = encode_event(EngineEvent.SIGNING_KEYS_CHANGED, {"envelope": envelope})
                await self._server.send(session.address, text)
                session.statements_told += 1

    async def _connect_agent(self, session: DeviceSession, payload: msgspec.Raw) -> dict[str, Any]:
        hello = read_hello(payload, session.identity)
        if hello.mismatch:
            log.warning("a device claimed to be another", guid=session.identity.guid, peer=session.identity.peer)
            if self.tasks is not None:
                # Later, so that the answer goes out first.
                self.tasks.start("cut an impostor", self._cut_soon(session))
        elif hello.accepted and self.tasks is not None:
            self.tasks.start("device ready", self._ready(session, hello))
        return hello.answer

    async def _cut_soon(self, session: DeviceSession) -> None:
        await self._server.wait_sent(session.address)
        await session.connection.close()

    async def _ready(self, session: DeviceSession, hello: Hello) -> None:
        await self.tell_keys(session)
        if not session.usable:
            return
        session.registered = True
        self._tunnels.device_ready(session.identity.guid, session.identity.context, hello.wireguard_public_key)
        try:
            guid, context, user = session.key
            await self._dispatch.device_ready(guid, context, set(hello.running), user=user)
        except EngineError as error:
            log.warning("what a device has could not be noted yet", guid=session.identity.guid, error_code=error.code)

    async def _request_config(self, session: DeviceSession, _payload: msgspec.Raw) -> dict[str, Any]:
        await self._server.send(session.address, encode_event(EngineEvent.AGENT_CONFIG, {"roles": []}))
        return {"status": "ok"}

    async def _output(self, session: DeviceSession, payload: msgspec.Raw) -> dict[str, Any]:
        output = _OUTPUT.decode(payload)
        guid, context, user = session.key
        await self._dispatch.device_output(guid, context, output, user=user)
        return {"status": "ok"}

    async def _result(self, session: DeviceSession, payload: msgspec.Raw) -> dict[str, str]:
        result = _RESULT.decode(payload)
        guid, context, user = session.key
        return await self._dispatch.device_result(guid, context, result, user=user)

    async def _tolerated(self, session: DeviceSession, _payload: msgspec.Raw) -> dict[str, Any]:
        """Upstream's agents say these; what matters of them comes another way (of a macro: by its run's output)."""
        return {"status": "ok"}

    async def _update_status(self, session: DeviceSession, payload: msgspec.Raw) -> dict[str, str]:
        if session.identity.context is not RunContext.SYSTEM:
            return {"error": "forbidden", "detail": "The SYSTEM agent alone replaces itself."}
        return await self._updates.told(session.identity.guid, _UPDATE.decode(payload))
