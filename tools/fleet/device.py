"""One simulated device: connects, beats, and answers orders that its own trust policy accepts."""

import asyncio
import ssl
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import socketio

from borealis_agent.trust.policy import verify_job
from borealis_wire.events import HEADER_CONTEXT, DeviceEvent, EngineEvent, Rest, RunContext, RunStatus
from borealis_wire.keys import VerifyKey
from borealis_wire.messages import agent_id
from borealis_wire.refusal import Refused
from fleet.seed import SeededDevice

CONNECT_SECONDS = 30


class SimulatedDevice:
    """Answers each order with ``work_seconds`` of pretended work and one line of output."""

    def __init__(
        self,
        seeded: SeededDevice,
        *,
        url: str,
        tls: ssl.SSLContext,
        trusted: Mapping[str, VerifyKey],
        work_seconds: float = 0.0,
    ) -> None:
        self.seeded = seeded
        self.url = url
        self.tls = tls
        self.trusted = trusted
        self.work_seconds = work_seconds
        self.ran = 0
        self.refused = 0
        self.drops = 0
        self._session: aiohttp.ClientSession | None = None
        self._socket: Any = None
        self._working: set[asyncio.Future[None]] = set()

    @property
    def headers(self) -> dict[str, str]:
        """What each request carries."""
        return {"Authorization": f"Bearer {self.seeded.access_token}", HEADER_CONTEXT: "SYSTEM"}

    @property
    def connected(self) -> bool:
        """Whether the socket is up."""
        return self._socket is not None and bool(self._socket.connected)

    async def connect(self) -> None:
        """Open the socket and say who is there.

        Raises:
            socketio.exceptions.ConnectionError: refused, or nobody there.
        """
        await self.close()
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self.tls, limit=4))
        client = socketio.AsyncClient(reconnection=False, http_session=self._session)
        client.on(EngineEvent.QUICK_JOB_RUN, self._on_job)
        client.on("disconnect", self._on_disconnect)
        self._socket = client
        await client.connect(self.url, headers=self.headers, transports=["websocket"], wait_timeout=CONNECT_SECONDS)
        await client.call(
            DeviceEvent.CONNECT_AGENT,
            {
                "agent_id": agent_id(self.seeded.hostname, self.seeded.guid, "SYSTEM"),
                "service_mode": "system",
                "hostname": self.seeded.hostname,
                "protocol_version": 1,
                "running": [],
            },
            timeout=CONNECT_SECONDS,
        )

    async def stay(self, stop: asyncio.Event) -> None:
        """Stay connected until told to stop; comes back after each loss, within two seconds."""
        while not stop.is_set():
            if not self.connected:
                try:
                    await self.connect()
                except (socketio.exceptions.ConnectionError, socketio.exceptions.TimeoutError, OSError):
                    await asyncio.sleep(0.5 + (hash(self.seeded.guid) % 1000) / 700)
                    continue
            await asyncio.sleep(0.25)

    async def heartbeat(self, session: aiohttp.ClientSession) -> int:
        """One heartbeat; gives the status of the answer."""
        body = {
            "guid": self.seeded.guid,
            "hostname": self.seeded.hostname,
            "metrics": {
                "service_mode": "system",
                "uptime": time.monotonic(),
                "cpu_percent": 3.0,
                "memory_percent": 41.0,
            },
        }
        async with session.post(self.url + Rest.HEARTBEAT, json=body, headers=self.headers, ssl=self.tls) as answer:
            await answer.read()
            return answer.status

    async def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            await self._socket.disconnect()
            self._socket = None
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _on_job(self, payload: dict[str, Any]) -> dict[str, str]:
        try:
            job = verify_job(
                payload,
                trusted=self.trusted,
                device_guid=self.seeded.guid,
                context=RunContext.SYSTEM,
                now=time.time(),
            )
        except Refused as refusal:
            self.refused += 1
            return {"status": "refused", "reason": refusal.code}
        work = asyncio.ensure_future(self._work(job.order.run_id, job.order.job_id))  # noqa: TID251  kept just below
        self._working.add(work)
        work.add_done_callback(self._working.discard)
        return {"status": "accepted"}

    async def _work(self, run_id: str, job_id: int | str) -> None:
        started = time.time()
        if self.work_seconds:
            await asyncio.sleep(self.work_seconds)
        result = {
            "run_id": run_id,
            "job_id": job_id,
            "status": RunStatus.SUCCESS,
            "stdout": f"{self.seeded.hostname}\n",
            "stderr": "",
            "exit_code": 0,
            "started_at": started,
            "finished_at": time.time(),
        }
        for _ in range(20):
            try:
                answer = await self._socket.call(DeviceEvent.QUICK_JOB_RESULT, result, timeout=30)
            except (socketio.exceptions.SocketIOError, AttributeError):
                await asyncio.sleep(1)
                continue
            if isinstance(answer, dict) and answer.get("status") == "ok":
                self.ran += 1
                return
            await asyncio.sleep(1)

    async def _on_disconnect(self, _reason: Any = None) -> None:
        self.drops += 1
