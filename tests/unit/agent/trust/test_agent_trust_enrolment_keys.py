"""Which signing keys an enrolment may bring in (threats 8)."""

import pytest

from borealis_agent.trust import TrustedKeys, keys_after_enrolment
from borealis_wire.events import RefusalCode
from borealis_wire.keys import SigningKey, VerifyKey
from borealis_wire.refusal import Refused

ENGINE, THIEF, NEXT = (SigningKey.from_seed(bytes([number]) * 32) for number in (1, 2, 3))
TRUSTED: dict[str, VerifyKey] = {ENGINE.public.key_id: ENGINE.public}


class TestKeysAfterEnrolment:
    """Whoever has the TLS key but not the signing key brings in no key of his own (threats 8)."""

    PINNED = TrustedKeys(TRUSTED, frozenset({THIEF.public.key_id}), 100.0)

    def offered(self, *keys: VerifyKey) -> TrustedKeys:
        return TrustedKeys({key.key_id: key for key in keys}, issued_at=200.0)

    def test_a_first_enrolment_takes_what_is_offered(self) -> None:
        offered = self.offered(NEXT.public)
        for pinned, same in ((TrustedKeys(), True), (TrustedKeys(), False), (self.PINNED, False)):
            assert keys_after_enrolment(offered, pinned=pinned, same_engine=same, fresh=False) is offered

    def test_rejects_another_signing_key_at_an_enrolment_that_nobody_asked_for(self) -> None:
        with pytest.raises(Refused) as caught:
            keys_after_enrolment(self.offered(NEXT.public), pinned=self.PINNED, same_engine=True, fresh=False)
        assert caught.value.code is RefusalCode.UNKNOWN_KEY

    def test_rejects_a_key_beside_the_pinned_one(self) -> None:
        offered = self.offered(NEXT.public, ENGINE.public)
        kept = keys_after_enrolment(offered, pinned=self.PINNED, same_engine=True, fresh=False)
        assert kept is self.PINNED

    def test_a_person_with_a_fresh_code_may_bring_a_new_key_but_no_revoked_one(self) -> None:
        offered = self.offered(NEXT.public, THIEF.public)
        taken = keys_after_enrolment(offered, pinned=self.PINNED, same_engine=True, fresh=True)
        assert list(taken.keys) == [NEXT.public.key_id]
        assert (taken.revoked, taken.issued_at) == (self.PINNED.revoked, 200.0)
        with pytest.raises(Refused):
            keys_after_enrolment(self.offered(THIEF.public), pinned=self.PINNED, same_engine=True, fresh=True)
