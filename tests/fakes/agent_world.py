"""An agent's lower half in a folder of its own: settings, identity, trust, client and enrolment, with owned time."""

import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_randomness import FakeRandomness

from borealis_agent.core.settings import AgentSettings, load_settings
from borealis_agent.enrolment import EnrolmentFlow
from borealis_agent.http import AgentHttpClient
from borealis_agent.identity import AccessToken, DeviceIdentity, open_identity
from borealis_agent.platform.protection import FileModes
from borealis_agent.trust import TrustedKeys, TrustStore
from borealis_base.clock import Clock
from borealis_wire.events import RunContext

if TYPE_CHECKING:  # an agent in a process of its own loads nothing of the Engine
    from tests.fakes.tls_engine import TlsEngine

GUID = "6F1C6E1E-7C5B-4B0A-9B35-0C9A5F3E2D10"


class AgentWorld:
    """One agent on one device. Two worlds over one ``root`` are the two agents of a device."""

    def __init__(
        self,
        root: Path,
        *arguments: str,
        context: RunContext = RunContext.SYSTEM,
        seed: str = "agent",
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or FakeClock(time.time(), auto=True)
        self.randomness = FakeRandomness(seed)
        flags: Sequence[str] = ["--system-service"] if context is RunContext.SYSTEM else []
        self.settings: AgentSettings = load_settings([*flags, *arguments], {"BOREALIS_ROOT": str(root)})
        self.trust = TrustStore(self.settings.paths.trusted_server, clock=self.clock)
        self.identity: DeviceIdentity
        self.identity, self.start = open_identity(
            paths=self.settings.paths,
            context=self.settings.run_context,
            ca_pin=self.trust.ca_pin,
            offered=bool(self.settings.given_code),
            clock=self.clock,
            randomness=self.randomness,
            protection=FileModes(),
        )
        self.flow = EnrolmentFlow(
            settings=self.settings,
            identity=self.identity,
            trust=self.trust,
            clock=self.clock,
            randomness=self.randomness,
            rng=random.Random(seed),
            hostname=lambda: "lab-pc",
        )
        self.client = AgentHttpClient(
            settings=self.settings,
            identity=self.identity,
            trust=self.trust,
            clock=self.clock,
            randomness=self.randomness,
            rng=random.Random(seed),
        )

    def with_enrolment(self) -> "AgentWorld":
        """Let the client enrol when it has to."""
        self.client.enroller = self.flow
        return self

    def enrolled_at(self, engine: "TlsEngine", *, access: str = "", access_seconds: float = 900) -> "AgentWorld":
        """As after an enrolment with ``engine``, without one."""
        public = engine.signing.public
        self.trust.pin(
            engine_url=engine.url,
            ca_pem=engine.authority.pem,
            ca_pin=engine.authority.pin,
            keys=TrustedKeys({public.key_id: public}),
        )
        self.identity.store_guid(GUID)
        vault = self.identity.vault(engine.authority.pin)
        vault.store_refresh(engine.give_tokens(self.identity.key.public))
        if access:
            token = AccessToken(access, self.clock.now() + access_seconds)
            vault.store_access(self.settings.run_context, token)
        return self
