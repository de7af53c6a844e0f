"""The Engine's REST API as the bootstrap needs it: a client like any other, let in by the owner's token file.

Owns nothing. May be called by up, side and status.
"""

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.layout import Layout

_SECONDS: Final = 10.0
_LONG_POLL: Final = 5


class EngineSilent(Exception):
    """The Engine does not answer now: not started, on its way, or gone."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and parsed JSON body."""

    status: int
    body: dict[str, Any]

    @property
    def code(self) -> str:
        """The error code of a refusal; empty otherwise."""
        return str(self.body.get("error", "")) if self.status >= 400 else ""

    @property
    def detail(self) -> str:
        """The sentence of a refusal."""
        return str(self.body.get("detail", "") or self.code)


class EngineClient:
    """Talks to the Engine of one installation, over TLS, trusting its own CA alone."""

    def __init__(self, layout: Layout, url: str) -> None:
        self._layout = layout
        parts = urlsplit(url)
        self.url = url
        self._host = parts.hostname or "localhost"
        self._port = parts.port or 443

    def healthy(self) -> dict[str, Any] | None:
        """What ``/health`` says; None while the Engine does not answer with 200."""
        try:
            answer = self.ask("GET", "/health", owner=False, seconds=3.0)
        except EngineSilent:
            return None
        return answer.body if answer.status == 200 else None

    def ask(
        self, method: str, path: str, body: object = None, *, owner: bool = True, seconds: float = _SECONDS
    ) -> Answer:
        """One request.

        Raises:
            EngineSilent: no connection, or no answer in time.
            OSError: the owner's token or the CA cannot be read.
        """
        headers = {"Accept": "application/json"}
        payload = None
        try:
            if owner:
                headers["Authorization"] = f"Bearer {self._layout.owner_token.read_text(encoding='ascii').strip()}"
            context = ssl.create_default_context(cafile=str(self._layout.ca_bundle))
        except (FileNotFoundError, ssl.SSLError) as error:
            raise EngineSilent(str(error)) from error
        if body is not None:
            headers["Content-Type"] = "application/json"
            payload = json.dumps(body).encode()
        connection = http.client.HTTPSConnection(self._host, self._port, timeout=seconds, context=context)
        try:
            connection.request(method, path, body=payload, headers=headers)
            response = connection.getresponse()
            raw = response.read()
            parsed = json.loads(raw) if raw.strip() else {}
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise EngineSilent(f"{type(error).__name__}: {error}") from error
        finally:
            connection.close()
        return Answer(response.status, parsed if isinstance(parsed, dict) else {"value": parsed})

    def enrolment_token(self) -> str:
        """A token for one machine, good for an hour.

        Raises:
            CannotGoOn: the Engine said no.
            EngineSilent: it did not answer.
        """
        answer = self._need(self.ask("POST", "/api/admin/enrollment-codes", {"ttl_hours": 1, "max_uses": 1}))
        return str(answer.body["token"])

    def pending_approval(self, fingerprint: str) -> dict[str, Any] | None:
        """The admission request of the device with this key; None while it has not knocked.

        Raises:
            CannotGoOn: the Engine said no.
            EngineSilent: it did not answer.
        """
        answer = self._need(self.ask("GET", "/api/admin/device-approvals?status=pending"))
        for approval in answer.body.get("approvals", []):
            if approval.get("ssl_key_fingerprint_claimed") == fingerprint:
                found: dict[str, Any] = approval
                return found
        return None

    def approve(self, reference: str) -> Answer:
        """Admit a device; a refusal is the caller's to understand.

        Raises:
            EngineSilent: the Engine did not answer.
        """
        return self.ask("POST", f"/api/admin/device-approvals/{quote(reference, safe='')}/approve", {})

    def device(self, guid: str) -> dict[str, Any] | None:
        """The Engine's record of a device; None where it has none.

        Raises:
            CannotGoOn: the Engine said no.
            EngineSilent: it did not answer.
        """
        answer = self.ask("GET", f"/api/devices/{quote(guid, safe='')}")
        return None if answer.status == 404 else self._need(answer).body

    def run_script(self, guid: str, script: str, script_type: str) -> str:
        """Start a signed script on one device; gives the run's id.

        Raises:
            CannotGoOn: the Engine said no.
            EngineSilent: it did not answer.
        """
        body = {"script_content": script, "script_type": script_type, "guids": [guid], "script_name": "First run"}
        answer = self._need(self.ask("POST", "/api/scripts/quick_run", body))
        return str(answer.body["results"][0]["run_id"])

    def run(self, run_id: str) -> dict[str, Any]:
        """One run, asked for with patience: answers when it has ended, or after some seconds.

        Raises:
            CannotGoOn: the Engine said no.
            EngineSilent: it did not answer.
        """
        path = f"/api/runs/{quote(run_id, safe='')}?wait={_LONG_POLL}"
        return self._need(self.ask("GET", path, seconds=_SECONDS + _LONG_POLL)).body

    def setup_link(self) -> str:
        """The one-time link for the first operator; empty once there is one.

        Raises:
            OSError: the file cannot be read.
        """
        try:
            return self._layout.setup_link.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""

    def _need(self, answer: Answer) -> Answer:
        if answer.status >= 400:
            raise CannotGoOn(f"The Engine refused: {answer.detail} ({answer.code or answer.status}).")
        return answer
