"""Signing in to an Engine elsewhere: decide whom to trust, prove who one is, keep a personal token.

The password goes to the Engine once, over the pinned connection; what is stored is a token that can be ended by
itself, and the CA.
"""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from borealis_cli.client import EngineClient, segment
from borealis_cli.errors import USAGE, CliError
from borealis_cli.places import Login, Target
from borealis_cli.surroundings import Surroundings
from borealis_cli.trust import SeenCertificate, choose, look

DEFAULT_DAYS: Final = 90
_PIN_LENGTH: Final = 64


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to ask the Engine for. ``scopes`` empty: everything the operator may do."""

    username: str
    password: str
    days: int
    scopes: tuple[str, ...]
    name: str


def check_url(text: str) -> str:
    """An Engine's address.

    Raises:
        CliError: not ``https://host[:port]``.
    """
    url = text.strip()
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
        usable = parts.scheme == "https" and parts.hostname and parts.port != 0
    except ValueError:
        usable, parts = False, urlsplit("")
    if not usable or parts.username or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise CliError("The Engine's address is https://HOST or https://HOST:PORT.", USAGE)
    return f"https://{parts.netloc}"


def check_pin(text: str) -> str | None:
    """A fingerprint as typed or copied; None for none.

    Raises:
        CliError: not 64 hex digits.
    """
    pin = text.strip().lower().replace(":", "")
    if not pin:
        return None
    if len(pin) != _PIN_LENGTH or any(char not in "0123456789abcdef" for char in pin):
        raise CliError("--ca-pin is 64 hex digits, from `borealis server` on the Engine's own machine.", USAGE)
    return pin


def trusted_certificate(around: Surroundings, url: str, pin: str | None, *, yes: bool) -> SeenCertificate:
    """The CA to trust from now on: the pinned one, or one that a person agrees to.

    Raises:
        CliError: the pin is not there, or the person did not agree.
        Unreachable: nobody answers.
    """
    seen = choose(look(url), pin)
    if pin is None:
        around.note(f"The Engine at {url} shows a CA with the fingerprint\n  {seen.pin}")
        around.note("Compare it with what `borealis server` says on the Engine's own machine.")
        around.confirm("Is it the same?", yes=yes)
    return seen


def sign_in(around: Surroundings, url: str, seen: SeenCertificate, wanted: Wanted) -> Login:
    """Open a session, make a personal token with it, end the session.

    Raises:
        Refusal: user name, password or code are wrong, or too many tries.
        Unreachable: no answer, or the certificate does not hold.
    """
    with EngineClient(Target(url, "", seen.pem, is_owner=False), transport=around.transport) as client:
        body = {"username": wanted.username, "password": wanted.password}
        answer = client.post("/api/auth/login", body)
        if answer.get("status") == "mfa_required":
            if not around.interactive:
                raise CliError("This account has a second factor, and nobody is here to type its code.", USAGE)
            code = around.read_line("Code of your authenticator app: ").strip()
            answer = client.post("/api/auth/mfa/verify", {"pending_token": answer["pending_token"], "code": code})
        headers = {"Origin": url, "X-Borealis-CSRF": str(answer["csrf"])}
        scopes = list(wanted.scopes or answer["permissions"])
        made = client.request(
            "POST",
            "/api/tokens",
            json={"name": wanted.name, "scopes": scopes, "expires_in_days": wanted.days},
            headers=headers,
        )
        client.request("POST", "/api/auth/logout", headers=headers)
    return Login(
        url=url,
        username=str(answer["username"]),
        token=str(made["token"]),
        token_id=str(made["id"]),
        ca_pem=seen.pem,
        ca_pin=seen.pin,
        expires_at=float(made["expires_at"]),
    )


def end_token(login: Login, transport: httpx.BaseTransport | None) -> dict[str, Any]:
    """End the token of a stored login at the Engine.

    Raises:
        Refusal: it has ended already.
        Unreachable: no answer.
    """
    target = Target(login.url, login.token, login.ca_pem, is_owner=False)
    with EngineClient(target, transport=transport) as client:
        return client.delete(f"/api/tokens/{segment(login.token_id)}")
