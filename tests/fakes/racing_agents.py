"""What agents do at their first moment, each in a process of its own: they make keys and store tokens."""

from collections.abc import Iterable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from borealis_agent.core.ids import SystemRandomness
from borealis_agent.identity.device_key import load_or_create_device_key
from borealis_agent.identity.vault import AccessToken, TokenVault
from borealis_agent.platform.protection import FileModes
from borealis_base.clock import SystemClock
from borealis_wire.events import RunContext

INTERNAL_ERROR = 1359
"""What an emulated Windows says now and then of a process that it cannot start just then."""


def start_all(workers: Iterable[BaseProcess]) -> None:
    """Start processes. One that the system could not start for a fault of its own is asked for twice more."""
    for worker in workers:
        for chance in (2, 1, 0):
            try:
                worker.start()
                break
            except OSError as error:
                if getattr(error, "winerror", None) != INTERNAL_ERROR or not chance:
                    raise


def create_key(folder: Path, ready: Any, outcome: Any) -> None:
    """Open or make the device key, ten times in ten folders; put the fingerprints into ``outcome``."""
    fingerprints = []
    for number in range(10):
        ready.wait()
        key = load_or_create_device_key(folder / str(number), randomness=SystemRandomness(), protection=FileModes())
        fingerprints.append(key.public.fingerprint)
    outcome.put(fingerprints)


def store_tokens(folder: Path, name: str, ca_pin: str, ready: Any) -> None:
    """Store a token of each kind in the same folder as others do."""
    vault = TokenVault(
        folder, ca_pin=ca_pin, clock=SystemClock(), randomness=SystemRandomness(), protection=FileModes()
    )
    ready.wait()
    for context in RunContext:
        vault.store_access(context, AccessToken(f"{name} {context}", 1.0))
    vault.store_refresh(name)
