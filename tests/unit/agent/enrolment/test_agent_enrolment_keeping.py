"""What an approval brings, read strictly, and kept in an order that a crash cannot spoil."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.agent_world import GUID, AgentWorld
from tests.fakes.tls_engine import Authority

from borealis_agent.enrolment.first_contact import Anchor
from borealis_agent.enrolment.keeping import Approval, keep_approval, read_approval
from borealis_agent.http.answer import Answer
from borealis_agent.identity import (
    AccessToken,
    DeviceIdentity,
    Found,
    StartAction,
    TokenState,
    TokenVault,
    assess,
)
from borealis_agent.trust import TrustedKeys, TrustStore
from borealis_wire.events import RunContext
from borealis_wire.keys import SigningKey

KEY = SigningKey.from_seed(b"e" * 32).public
BODY = {
    "status": "approved",
    "guid": GUID.lower(),
    "access_token": "a",
    "expires_in": 900,
    "refresh_token": "r",
    "token_type": "Bearer",
    "signing_key": KEY.spki_base64,
    "signing_keys": [{"key_id": KEY.key_id, "public_key": KEY.spki_base64}],
}


def read(body: dict[str, Any]) -> Approval:
    answer = Answer(200, body, server_time=500.0)
    return read_approval(answer, pinned=TrustedKeys(), same_engine=False, fresh=True, now=1000.0)


def test_everything_is_taken_in_its_normal_form() -> None:
    approval = read(BODY)
    assert approval.guid == GUID
    assert approval.refresh_token == "r"
    assert approval.access == AccessToken("a", 1895.0)
    assert approval.keys == TrustedKeys({KEY.key_id: KEY}, issued_at=500.0)
    assert "'r'" not in repr(approval)


@pytest.mark.parametrize(
    "change",
    [
        {"guid": "x"},
        {"guid": None},
        {"guid": "../../etc"},
        {"access_token": ""},
        {"access_token": 5},
        {"refresh_token": ""},
        {"refresh_token": None},
        {"expires_in": 0},
        {"expires_in": "900"},
        {"expires_in": True},
        {"expires_in": 1e12},
        {"signing_keys": [], "signing_key": ""},
        {"signing_keys": [{"key_id": "0" * 16, "public_key": KEY.spki_base64}]},
    ],
)
def test_rejects_an_approval_with_a_hole(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        read({**BODY, **change})


WRITES = [
    (TrustStore, "pin"),
    (DeviceIdentity, "store_guid"),
    (TokenVault, "store_refresh"),
    (TokenVault, "store_access"),
]
STARTS = [
    StartAction.ENROL_SAME_KEY,  # nothing was kept
    StartAction.ENROL_SAME_KEY,  # trust
    StartAction.ATTEST,  # trust and GUID
    StartAction.ATTEST,  # and the refresh token
    StartAction.CONNECT,
]


@pytest.mark.parametrize("survived", range(len(WRITES) + 1))
def test_survives_a_crash_between_any_two_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    """Threats 17: whatever was written, the next start finds a row of the table that leads on."""
    authority = Authority(tmp_path)
    world = AgentWorld(tmp_path)
    approval = replace(read(BODY), access=AccessToken("a", world.clock.now() + 900))
    anchor = Anchor("https://engine:5000", authority.pin, authority.pem)

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        for owner, method in WRITES[survived : survived + 1]:
            patch.setattr(owner, method, crash)
        keep_approval(approval, anchor, trust=world.trust, identity=world.identity, context=RunContext.SYSTEM)
    again = AgentWorld(tmp_path)
    assert again.start.action is STARTS[survived]
    assert again.identity.fingerprint == world.identity.fingerprint


def test_the_table_knows_each_half_written_state() -> None:
    for key, guid, tokens, pinned in [
        (True, False, TokenState.MISSING, True),
        (True, True, TokenState.MISSING, True),
        (True, True, TokenState.STALE, True),
        (True, True, TokenState.FRESH, True),
    ]:
        action = assess(Found(key, guid, tokens, pinned)).action
        assert action not in {StartAction.FATAL_KEY_LOST, StartAction.REFUSE_PIN_LOST, StartAction.DISCARD_AND_ENROL}
