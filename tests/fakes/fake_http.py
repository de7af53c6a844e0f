"""The agent's REST door without an Engine behind it."""

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
from tests.fakes.jobs import GUID

from borealis_wire.events import RunContext


class FakeHttp:
    """Stands in for ``http.AgentHttpClient``: remembers what was posted, answers what a test says."""

    def __init__(self, base_url: str = "http://127.0.0.1:1", context: RunContext = RunContext.SYSTEM) -> None:
        self.base_url = base_url
        self.context = context
        self.guid = GUID
        self.token = "token-1"
        self.renewed = 0
        self.posted: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {}
        self.failure: Exception | None = None

    async def ensure_authenticated(self) -> str:
        if self.failure is not None:
            raise self.failure
        return self.token

    async def renew(self) -> str:
        self.renewed += 1
        self.token = f"token-{self.renewed + 1}"
        return await self.ensure_authenticated()

    def auth_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "X-Borealis-Agent-Context": "SYSTEM"}

    def socket_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    def agent_id(self, hostname: str) -> str:
        return f"{hostname}_{self.guid}_SYSTEM"

    async def post_json(self, path: str, payload: Mapping[str, Any], *, require_auth: bool = True) -> dict[str, Any]:
        del require_auth
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        self.posted.append((path, dict(payload)))
        answer = self.answers.get(path, {"status": "ok"})
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)
