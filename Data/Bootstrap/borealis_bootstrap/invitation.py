"""What an agent is told about its Engine: checked before anything is installed, and handed over by a private file.

Owns ``installer_code`` in the agent's settings file until the agent has used it (it blanks it itself). May be called
by launch, side, install and up.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from borealis_base.files import private_folder, write_atomic
from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.layout import Layout
from borealis_wire.enrolment_token import looks_like_token, normalise_code, parse_enrolment_token

Scope = Literal["SYSTEM", "CURRENTUSER"]
_MEMBER: Final = "installer_code"


@dataclass(frozen=True, slots=True)
class Invitation:
    """How an agent finds and trusts its Engine: an enrolment token, or a bare code with an address."""

    code: str = ""
    server_url: str = ""
    trust_on_first_use: bool = False


def check_invitation(invitation: Invitation) -> Invitation:
    """See that it can be used, before anything is installed; gives it in canonical form.

    Raises:
        CannotGoOn: which part is wrong, or missing.
    """
    code, url = invitation.code.strip(), invitation.server_url.strip().rstrip("/")
    try:
        if looks_like_token(code):
            token = parse_enrolment_token(code)
            return Invitation(str(token), url)
        if code:
            code = normalise_code(code)
    except ValueError as error:
        raise CannotGoOn(
            f"{_sentence(str(error))} Make a fresh one: ./Borealis.sh cli codes create.", status=2
        ) from error
    if url and (urlsplit(url).scheme != "https" or not urlsplit(url).hostname):
        raise CannotGoOn(f"The Engine's address is https://host[:port], not {url!r}.", status=2)
    if code and not url:
        raise CannotGoOn("A bare code does not say where the Engine is: add --server-url https://HOST:PORT.", status=2)
    if code and not invitation.trust_on_first_use:
        raise CannotGoOn(
            "A bare code does not say whom to trust: use the whole enrolment token (url#code.fingerprint), or add"
            " --trust-on-first-use and compare the fingerprint that the agent prints.",
            status=2,
        )
    return Invitation(code, url, invitation.trust_on_first_use)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def with_environment(invitation: Invitation, environ: Mapping[str, str]) -> Invitation:
    """Fill in what the command line left open from upstream's variables."""
    return Invitation(
        invitation.code or environ.get("BOREALIS_INSTALLER_CODE", ""),
        invitation.server_url or environ.get("BOREALIS_SERVER_URL", ""),
        invitation.trust_on_first_use,
    )


def hand_over(layout: Layout, environ: Mapping[str, str], code: str, *, scope: Scope = "SYSTEM") -> None:
    """Put a code or token where the agent of this scope looks for it; it must not run.

    A file that only its owner reads: command lines are seen by everybody, and the environment by every script.

    Raises:
        OSError: disk full, read-only, no right.
    """
    path = settings_file(layout, environ, scope=scope)
    private_folder(path.parent)
    try:
        read: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, ValueError):
        read = {}
    settings = read if isinstance(read, dict) else {}
    write_atomic(path, json.dumps({**settings, _MEMBER: code}, indent=2, ensure_ascii=False).encode(), mode=0o600)


def settings_file(layout: Layout, environ: Mapping[str, str], *, scope: Scope = "SYSTEM") -> Path:
    """The settings of the SYSTEM agent, or of the signed-in user's."""
    if environ.get("BOREALIS_AGENT_CONFIG"):
        return Path(environ["BOREALIS_AGENT_CONFIG"]).absolute()
    folder = environ.get("BOREALIS_AGENT_CONFIG_DIR")
    return (Path(folder).absolute() if folder else layout.agent_guid.parent) / f"agent_settings_{scope}.json"
