"""Threat 8 once more: whoever holds the Engine's TLS key but not its signing key replaces no agent.

A false Engine with the stolen certificate, as in ``test_attacks_orders``, sends the real agent orders to update itself.
"""

import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.attacks.fake_engine import FakeEngine
from tests.attacks.forging import THIEF, Forger, Payload
from tests.attacks.house import House
from tests.programs.programs import wait_for

from borealis_wire.envelope import UPDATE_TYPE, seal
from borealis_wire.events import EngineEvent
from borealis_wire.keys import SigningKey
from borealis_wire.limits import CLOCK_SKEW_SECONDS
from borealis_wire.updates import UpdateOrder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def imposter(house: House) -> Iterator[FakeEngine]:
    """The false Engine, with the agent connected to it."""
    house.settled()
    with house.imposter() as found:
        yield found
    house.settled()


@pytest.fixture(scope="module")
def forger(house: House) -> Forger:
    """Has the Engine's key for the control, and makes forgeries for this agent."""
    return Forger(house.guid, house.signing_key, house.mark)


def update_for(guid: str, key: SigningKey, **changes: Any) -> Payload:
    """``agent_silent_update`` as the Engine sends it, sealed by ``key``."""
    # As far ahead as clocks may differ: after a journal that an earlier attack damaged, what was issued before and a
    # little later is refused as expired.
    now = time.time() + CLOCK_SKEW_SECONDS - 10
    order = UpdateOrder(str(uuid.uuid4()), guid, "1" * 16, "99", "a" * 64, 1000, False, now, now + 600)
    order = replace(order, **changes)
    envelope = seal(UPDATE_TYPE, order.to_payload(), key)
    return {"request_id": order.request_id, "target_hostname": "h", "envelope": envelope}


def test_rejects_every_update_that_the_signing_key_did_not_seal_for_this_device(
    house: House, imposter: FakeEngine, forger: Forger
) -> None:
    event = EngineEvent.AGENT_SILENT_UPDATE

    def control() -> Payload | None:
        """From the source tree nothing could bring the old version back: so far a genuine order comes."""
        made = update_for(house.guid, forger.engine)
        return made if imposter.call(event, made)["reason"] == "not_updatable" else None

    genuine = wait_for("a genuine order to be understood", control, seconds=30)
    bare = {name: value for name, value in genuine.items() if name != "envelope"}
    forgeries = {
        "malformed": bare,
        "unknown_key": update_for(house.guid, THIEF),
        "wrong_device": update_for(str(uuid.uuid4()).upper(), forger.engine),
        "expired": update_for(house.guid, forger.engine, issued_at=1.0, expires_at=2.0),
        "unsupported_type": {**genuine, "envelope": forger.genuine("not-an-update")["envelope"]},
    }
    for code, forgery in forgeries.items():
        assert imposter.call(event, forgery) == {"status": "refused", "reason": code}
    assert not [path for path in imposter.paths() if "/update/" in path], "nothing was fetched for any of them"
