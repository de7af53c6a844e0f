"""Orders that name a signed-in user: that user's agent takes them, and no other (threats 11)."""

from typing import Any

import pytest
from tests.unit.agent.trust.test_agent_trust_policy import GUID, NOW, TRUSTED, job, raw

from borealis_agent.trust import verify_job
from borealis_wire.events import RefusalCode, RunContext
from borealis_wire.refusal import Refused


@pytest.mark.parametrize(
    ("named", "own", "runs"),
    [("ada", "ada", True), ("", "ada", True), ("ada", "bob", False), ("ada", "Ada", False), ("ada", "", False)],
)
def test_a_named_user_runs_it_and_nobody_else(named: str, own: str, runs: bool) -> None:
    payload = job(context=RunContext.INTERACTIVE, user=named)
    asked = {"trusted": TRUSTED, "device_guid": GUID, "context": RunContext.INTERACTIVE, "now": NOW}
    if runs:
        assert verify_job(payload, user=own, **asked).order.user == named
        return
    with pytest.raises(Refused) as raised:
        verify_job(payload, user=own, **asked)
    assert raised.value.code is RefusalCode.WRONG_CONTEXT


@pytest.mark.parametrize("name", ["", " ada", "a\nb", "a\u202eb", "x" * 257, 7, None])
def test_rejects_a_name_that_no_account_has(name: Any) -> None:
    payload = raw(user=name, context="interactive")()
    with pytest.raises(Refused) as raised:
        verify_job(payload, trusted=TRUSTED, device_guid=GUID, context=RunContext.INTERACTIVE, now=NOW, user="ada")
    assert raised.value.code is RefusalCode.MALFORMED


def test_rejects_a_user_named_for_the_service() -> None:
    with pytest.raises(Refused) as raised:
        verify_job(raw(user="ada")(), trusted=TRUSTED, device_guid=GUID, context=RunContext.SYSTEM, now=NOW)
    assert raised.value.code is RefusalCode.MALFORMED
