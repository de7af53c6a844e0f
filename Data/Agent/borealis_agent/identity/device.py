"""Opens this device's identity at start, and hands its parts to the rooms above."""

import logging
from typing import Final

from borealis_agent.core.errors import Fatal
from borealis_agent.core.ids import Randomness
from borealis_agent.core.paths import AgentPaths
from borealis_agent.identity.assess import Found, Start, StartAction, TokenState, assess
from borealis_agent.identity.device_key import load_device_key, load_or_create_device_key
from borealis_agent.identity.guid import GuidFile
from borealis_agent.identity.vault import TokenVault, clear_tokens, token_files_present
from borealis_agent.platform.protection import SecretProtection
from borealis_base.clock import Clock
from borealis_base.files import private_folder
from borealis_wire.events import RunContext
from borealis_wire.keys import SigningKey

PIN_LOST_ADVICE: Final = (
    "Get a fresh enrolment token on the Engine (borealis codes create) and give it to the agent with "
    "--enrollment-code TOKEN. Until then it trusts no Engine."
)
KEY_LOST_ADVICE: Final = (
    "Restore the folder Certificates/Agent/Identity from a backup. Or remove Agent_GUID.txt, and enrol this machine "
    "as a new device with a fresh enrolment token (an operator can merge it with the old one)."
)

log = logging.getLogger(__name__)


class DeviceIdentity:
    """Key, GUID and tokens of this device, for an agent in one run context."""

    def __init__(
        self,
        *,
        key: SigningKey,
        paths: AgentPaths,
        context: RunContext,
        clock: Clock,
        randomness: Randomness,
        protection: SecretProtection,
    ) -> None:
        self.key = key
        self.context = context
        self.paths = paths
        self._guid = GuidFile(paths.settings, clock=clock)
        self._clock = clock
        self._randomness = randomness
        self._protection = protection

    @property
    def fingerprint(self) -> str:
        """Of the device key: what an operator compares before approving."""
        return self.key.public.fingerprint

    def load_guid(self) -> str | None:
        """The GUID on disk now; the other agent on this device may have changed it."""
        return self._guid.load()

    def store_guid(self, guid: str) -> None:
        """Keep the GUID that the Engine gave. Raises ``ValueError`` or ``OSError``."""
        self._guid.store(guid)

    def vault(self, ca_pin: str) -> TokenVault:
        """The tokens for the Engine whose CA has ``ca_pin`` (64 hex digits)."""
        return TokenVault(
            self.paths.settings,
            ca_pin=ca_pin,
            clock=self._clock,
            randomness=self._randomness,
            protection=self._protection,
        )

    def discard_tokens(self) -> None:
        """Remove the tokens of both contexts. Raises ``OSError``."""
        clear_tokens(self.paths.settings)


def open_identity(
    *,
    paths: AgentPaths,
    context: RunContext,
    ca_pin: str,
    offered: bool,
    clock: Clock,
    randomness: Randomness,
    protection: SecretProtection,
) -> tuple[DeviceIdentity, Start]:
    """Look at what is on disk, say so in the log, make the key where this is the first launch.

    Args:
        ca_pin: the pinned Engine CA, empty where none is pinned.
        offered: an enrolment token that was not used before was given at start.

    Raises:
        Fatal: the key is lost, torn or foreign; or the pin is gone and no token names one.
    """
    private_folder(paths.settings)
    found = _look(paths, context, ca_pin, offered, clock=clock, randomness=randomness, protection=protection)
    start = assess(found)
    log.info("start: %s", start.sentence)
    if start.action is StartAction.FATAL_KEY_LOST:
        raise Fatal(start.sentence, advice=KEY_LOST_ADVICE)
    if start.action is StartAction.REFUSE_PIN_LOST:
        raise Fatal(start.sentence, advice=PIN_LOST_ADVICE)
    if start.action is StartAction.DISCARD_AND_ENROL:
        clear_tokens(paths.settings)
    key = load_or_create_device_key(paths.identity, randomness=randomness, protection=protection)
    identity = DeviceIdentity(
        key=key, paths=paths, context=context, clock=clock, randomness=randomness, protection=protection
    )
    return identity, start


def _look(
    paths: AgentPaths,
    context: RunContext,
    ca_pin: str,
    offered: bool,
    *,
    clock: Clock,
    randomness: Randomness,
    protection: SecretProtection,
) -> Found:
    key = load_device_key(paths.identity, protection=protection) is not None
    guid = GuidFile(paths.settings, clock=clock).load() is not None
    tokens = TokenState.STALE if token_files_present(paths.settings) else TokenState.MISSING
    if ca_pin and key and guid and tokens is TokenState.STALE:
        vault = TokenVault(paths.settings, ca_pin=ca_pin, clock=clock, randomness=randomness, protection=protection)
        access = vault.load_access(context)
        if access is not None and access.expires_at > clock.now():
            tokens = TokenState.FRESH
        elif not token_files_present(paths.settings):
            tokens = TokenState.MISSING
    return Found(key=key, guid=guid, tokens=tokens, pinned=bool(ca_pin), offered=offered)
