"""The pinned Engine on disk."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.fake_clock import FakeClock
from tests.programs.systems import needs_file_modes

from borealis_agent.core.errors import Fatal
from borealis_agent.trust import TrustedKeys, TrustStore
from borealis_engine.enrolment import certificate_making as making
from borealis_wire.envelope import KEYS_TYPE, seal
from borealis_wire.keys import SigningKey, VerifyKey
from borealis_wire.orders import KeysStatement
from borealis_wire.refusal import Refused

ENGINE, NEXT, THIEF = (SigningKey.from_seed(bytes([number]) * 32) for number in (1, 2, 3))
CA_KEY = making.new_key()
CA = making.make_authority(CA_KEY, time.time())
RENEWED = making.make_authority(CA_KEY, time.time() - 86400)
FOREIGN = making.make_authority(making.new_key(), time.time())
PIN = making.pin_of(CA)
PEM, RENEWED_PEM, FOREIGN_PEM = (making.certificates_pem([ca]).decode() for ca in (CA, RENEWED, FOREIGN))
URL = "https://engine:5000"


def store_in(folder: Path) -> TrustStore:
    return TrustStore(folder, clock=FakeClock(1_700_000_000))


def pinned_in(folder: Path) -> TrustStore:
    store = store_in(folder)
    store.pin(
        engine_url=URL, ca_pem=PEM, ca_pin=PIN, keys=TrustedKeys({ENGINE.public.key_id: ENGINE.public}, issued_at=5.0)
    )
    return store


def statement(*keys: VerifyKey, revoked: tuple[str, ...] = (), at: float, signer: SigningKey) -> dict[str, Any]:
    return {"envelope": seal(KEYS_TYPE, KeysStatement(keys, revoked, at).to_payload(), signer)}


def test_nothing_is_trusted_before_an_enrolment(tmp_path: Path) -> None:
    store = store_in(tmp_path / "absent")
    assert (store.ca_pin, store.ca_pem, store.engine_url, store.trusted) == ("", "", "", {})
    assert store.signing_key_base64 == ""


def test_a_pin_survives_a_restart(tmp_path: Path) -> None:
    pinned_in(tmp_path)
    again = store_in(tmp_path)
    assert (again.ca_pin, again.ca_pem, again.engine_url) == (PIN, PEM, URL)
    assert again.trusted == {ENGINE.public.key_id: ENGINE.public}
    assert again.signing_key_base64 == ENGINE.public.spki_base64
    assert again.keys.issued_at == 5.0
    assert (tmp_path / "server_certificate.pem").read_text() == PEM


def test_rejects_a_certificate_that_does_not_belong_to_the_pin(tmp_path: Path) -> None:
    store = pinned_in(tmp_path)
    keys = TrustedKeys({ENGINE.public.key_id: ENGINE.public})
    with pytest.raises(ValueError):
        store.pin(engine_url=URL, ca_pem=FOREIGN_PEM, ca_pin=PIN, keys=keys)
    with pytest.raises(ValueError):
        store.pin(engine_url=URL, ca_pem=PEM, ca_pin=PIN, keys=TrustedKeys())
    with pytest.raises(ValueError):
        store.replace_ca_certificate(FOREIGN_PEM)
    assert store_in(tmp_path).ca_pem == PEM


def test_a_renewed_certificate_of_the_same_key_is_taken(tmp_path: Path) -> None:
    store = pinned_in(tmp_path)
    store.replace_ca_certificate(RENEWED_PEM)
    again = store_in(tmp_path)
    assert (again.ca_pem, again.ca_pin) == (RENEWED_PEM, PIN)
    assert again.trusted == store.trusted


def test_statements_are_followed_and_old_ones_are_passed_over(tmp_path: Path) -> None:
    store = pinned_in(tmp_path)
    first = statement(NEXT.public, ENGINE.public, at=10.0, signer=ENGINE)
    second = statement(NEXT.public, revoked=(ENGINE.public.key_id,), at=20.0, signer=NEXT)
    assert store.apply_statement(first)
    assert store.apply_statement(second)
    assert list(store.trusted) == [NEXT.public.key_id]
    again = store_in(tmp_path)
    assert list(again.trusted) == [NEXT.public.key_id]
    assert again.keys.revoked == {ENGINE.public.key_id}
    assert not again.apply_statement(second)


@pytest.mark.parametrize("bad", [None, {}, statement(THIEF.public, at=10.0, signer=THIEF), {"envelope": "x"}])
def test_rejects_a_statement_that_no_trusted_key_signed(tmp_path: Path, bad: Any) -> None:
    store = pinned_in(tmp_path)
    with pytest.raises(Refused):
        store.apply_statement(bad)
    assert list(store.trusted) == [ENGINE.public.key_id]


def test_both_agents_of_a_device_see_what_either_heard(tmp_path: Path) -> None:
    system, user = pinned_in(tmp_path), store_in(tmp_path)
    assert system.apply_statement(statement(NEXT.public, ENGINE.public, at=10.0, signer=ENGINE))
    # The user's agent hears the next one before it looked: it must not write over the first.
    assert user.apply_statement(statement(NEXT.public, at=20.0, signer=NEXT))
    assert system.reload()
    assert not system.reload()
    assert list(system.trusted) == [NEXT.public.key_id]


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_survives_a_file_torn_anywhere_and_trusts_nobody_then(tmp_path: Path, data: st.DataObject) -> None:
    pinned_in(tmp_path)
    path = tmp_path / "trust.json"
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    store = store_in(tmp_path)
    assert (store.ca_pin, store.trusted) == ("", {})
    assert (tmp_path / "trust.json.bad-1700000000").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"ca_pin": "0" * 64},
        {"ca_certificate": FOREIGN_PEM},
        {"signing_keys": []},
        {"signing_keys": [{"public_key": "x"}]},
        {"signing_keys": "x"},
        {"revoked": [ENGINE.public.key_id]},
        {"revoked": 5},
        {"statement_issued_at": "x"},
        {"statement_issued_at": float("nan")},
    ],
)
def test_survives_a_file_that_does_not_fit_together(tmp_path: Path, change: dict[str, Any]) -> None:
    pinned_in(tmp_path)
    path = tmp_path / "trust.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert store_in(tmp_path).ca_pin == ""


@needs_file_modes
def test_rejects_a_file_that_others_may_write(tmp_path: Path) -> None:
    pinned_in(tmp_path)
    (tmp_path / "trust.json").chmod(0o666)
    with pytest.raises(Fatal, match="other accounts"):
        store_in(tmp_path)


def test_survives_a_disk_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = pinned_in(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("borealis_agent.trust.store.write_atomic", full)
    with pytest.raises(OSError):
        store.apply_statement(statement(NEXT.public, at=10.0, signer=ENGINE))
    assert list(store.trusted) == [ENGINE.public.key_id]


class TestFromEnrolment:
    """The signing keys of an approval."""

    def listed(self, *keys: SigningKey) -> list[dict[str, str]]:
        return [{"key_id": key.public.key_id, "public_key": key.public.spki_base64} for key in keys]

    def test_the_list_is_taken_in_its_order(self) -> None:
        keys = TrustedKeys.from_enrolment(self.listed(NEXT, ENGINE), ENGINE.public.spki_base64, issued_at=1.0)
        assert list(keys.keys) == [NEXT.public.key_id, ENGINE.public.key_id]
        assert keys.current == NEXT.public

    @pytest.mark.parametrize("absent", [None, [], "x"])
    def test_an_older_engine_names_one_key(self, absent: Any) -> None:
        keys = TrustedKeys.from_enrolment(absent, ENGINE.public.spki_base64, issued_at=0.0)
        assert list(keys.keys) == [ENGINE.public.key_id]

    @pytest.mark.parametrize(
        ("listed", "single"),
        [
            ([], ""),
            (None, None),
            ([1], ENGINE.public.spki_base64),
            ([{"key_id": "0" * 16, "public_key": ENGINE.public.spki_base64}], ""),
            ([{"key_id": ENGINE.public.key_id, "public_key": "torn"}], ""),
            ([{"key_id": ENGINE.public.key_id}], ""),
            ([], "torn"),
        ],
    )
    def test_rejects_keys_that_are_not_what_they_say(self, listed: Any, single: Any) -> None:
        with pytest.raises(ValueError):
            TrustedKeys.from_enrolment(listed, single, issued_at=0.0)
