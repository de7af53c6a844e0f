"""The composed Engine in this process, over TLS: a device's socket, a job through it, its end recorded."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import socketio
from tests.fakes.gateway_world import until
from tests.programs.programs import free_port
from tests.programs.web import web_session

from borealis_base.clock import SystemClock
from borealis_base.tasks import Supervisor
from borealis_engine.app.composition import Engine, build
from borealis_engine.app.listening import bind
from borealis_engine.app.program import keep_running, loops
from borealis_engine.app.serving import make_server
from borealis_engine.core.ids import SystemRandomness
from borealis_engine.core.settings import EngineSettings, load_settings
from borealis_engine.devices import DeviceAuth, admit
from borealis_engine.jobs import LaunchRequest
from borealis_engine.operators.permissions import OperatorRole, Principal
from borealis_wire import envelope
from borealis_wire.events import RunContext
from borealis_wire.keys import SigningKey

pytestmark = pytest.mark.slow
OWNER = Principal(None, "owner", OperatorRole.ADMIN, via="owner", credential_id="owner")


@contextlib.asynccontextmanager
async def serving(root: Path) -> AsyncIterator[tuple[Engine, EngineSettings]]:
    """A composed Engine that serves."""
    environment = {"BOREALIS_ROOT": str(root), "BOREALIS_ENGINE_PORT": str(free_port())}
    settings = load_settings({**environment, "BOREALIS_ENGINE_HOST": "127.0.0.1"}, source_root=root)
    clock = SystemClock()
    engine = await build(settings, clock=clock, randomness=SystemRandomness())
    listening = asyncio.Event()
    server = make_server(engine.asgi, engine.services.certificates, listening.set)
    try:
        async with Supervisor() as tasks:
            for name, work in loops(engine, settings).items():
                tasks.start(name, keep_running(name, work, clock))
            served = tasks.start("server", server.serve(bind(settings)))
            await listening.wait()
            yield engine, settings
            server.should_exit = True
            await served
            await engine.gateway.close()
    finally:
        engine.close()


async def add_device(engine: Engine) -> DeviceAuth:
    """An admitted device."""
    public = SigningKey.from_seed(bytes(range(32))).public
    services = engine.services
    device = await services.db.write(
        lambda connection: admit(
            connection,
            guid=None,
            hostname="alpha",
            fingerprint=public.fingerprint,
            public_key_spki=public.spki,
            site_id=None,
            now=services.clock.now(),
            randomness=services.randomness,
        )
    )
    services.devices.admitted(device)
    return device


async def test_a_job_goes_through_a_device_socket_over_tls(tmp_path: Path) -> None:
    async with serving(tmp_path) as (engine, settings):
        services = engine.services
        device = await add_device(engine)
        context = ssl.create_default_context(cafile=str(services.certificates.bundle_path))
        async with web_session(context) as http:
            client = socketio.AsyncClient(http_session=http, reconnection=False, handle_sigint=False)
            taken: list[Any] = []

            @client.on("quick_job_run")  # type: ignore[untyped-decorator]
            async def take(payload: Any) -> Any:
                taken.append(payload)
                return {"status": "accepted"}

            token = services.access_tokens.issue(device, RunContext.SYSTEM, services.clock.now())
            headers = {"Authorization": f"Bearer {token}", "X-Borealis-Agent-Context": "SYSTEM"}
            await client.connect(
                settings.url.replace("localhost", "127.0.0.1"), headers=headers, transports=["websocket"]
            )
            await client.call("connect_agent", {"agent_id": device.guid, "protocol_version": 1}, timeout=5)
            await until(lambda: engine.gateway.has_session(device.guid, RunContext.SYSTEM))
            assert services.devices.presence(device.guid)["contexts"] == ["system"]

            launched = await services.jobs.launch(
                OWNER, LaunchRequest(script_content="id", script_type="bash", all=True)
            )
            run_id = launched.results[0].run_id
            await until(lambda: taken)
            sealed = taken[0]["envelope"]
            key = services.signing.current_public
            opened = envelope.open_envelope(sealed, expected_type=envelope.JOB_TYPE, trusted={key.key_id: key})
            assert run_id.encode() in opened.payload
            result = {"run_id": run_id, "status": "Success", "stdout": "uid=0", "exit_code": 0}
            assert await client.call("quick_job_result", result, timeout=5) == {"status": "ok"}
            assert await client.call("quick_job_result", result, timeout=5) == {"status": "ok", "ignored": "repeated"}
            run = await services.jobs.history.run(None, run_id=run_id)
            assert (run["status"], run["stdout"]) == ("Success", "uid=0")
            await client.disconnect()
            await until(lambda: services.devices.presence(device.guid)["contexts"] == [])
