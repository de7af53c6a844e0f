"""Threat 8: the signing key signs nothing for anybody but what the Engine means; who lacks it cannot borrow it."""

import base64
import json
from typing import Any

import pytest
from tests.attacks.attacker import RogueDevice
from tests.attacks.forging import THIEF, keys_statement, order_for
from tests.attacks.people import Target
from tests.programs.programs import wait_for

from borealis_wire.envelope import JOB_TYPE, KEYS_TYPE, open_envelope, pre_authentication_encoding
from borealis_wire.events import EngineEvent
from borealis_wire.keys import VerifyKey
from borealis_wire.refusal import Refused

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def device(target: Target) -> RogueDevice:
    """A device in the attacker's hands, on which he may also run scripts."""
    return target.device("signing-device")


def test_rejects_a_script_that_is_an_order_for_another_device(target: Target, device: RogueDevice) -> None:
    """Upstream's plain signature over the script is by the key that seals orders.

    An operator of one site could have the bytes signed that an envelope for another device signs, or those of a
    statement that makes devices trust a key of his own, and read the signature from the job.
    """
    operator = target.person("signing-operator", "Operator")
    order = order_for("6F1C6E1E-7C5B-4B0A-9B35-0C9A5F3E2D10", "id").to_payload()
    statement = keys_statement(THIEF, THIEF)["envelope"]
    for kind, payload in ((JOB_TYPE, order), (KEYS_TYPE, base64.b64decode(statement["payload"]))):
        wanted = pre_authentication_encoding(kind, payload)
        for script_type in ("bash", "python", "powershell", "batch"):
            for form in ("script_content", "script_content_base64"):
                text = wanted.decode() if form == "script_content" else base64.b64encode(wanted).decode()
                body: dict[str, Any] = {form: text, "script_type": script_type, "guids": [device.guid]}
                answer = operator.client.post("/api/scripts/quick_run", json=body)
                assert (answer.status_code, answer.json()["error"]) == (400, "invalid_script"), answer.text


def test_the_plain_signature_of_a_job_opens_no_envelope(target: Target, device: RogueDevice) -> None:
    with device.online() as live:
        live.answers[EngineEvent.QUICK_JOB_RUN] = {"status": "accepted"}
        body = {"script_content": "DSSEv 1", "script_type": "bash", "guids": [device.guid]}
        assert target.owner.post("/api/scripts/quick_run", json=body).status_code == 200
        job = wait_for(
            "the job", lambda: next((data for event, data in live.heard if event == EngineEvent.QUICK_JOB_RUN), None)
        )
    key = VerifyKey.from_spki_base64(job["signing_key"])
    trusted = {key.key_id: key}
    opened = open_envelope(job["envelope"], expected_type=JOB_TYPE, trusted=trusted)
    assert json.loads(opened.payload)["device_guid"] == device.guid
    plain = {**job["envelope"], "signatures": [{"keyid": key.key_id, "sig": job["signature"]}]}
    with pytest.raises(Refused, match="bad_signature"):
        open_envelope(plain, expected_type=JOB_TYPE, trusted=trusted)


def test_the_private_key_is_nowhere_but_in_its_file(target: Target) -> None:
    folder = target.engine.root / "Engine" / "Certificates" / "Code-Signing"
    key_file = folder / "borealis-script-ed25519.key"
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    body = "".join(key_file.read_text().splitlines()[1:-1])
    for path in target.engine.root.rglob("*"):
        if path.is_file() and path != key_file:
            assert body.encode() not in path.read_bytes(), path
