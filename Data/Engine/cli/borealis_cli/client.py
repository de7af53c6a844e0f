"""The Engine's REST API: requests, and answers or sentences. Safe to use from several threads at once."""

import contextlib
import json
import random
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from borealis_base.backoff import Backoff
from borealis_cli.errors import CliError, Refusal, Unreachable
from borealis_cli.places import Target
from borealis_cli.trust import pinned_context

CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 60.0
WAIT_SECONDS: Final = 30
"""How long one long poll asks the Engine to hold its answer back."""
SEND_SECONDS: Final = 900.0
"""How long a device may take to bring a large file to its disk."""
PATIENCE_SECONDS: Final = 600.0
"""How long an Engine may be away while somebody waits for a run: it may be restarting."""


class EngineClient:
    """One Engine, as one operator."""

    def __init__(
        self,
        target: Target,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        find_again: Callable[[], Target] | None = None,
    ) -> None:
        self.target = target
        self._find_again = find_again
        self._sleep = sleep
        self._monotonic = monotonic
        self._http = httpx.Client(
            base_url=target.url,
            verify=pinned_context(target.ca_pem) if transport is None else True,
            transport=transport,
            headers={"Authorization": f"Bearer {target.token}"} if target.token else {},
            timeout=httpx.Timeout(READ_SECONDS + WAIT_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=64),
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """Ask. Parameters that are None or empty are left out.

        Raises:
            Refusal: the Engine said no.
            Unreachable: no answer.
        """
        given = {name: value for name, value in params.items() if value not in (None, "")}
        return self.request("GET", path, params=given)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Do something. Raises as :meth:`get`."""
        return self.request("POST", path, json=dict(body or {}))

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change something. Raises as :meth:`get`."""
        return self.request("PATCH", path, json=dict(body))

    def delete(self, path: str) -> dict[str, Any]:
        """Remove something. Raises as :meth:`get`."""
        return self.request("DELETE", path)

    def patient_get(self, path: str, **params: Any) -> dict[str, Any]:
        """Ask, and go on asking while the Engine is away or overloaded, for ten minutes.

        Raises:
            Refusal: the Engine said no.
            Unreachable: it did not come back.
        """
        backoff = Backoff(first=0.5, longest=10.0)
        deadline = self._monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self.get(path, **params)
            except (Unreachable, Refusal) as error:
                passing = isinstance(error, Unreachable) or error.http_status in {429, 502, 503, 504}
                if not passing or self._monotonic() >= deadline:
                    raise
            self._sleep(backoff.next_delay(random.Random()))  # noqa: S311  spreads load, guards nothing

    def post_for_bytes(self, path: str, body: Mapping[str, Any]) -> bytes:
        """Do something whose answer is no JSON. Raises as :meth:`get`."""
        return self._bytes("POST", path, json=dict(body))

    def get_for_bytes(self, path: str) -> bytes:
        """Ask for what is no JSON. Raises as :meth:`get`."""
        return self._bytes("GET", path)

    def _bytes(self, method: str, path: str, **options: Any) -> bytes:
        answer = self._answer(method, path, **options)
        if answer.status_code >= 400 or answer.headers.get("content-type", "").startswith("application/json"):
            _read(answer, self.target.url)
            raise Unreachable(f"What answers at {self.target.url} is no Borealis Engine of this version.")
        return answer.content

    @contextlib.contextmanager
    def stream(self, path: str, **options: Any) -> Iterator[httpx.Response]:
        """Ask for what is long; read it as it comes. Raises as :meth:`get`, and so does reading."""
        try:
            with self._http.stream("GET", path, **options) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    _read(answer, self.target.url)
                yield answer
        except httpx.TransportError as error:
            raise Unreachable(_why(error, self.target.url)) from error

    def send(self, path: str, params: Mapping[str, Any], content: Iterable[bytes], size: int) -> dict[str, Any]:
        """Put what is long, as it comes; ``size`` in bytes. Raises as :meth:`get`."""
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        limits = httpx.Timeout(SEND_SECONDS, connect=CONNECT_SECONDS)
        return self.request("PUT", path, params=dict(params), content=content, headers=headers, timeout=limits)

    def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """One request; ``options`` as httpx takes them. Raises as :meth:`get`."""
        return _read(self._answer(method, path, **options), self.target.url)

    def _answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        url = self.target.url
        try:
            return self._http.request(method, path, **options)
        except httpx.TimeoutException as error:
            raise Unreachable(f"The Engine at {url} did not answer in time. Try again.") from error
        except httpx.TransportError as error:
            raise Unreachable(_why(error, url)) from error

    def renew(self) -> bool:
        """The token is not taken any more: an Engine that was restarted has given its owner another one.

        Returns:
            Whether there is another one now.
        """
        try:
            found = self.target if self._find_again is None else self._find_again()
        except CliError:
            return False
        if not found.token or (found.url, found.ca_pem) != (self.target.url, self.target.ca_pem):
            return False
        is_other = found.token != self.target.token
        self.target = found
        self._http.headers["Authorization"] = f"Bearer {found.token}"
        return is_other

    @property
    def cookies(self) -> httpx.Cookies:
        """Cookies that the Engine set; empty after a token was used."""
        return self._http.cookies


def segment(text: str) -> str:
    """``text`` as one segment of a path."""
    return quote(text, safe="")


def _read(answer: httpx.Response, url: str) -> dict[str, Any]:
    try:
        body = answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        body = None
    if answer.status_code >= 400:
        given = body if isinstance(body, dict) else {}
        detail = str(given.get("detail") or f"The Engine answered with status {answer.status_code}.")
        raise Refusal(answer.status_code, str(given.get("error") or ""), detail)
    if not isinstance(body, dict):
        raise Unreachable(f"What answers at {url} is no Borealis Engine. Check the address.")
    return body


def _why(error: httpx.TransportError, url: str) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"The Engine at {url} shows a certificate that is not the pinned one ({cause.verify_message}). Nothing "
                "was sent. If its CA was replaced on purpose, sign in again: borealis login URL"
            )
        cause = cause.__cause__ or cause.__context__
    return f"No Engine answers at {url} ({error}). Check that it runs: ./Borealis.sh status"
