"""Which enrolment code or token to use: what an operator gave, where it stands, and whether it was used before.

A token that has led to an enrolment is remembered by its SHA-256: a service that is started with the same command
line for years must not go back to an Engine it has left.
"""

import hashlib
import json
import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from borealis_agent.core.config import AgentConfig, read_object
from borealis_agent.core.errors import Fatal
from borealis_agent.core.ownership import require_own
from borealis_agent.core.settings import AgentSettings, check_code
from borealis_base.clock import Clock
from borealis_base.files import write_atomic
from borealis_wire.enrolment_token import EnrolmentToken, looks_like_token, parse_enrolment_token

USED_FILE: Final = "installer_code.used.json"
CODE_MEMBER: Final = "installer_code"
_KEPT: Final = 64

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, repr=False)
class Offer:
    """One code that may be used. ``token`` where it is a whole enrolment token; ``used`` if it worked before."""

    text: str
    token: EnrolmentToken | None
    used: bool

    @property
    def code(self) -> str:
        """The bare code, as the Engine gets it."""
        return self.token.code if self.token else self.text

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the text: how it is remembered and logged."""
        return hashlib.sha256(self.text.encode("ascii")).hexdigest()

    def __repr__(self) -> str:
        return f"Offer({self.digest[:8]}, used={self.used})"


class CodeBook:
    """Looks for codes each time it is asked: one that is written into a settings file later is found too."""

    def __init__(self, settings: AgentSettings, *, clock: Clock, config: AgentConfig | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._config = config
        self._warned: set[str] = set()

    def best(self, *, ca_pin: str, refused: Collection[str] = ()) -> Offer | None:
        """The code to use now: an unused one first, then one that was used, if it does not name another Engine.

        Args:
            ca_pin: the pinned CA, empty where none is pinned.
            refused: digests of codes that the Engine did not take; they come last.
        """
        offers = [
            offer
            for offer in self.offers()
            if not offer.used or offer.token is None or not ca_pin or offer.token.ca_pin == ca_pin
        ]
        return min(offers, key=lambda offer: (offer.digest in refused, offer.used), default=None)

    def has_unused_token(self) -> bool:
        """Whether a whole enrolment token is at hand that did not lead to an enrolment yet: it names whom to trust."""
        return any(offer.token is not None and not offer.used for offer in self.offers())

    def offers(self) -> list[Offer]:
        """All codes at hand: command line or environment, own settings file, then those of the other scopes."""
        used = self._used()
        texts = [self._settings.given_code]
        texts.extend(self._code_in(path) for path in self._files())
        return [
            Offer(text, parse_enrolment_token(text) if looks_like_token(text) else None, _digest(text) in used)
            for text in dict.fromkeys(texts)
            if text
        ]

    def mark_used(self, offer: Offer) -> None:
        """Remember that an enrolment came of it, and blank it where it stands in a settings file.

        Raises:
            OSError: disk full or read-only; it then counts as unused.
        """
        used = [digest for digest in self._used() if digest != offer.digest][-_KEPT + 1 :]
        path = self._settings.paths.settings / USED_FILE
        write_atomic(path, json.dumps({"used": [*used, offer.digest]}).encode("ascii"))
        for file in self._files():
            if self._code_in(file) == offer.text:
                self._blank(file)

    def _files(self) -> list[Path]:
        folder = self._settings.config_path.parent
        names = ("agent_settings_SYSTEM.json", "agent_settings_CURRENTUSER.json", "agent_settings.json")
        return list(dict.fromkeys([self._settings.config_path, *(folder / name for name in names)]))

    def _code_in(self, path: Path) -> str:
        content = self._read(path)
        text = content.get(CODE_MEMBER, "") if content else ""
        if not isinstance(text, str) or not text.strip():
            return ""
        try:
            return check_code(text)
        except Fatal as error:
            self._warn_once(f"{path}: {error.diagnostics()}")
            return ""

    def _blank(self, path: Path) -> None:
        if self._config is not None and path == self._config.path:
            self._config.watch()
            self._config.data[CODE_MEMBER] = ""
            self._config._write()
            return
        content = self._read(path)
        if content is not None:
            write_atomic(path, json.dumps({**content, CODE_MEMBER: ""}, indent=2, ensure_ascii=False).encode("utf-8"))

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            require_own(path)  # a code names whom to trust: not from a file that another account may write
        except Fatal as error:
            self._warn_once(str(error))
            return None
        return read_object(path, clock=self._clock)

    def _warn_once(self, sentence: str) -> None:
        if sentence not in self._warned:
            self._warned.add(sentence)
            log.warning("%s", sentence)

    def _used(self) -> list[str]:
        content = self._read(self._settings.paths.settings / USED_FILE)
        listed = content.get("used") if content else None
        return [item for item in listed if isinstance(item, str)][-_KEPT:] if isinstance(listed, list) else []


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()
