"""Makes the rooms of an agent that need more than their own constructor; says in one sentence why one cannot be had."""

import contextlib
import random
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from borealis_agent.capabilities.wireguard.ports import Folders
from borealis_agent.core.config import AgentConfig
from borealis_agent.core.errors import Fatal
from borealis_agent.core.ids import SystemRandomness
from borealis_agent.core.settings import AgentSettings
from borealis_agent.enrolment import CodeBook, EnrolmentFlow
from borealis_agent.execution import Executor, interpreters_for, starter_for
from borealis_agent.http import AgentHttpClient, Enroller
from borealis_agent.identity import DeviceIdentity, open_identity
from borealis_agent.link import SOCKET_NAME, BorrowingEnroller, TokenLender, UserBroker, UserDoor, pinned_to_json
from borealis_agent.outbox import Spool, open_spool
from borealis_agent.platform import machine
from borealis_agent.platform.protection import protection_for
from borealis_agent.trust import TrustStore
from borealis_base.clock import Clock
from borealis_base.wireguard.keys import read_public
from borealis_wire.events import RunContext
from borealis_wire.orders import JobOrder
from borealis_wire.screen import ScreenOrder


def spool_of(settings: AgentSettings) -> Path:
    """The spool of this agent; two that share a root have one each."""
    spool = settings.paths.spool
    if settings.run_context is RunContext.SYSTEM:
        return spool
    own = spool / "currentuser"
    # On Windows the agents of all users share one folder.
    return own / _plain(machine.current_user()) if sys.platform == "win32" else own


def _plain(name: str) -> str:
    return "".join(char if char.isalnum() or char in "-_." else "_" for char in name).strip(".") or "user"


class Rooms:
    """The rooms that stand on this machine alone: settings, trust, identity, spool, execution, and the REST door.

    Raises:
        Fatal: one of them cannot be had.
    """

    def __init__(
        self, settings: AgentSettings, *, environ: Mapping[str, str], clock: Clock, rng: random.Random
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._clock = clock
        self._rng = rng
        self.user = machine.current_user() if settings.run_context is RunContext.INTERACTIVE else ""
        self.config = AgentConfig(settings.config_path, clock=clock)
        self.trust = TrustStore(settings.paths.trusted_server, clock=clock)
        self.identity = self._open_identity()
        self.executor = self._make_executor()
        self.spool = self._open_spool()
        self.user_door = self._make_user_door()
        if self.user_door is not None and self.trust.ca_pin:
            # What was borrowed in an earlier life may be about another Engine by now.
            self.identity.vault(self.trust.ca_pin).clear_access(settings.run_context)
        self.http = self._make_http()

    def wireguard_public_key(self) -> str:
        """What the Engine is told for the tunnel; empty where this agent has none to offer."""
        if self._settings.run_context is not RunContext.SYSTEM:
            return ""
        return read_public(Folders(self._settings.paths.root).public_key)

    def _open_identity(self) -> DeviceIdentity:
        settings = self._settings
        codes = CodeBook(settings, clock=self._clock, config=self.config)
        identity, _ = open_identity(
            paths=settings.paths,
            context=settings.run_context,
            ca_pin=self.trust.ca_pin,
            offered=codes.has_unused_token(),
            clock=self._clock,
            randomness=SystemRandomness(),
            protection=protection_for(settings.run_context),
        )
        return identity

    def _open_spool(self) -> Spool:
        folder = spool_of(self._settings)
        try:
            return open_spool(folder, clock=self._clock, known_device=self.identity.load_guid() is not None)
        except OSError as error:
            raise Fatal(
                f"The journal in {folder} can be neither read nor written ({error})",
                advice="Free some disk space, or give the agent's account the right to write there.",
            ) from error

    def _make_executor(self) -> Executor:
        paths = self._settings.paths
        executor = Executor(
            temp=paths.temp,
            outputs=spool_of(self._settings) / "output",
            clock=self._clock,
            interpreters=interpreters_for(privileged=machine.is_privileged()),
            starter=starter_for(self._clock),
            context=self._settings.run_context,
            environ=self._environ,
            logs=paths.logs,
            session=self._session,
        )
        try:
            executor.prepare()
        except OSError as error:
            raise Fatal(
                f"The folder {paths.temp} cannot be used ({error})",
                advice="Free some disk space, or give the agent's account the right to write there.",
            ) from error
        return executor

    def _session(self) -> dict[str, str]:
        if self._settings.run_context is RunContext.SYSTEM or sys.platform == "win32":
            return {}
        from borealis_agent.capabilities.screen.display import environments_of_mine, session_environment

        return session_environment(self._environ, environments_of_mine())

    def _make_user_door(self) -> UserDoor | None:
        """The way to the SYSTEM agent, for a signed-in user's agent that has a folder of its own."""
        shared = self._settings.shared_root
        if self._settings.run_context is RunContext.SYSTEM or self._settings.paths.root == shared:
            return None
        if sys.platform == "win32":
            return None
        owners = {0}
        with contextlib.suppress(OSError):
            owners.add(shared.stat().st_uid)
        return UserDoor(shared / "Run" / SOCKET_NAME, trusted_uids=frozenset(owners))

    def _make_http(self) -> AgentHttpClient:
        own = EnrolmentFlow(
            settings=self._settings,
            identity=self.identity,
            trust=self.trust,
            clock=self._clock,
            randomness=SystemRandomness(),
            rng=self._rng,
            config=self.config,
        )
        enroller: Enroller = own
        if self.user_door is not None:
            enroller = BorrowingEnroller(
                door=self.user_door,
                identity=self.identity,
                trust=self.trust,
                own=own,
                clock=self._clock,
                rng=self._rng,
                user=self.user,
            )
        return self._client(self._settings, self.identity, enroller, self.user)

    def _client(
        self, settings: AgentSettings, identity: DeviceIdentity, enroller: Enroller | None, user: str
    ) -> AgentHttpClient:
        return AgentHttpClient(
            settings=settings,
            identity=identity,
            trust=self.trust,
            clock=self._clock,
            randomness=SystemRandomness(),
            rng=self._rng,
            enroller=enroller,
            user=user,
        )

    def broker(self) -> UserBroker:
        """Where signed-in users' agents come for their tokens."""
        context = RunContext.INTERACTIVE
        identity = DeviceIdentity(
            key=self.identity.key,
            paths=self._settings.paths,
            context=context,
            clock=self._clock,
            randomness=SystemRandomness(),
            protection=protection_for(self._settings.run_context),
        )
        claims: Spool | None = None

        async def claim(order: JobOrder | ScreenOrder) -> None:
            nonlocal claims
            if claims is None:
                # Made with the first interactive run; until then there is nothing that could have been lost.
                claims = open_spool(self._settings.paths.spool / "claims", clock=self._clock, known_device=False)
            await claims.claim(order)

        return UserBroker(
            self._settings.paths.root / "Run" / SOCKET_NAME,
            lender=TokenLender(
                make=lambda user: self._client(replace(self._settings, run_context=context), identity, None, user),
                guid=lambda: self.http.guid,
                clock=self._clock,
            ),
            pinned=lambda: pinned_to_json(self.trust, self.http.base_url),
            trusted=lambda: self.trust.trusted,
            claim=claim,
            clock=self._clock,
        )
