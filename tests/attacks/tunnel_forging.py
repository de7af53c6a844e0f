"""Tunnel orders as an attacker would have them. Those that hold change nothing: of no tunnel, or no key of ours."""

import time
import uuid
from typing import Any, Final

import pytest
from tests.attacks.fake_engine import FakeEngine
from tests.attacks.forging import THIEF, Payload

from borealis_wire import strict_json
from borealis_wire.envelope import JOB_TYPE, TUNNEL_TYPE, seal
from borealis_wire.events import EngineEvent
from borealis_wire.keys import SigningKey
from borealis_wire.limits import CLOCK_SKEW_SECONDS
from borealis_wire.messages import agent_id
from borealis_wire.tunnel import TunnelStart, TunnelStop

START, STOP = EngineEvent.VPN_TUNNEL_START, EngineEvent.VPN_TUNNEL_STOP
NO_KEY_OF_OURS: Final = "ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICA="
PRIVATE_KEY: Final = "YPJwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHA="


class TunnelForger:
    """Makes orders for one device. ``engine`` is the key that the Engine signs with, for what is genuine."""

    def __init__(self, guid: str, engine: SigningKey) -> None:
        self.guid = guid
        self.engine = engine

    def start(self) -> dict[str, Any]:
        """The members of an order to bring a tunnel up; the device's own key is another, so that none comes up."""
        # As far ahead as clocks may differ: after a journal that an earlier attack damaged, what was issued before and
        # a little later is refused as expired.
        now = time.time() + CLOCK_SKEW_SECONDS - 10
        order = TunnelStart(
            order_id=str(uuid.uuid4()),
            device_guid=self.guid,
            agent_id=agent_id("host", self.guid, "SYSTEM"),
            tunnel_id=uuid.uuid4().hex,
            virtual_ip="10.255.0.2/32",
            engine_virtual_ip="10.255.0.1",
            allowed_ips="10.255.0.1/32",
            endpoint="127.0.0.1:9",
            server_public_key=NO_KEY_OF_OURS,
            client_public_key=NO_KEY_OF_OURS,
            allowed_ports=(22,),
            idle_seconds=900,
            issued_at=now,
            expires_at=now + 60,
        )
        return order.to_json()

    def stop(self) -> dict[str, Any]:
        """The members of an order to take down a tunnel that there is not."""
        now = time.time() + CLOCK_SKEW_SECONDS - 10
        name = agent_id("host", self.guid, "SYSTEM")
        order = TunnelStop(str(uuid.uuid4()), self.guid, name, uuid.uuid4().hex, "operator_stop", now, now + 60)
        return order.to_json()

    def sealed(self, order: dict[str, Any], *, key: SigningKey | None = None, kind: str = TUNNEL_TYPE) -> Payload:
        """As the Engine sends it: upstream's fields in clear, and the envelope."""
        return {**order, "envelope": seal(kind, strict_json.canonical(order), key or self.engine)}


def forgeries(forger: TunnelForger) -> dict[str, tuple[str, str, Any]]:
    """Name: event, the code it is to be refused with, what is sent. Each differs from what holds in one point."""
    start, stop, sealed = forger.start, forger.stop, forger.sealed
    other, now = str(uuid.uuid4()).upper(), time.time()
    holds = sealed(start())
    (signature,) = holds["envelope"]["signatures"]
    flipped = {**signature, "sig": ("B" if signature["sig"][0] == "A" else "A") + signature["sig"][1:]}
    bare = {name: value for name, value in holds.items() if name != "envelope"}
    return {
        "other device": (START, "wrong_device", sealed(start() | {"device_guid": other})),
        "stop of another device": (STOP, "wrong_device", sealed(stop() | {"device_guid": other})),
        "expired": (START, "expired", sealed(start() | {"issued_at": now - 900, "expires_at": now - 840})),
        "from tomorrow": (
            START,
            "not_yet_valid",
            sealed(start() | {"issued_at": now + 86400, "expires_at": now + 86460}),
        ),
        "without envelope": (START, "malformed", bare),
        "upstream's unsigned token": (
            START,
            "malformed",
            {**bare, "token": {"agent_id": bare["agent_id"], "port": 30000}},
        ),
        "without signature": (START, "bad_signature", {**holds, "envelope": {**holds["envelope"], "signatures": []}}),
        "changed signature": (
            START,
            "bad_signature",
            {**holds, "envelope": {**holds["envelope"], "signatures": [flipped]}},
        ),
        "changed payload": (
            START,
            "bad_signature",
            {**holds, "envelope": {**holds["envelope"], "payload": sealed(start())["envelope"]["payload"]}},
        ),
        "other key": (START, "unknown_key", sealed(start(), key=THIEF)),
        "stop by another key": (STOP, "unknown_key", sealed(stop(), key=THIEF)),
        "a job's seal": (START, "unsupported_type", sealed(start(), kind=JOB_TYPE)),
        "stop as a start": (START, "unsupported_type", sealed(stop())),
        "start as a stop": (STOP, "unsupported_type", holds),
        "private key inside": (START, "malformed", sealed(start() | {"client_private_key": PRIVATE_KEY})),
        "preshared key inside": (START, "malformed", sealed(start() | {"preshared_key": PRIVATE_KEY})),
        "everything": (START, "malformed", sealed(start() | {"allowed_ips": "0.0.0.0/0"})),
        "a network": (START, "malformed", sealed(start() | {"allowed_ips": "10.255.0.0/24"})),
        "one more network": (START, "malformed", sealed(start() | {"allowed_ips": "10.255.0.1/32,192.168.0.0/16"})),
        "a network of its own": (START, "malformed", sealed(start() | {"virtual_ip": "10.255.0.2/24"})),
        "a public address": (
            START,
            "malformed",
            sealed(start() | {"engine_virtual_ip": "8.8.8.8", "allowed_ips": "8.8.8.8/32"}),
        ),
        "all ports": (START, "malformed", sealed(start() | {"allowed_ports": list(range(1, 66))})),
        "an endpoint with more in it": (START, "malformed", sealed(start() | {"endpoint": "h:1\nPostUp = id"})),
    }


def taken(imposter: FakeEngine, event: str, order: Payload) -> bool:
    """Send one that holds; whether the agent took it, and its role said what there is to say to it."""
    answer = imposter.call(event, order)
    if answer == {"status": "refused", "reason": "unsupported_type"} and not imposter.hellos[-1].get(
        "wireguard_public_key"
    ):
        pytest.skip("needs root, and ip, wg, nft and wireguard-go: else the agent has no tunnels, and takes no order")
    if event == STOP:
        return bool(answer["status"] == "accepted")
    return answer["status"] == "refused" and "another key" in answer.get("detail", "")
