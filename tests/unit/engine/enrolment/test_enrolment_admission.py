"""The way in: what an honest device gets, what everybody else does not, and what survives."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.fakes.device_world import ADMIN
from tests.fakes.enrolling_device import EnrollingDevice
from tests.fakes.enrolment_world import LOOSE, WRONG_CODE, EnrolmentWorld, refused

from borealis_engine.core.errors import Conflict, Invalid, RateLimited, Unavailable
from borealis_engine.devices import DeviceQuery
from borealis_engine.enrolment import ApprovalStatus, Channel, EnrolmentLimits, Resolution, UnknownReference
from borealis_engine.enrolment.approval_store import count_open
from borealis_wire.events import RunContext
from borealis_wire.keys import SigningKey, VerifyKey
from borealis_wire.messages import EnrolApproved, EnrolPoll, EnrolStatus

OTHER_KEY = SigningKey.from_seed(b"\x07" * 32)


async def test_an_honest_device_waits_is_approved_and_gets_its_tokens(room: EnrolmentWorld) -> None:
    device = EnrollingDevice()
    reference = await room.ask(device, await room.code())
    assert device.pending is not None
    assert device.pending.status == "pending"
    assert device.pending.poll_after_ms == 3000
    assert device.pending.server_certificate == room.certificates.bundle_pem
    assert VerifyKey.from_spki_base64(device.pending.signing_key) == room.signing.current_public

    assert await room.poll(device) == EnrolStatus(status="pending", poll_after_ms=5000)
    assert (await room.row(reference)).channel is Channel.BOUND
    await room.service.approve(ADMIN, reference)
    answer = await room.poll(device)

    assert isinstance(answer, EnrolApproved)
    assert answer.status == "approved"
    assert answer.guid == answer.guid.upper()
    assert (answer.expires_in, answer.token_type) == (900, "Bearer")
    assert [key.key_id for key in answer.signing_keys] == [room.signing.current_public.key_id]
    claims = room.access_tokens.verify(answer.access_token, room.clock.now())
    assert (claims.guid, claims.fingerprint, claims.context) == (answer.guid, device.fingerprint, RunContext.SYSTEM)
    auth = room.devices.auth_state(answer.guid)
    assert auth is not None
    assert (auth.hostname, auth.status, auth.token_version) == ("LAB-PC", "active", 1)
    assert "enrolment.complete" in await room.actions()
    told = [change.data for change in room.feed.changes if "approval_reference" in change.data]
    assert [data["status"] for data in told] == ["pending", "pending", "approved", "completed"]
    assert room.told("change") == ["enrolled"]


async def test_a_completed_poll_brings_no_second_tokens(room: EnrolmentWorld) -> None:
    device = EnrollingDevice()
    await room.enrol(device)
    assert await room.poll(device) == EnrolStatus(status="approved", detail="finalized")


async def test_a_denied_device_is_told_so(room: EnrolmentWorld) -> None:
    device = EnrollingDevice()
    reference = await room.ask(device, await room.code())
    await room.service.deny(ADMIN, reference)
    assert await room.poll(device) == EnrolStatus(status="denied", reason="operator_denied")
    assert await room.uses() == [0]


async def test_an_unfinished_request_expires_and_gives_its_use_back(room: EnrolmentWorld) -> None:
    device = EnrollingDevice()
    reference = await room.ask(device, await room.code())
    room.clock.advance(LOOSE.approval_seconds + 1)
    assert await room.poll(device) == EnrolStatus(status="expired")
    await room.service.prune()
    assert (await room.row(reference)).status is ApprovalStatus.EXPIRED
    assert await room.uses() == [0]


async def test_a_device_that_goes_on_asking_waits_over_a_weekend(room: EnrolmentWorld) -> None:
    device = EnrollingDevice()
    reference = await room.ask(device, await room.code())
    for _ in range(12):
        room.clock.advance(6 * 3600)
        await room.poll(device)
        await room.service.prune()
    assert (await room.row(reference)).status is ApprovalStatus.PENDING


async def test_a_request_by_the_same_key_takes_up_the_open_one(room: EnrolmentWorld) -> None:
    device, code = EnrollingDevice(), await room.code()
    first = await room.ask(device, code)
    await room.poll(device)
    device.hostname = "RENAMED"
    assert await room.ask(device, code) == first
    assert (await room.row(first)).current.hostname == "LAB-PC"  # until the new challenge is answered
    await room.poll(device)
    row = await room.row(first)
    assert row.current.hostname == "RENAMED"
    assert not row.duplicate_identity
    assert await room.uses() == [1]


async def test_a_device_restarted_after_its_approval_comes_in(room: EnrolmentWorld) -> None:
    device, code = EnrollingDevice(), await room.code()
    reference = await room.ask(device, code)
    await room.poll(device)
    await room.service.approve(ADMIN, reference)
    await room.ask(device, code)
    assert isinstance(await room.poll(device), EnrolApproved)


async def test_an_upstream_agent_waits_for_somebody_who_accepts_it(room: EnrolmentWorld) -> None:
    device = EnrollingDevice()
    reference = await room.ask(device, await room.code())
    await room.poll(device, bound=False)
    assert (await room.row(reference)).channel is Channel.UNBOUND
    error = await refused(room.service.approve(ADMIN, reference))
    assert (error.status, error.code) == (409, "unbound_channel")
    await room.service.approve(ADMIN, reference, accept_unbound=True)
    assert isinstance(await room.poll(device, bound=False), EnrolApproved)


async def test_rejects_an_unbound_poll_after_an_approval_that_did_not_accept_it(room: EnrolmentWorld) -> None:
    device = EnrollingDevice()
    reference = await room.ask(device, await room.code())
    await room.service.approve(ADMIN, reference)  # before anything is known of its channel
    answer = await room.poll(device, bound=False)
    assert isinstance(answer, EnrolStatus)
    row = await room.row(reference)
    assert (row.status, row.channel, row.approved_by_username) == (ApprovalStatus.PENDING, Channel.UNBOUND, None)


async def test_rejects_stripping_proof_v2_from_a_device_that_sends_it(room: EnrolmentWorld) -> None:
    device = EnrollingDevice()
    reference = await room.ask(device, await room.code())
    await room.poll(device)
    await room.service.approve(ADMIN, reference)
    assert (await refused(room.poll(device, bound=False))).code == "invalid_proof"
    assert isinstance(await room.poll(device), EnrolApproved)


async def test_rejects_proof_v2_over_another_certificate(room: EnrolmentWorld) -> None:
    device = EnrollingDevice()
    reference = await room.ask(device, await room.code())
    await room.service.approve(ADMIN, reference)
    for _ in range(3):
        error = await refused(room.service.poll(device.poll(b"\x01" * 32), device.address, RunContext.SYSTEM))
        assert (error.status, error.code) == (400, "invalid_proof")
    assert (await room.row(reference)).status is ApprovalStatus.APPROVED
    assert (await room.actions()).count("enrolment.foreign_certificate") == 1


async def test_rejects_a_proof_by_another_key(room: EnrolmentWorld) -> None:
    device = EnrollingDevice()
    await room.ask(device, await room.code())
    message = device.poll(room.certificates.leaf_sha256, signer=OTHER_KEY)
    assert (await refused(room.service.poll(message, device.address, RunContext.SYSTEM))).code == "invalid_proof"


async def test_rejects_wrong_nonces(room: EnrolmentWorld) -> None:
    device = EnrollingDevice()
    await room.ask(device, await room.code())
    poll = device.poll(room.certificates.leaf_sha256)
    other = EnrollingDevice("other")
    other.request("x")
    swapped = msgspec.structs.replace(poll, client_nonce=other.client_nonce)
    assert (await refused(room.service.poll(swapped, "a", RunContext.SYSTEM))).code == "nonce_mismatch"
    assert device.pending is not None
    device.pending = msgspec.structs.replace(device.pending, server_nonce=other.client_nonce)
    assert (await refused(room.poll(device))).code == "invalid_proof"


async def test_rejects_an_unknown_reference(room: EnrolmentWorld) -> None:
    device = EnrollingDevice()
    await room.ask(device, await room.code())
    poll = msgspec.structs.replace(device.poll(None), approval_reference="no-such-thing")
    error = await refused(room.service.poll(poll, "a", RunContext.SYSTEM))
    assert isinstance(error, UnknownReference)
    assert (error.status, error.code) == (404, "unknown_reference")


async def test_rejects_a_proof_moved_to_another_approval(room: EnrolmentWorld) -> None:
    code = await room.code()
    device, other = EnrollingDevice(), EnrollingDevice("other", hostname="OTHER")
    await room.ask(device, code)
    reference = await room.ask(other, code)
    moved = msgspec.structs.replace(device.poll(room.certificates.leaf_sha256), approval_reference=reference)
    assert (await refused(room.service.poll(moved, "a", RunContext.SYSTEM))).code == "nonce_mismatch"


async def test_survives_a_lost_answer_by_a_fresh_request(room: EnrolmentWorld) -> None:
    device, code = EnrollingDevice(), await room.code(max_uses=1)
    reference = await room.ask(device, code)
    await room.service.approve(ADMIN, reference)
    lost = await room.poll(device)
    assert isinstance(lost, EnrolApproved)
    room.clock.advance(60)
    assert await room.ask(device, code) == reference  # neither another use of the code nor another decision
    again = await room.poll(device)
    assert isinstance(again, EnrolApproved)
    assert again.guid == lost.guid
    assert (await refused(room.refresh(device, lost.guid, lost.refresh_token))).code == "refresh_token_revoked"
    await room.refresh(device, again.guid, again.refresh_token)
    assert "enrolment.answer_repeated" in await room.actions()


async def test_rejects_a_proof_that_was_used_before_the_answer_was_repeated(room: EnrolmentWorld) -> None:
    device, code = EnrollingDevice(), await room.code()
    reference = await room.ask(device, code)
    await room.service.approve(ADMIN, reference)
    used = device.poll(room.certificates.leaf_sha256)
    assert isinstance(await room.service.poll(used, device.address, RunContext.SYSTEM), EnrolApproved)
    await room.ask(device, code)
    assert isinstance(await room.poll(device), EnrolApproved)
    error = await refused(room.service.poll(used, device.address, RunContext.SYSTEM))
    assert isinstance(error, Conflict)
    assert error.code == "proof_replayed"


@pytest.mark.parametrize("sign", ["refreshed", "connected", "seen", "late", "twice", "revoked"])
async def test_rejects_repeating_an_answer_that_was_not_lost(room: EnrolmentWorld, sign: str) -> None:
    device, code = EnrollingDevice(), await room.code()
    reference = await room.ask(device, code)
    await room.service.approve(ADMIN, reference)
    answer = await room.poll(device)
    assert isinstance(answer, EnrolApproved)
    room.clock.advance(30)
    await room.ask(device, code)
    if sign == "refreshed":
        await room.refresh(device, answer.guid, answer.refresh_token)
    elif sign == "connected":
        room.connect(answer.guid)
    elif sign == "seen":
        await room.world.beat(answer.guid)
        await room.devices.flush()
    elif sign == "late":
        room.clock.advance(LOOSE.retry_seconds)
    elif sign == "twice":
        assert isinstance(await room.poll(device), EnrolApproved)
        assert await room.ask(device, code) != reference
        assert isinstance(await room.poll(device), EnrolStatus)
        return
    else:
        await room.revoke(answer.guid)
    assert await room.poll(device) == EnrolStatus(status="approved", detail="finalized")


async def test_a_copied_disk_is_noticed_and_decided_by_an_operator(room: EnrolmentWorld) -> None:
    code = await room.code()
    one, two = EnrollingDevice(), EnrollingDevice(address="198.51.100.8")
    reference = await room.ask(one, code)
    await room.poll(one)
    assert await room.ask(two, code) == reference
    await room.poll(two)
    assert not (await room.row(reference)).duplicate_identity
    await room.poll(one)
    assert (await room.row(reference)).duplicate_identity
    assert "enrolment.duplicate_identity" in await room.actions()
    assert (await refused(room.service.approve(ADMIN, reference))).code == "conflict_resolution_required"


async def test_rejects_a_second_machine_that_turns_up_after_the_approval(room: EnrolmentWorld) -> None:
    code = await room.code()
    one, two = EnrollingDevice(), EnrollingDevice(address="198.51.100.8")
    reference = await room.ask(one, code)
    await room.poll(one)
    await room.ask(two, code)
    await room.poll(two)
    await room.service.approve(ADMIN, reference)
    assert isinstance(await room.poll(one), EnrolStatus)
    row = await room.row(reference)
    assert (row.status, row.duplicate_identity) == (ApprovalStatus.PENDING, True)


async def test_a_device_that_lost_its_tokens_comes_back_as_itself(room: EnrolmentWorld) -> None:
    device = EnrollingDevice()
    first = await room.enrol(device)
    room.clock.advance(LOOSE.retry_seconds + 1)
    second = await room.enrol(device)
    assert second.guid == first.guid
    assert (await refused(room.refresh(device, first.guid, first.refresh_token))).code == "refresh_token_revoked"


@pytest.mark.parametrize("meanwhile", ["connected", "revoked"])
async def test_an_automatic_merge_is_asked_about_where_things_changed_since(
    room: EnrolmentWorld, meanwhile: str
) -> None:
    device = EnrollingDevice()
    first = await room.enrol(device)
    room.clock.advance(LOOSE.retry_seconds + 1)
    reference = await room.ask(device, await room.code())
    await room.service.approve(ADMIN, reference)
    if meanwhile == "connected":
        room.connect(first.guid)
    else:
        await room.revoke(first.guid)
    assert isinstance(await room.poll(device), EnrolStatus)
    assert (await room.row(reference)).status is ApprovalStatus.PENDING


async def test_a_new_key_takes_over_the_device_that_an_operator_chose(room: EnrolmentWorld) -> None:
    old = await room.enrol(EnrollingDevice("old"))
    device = EnrollingDevice("new")
    reference = await room.ask(device, await room.code())
    assert (await refused(room.service.approve(ADMIN, reference))).code == "conflict_resolution_required"
    await room.service.approve(ADMIN, reference, guid=f"{{{old.guid.lower()}}}")
    answer = await room.poll(device)
    assert isinstance(answer, EnrolApproved)
    assert answer.guid == old.guid
    auth = room.devices.auth_state(old.guid)
    assert auth is not None
    assert (auth.token_version, auth.fingerprint) == (2, device.fingerprint)
    assert (await refused(room.refresh(device, old.guid, old.refresh_token))).code == "refresh_token_revoked"


async def test_two_devices_of_one_name_can_stay_side_by_side(room: EnrolmentWorld) -> None:
    await room.enrol(EnrollingDevice("one"))
    device = EnrollingDevice("two")
    reference = await room.ask(device, await room.code())
    (view,) = await room.service.list_approvals(ADMIN)
    assert view.alternate_hostname == "LAB-PC-1"
    await room.service.approve(ADMIN, reference, resolution=Resolution.COEXIST)
    await room.poll(device)
    assert [record.hostname for record in room.devices.find(ADMIN, DeviceQuery())] == ["LAB-PC", "LAB-PC-1"]


async def test_rejects_more_devices_than_a_code_allows(room: EnrolmentWorld) -> None:
    code = await room.code(max_uses=3)
    results = await asyncio.gather(
        *(room.ask(EnrollingDevice(str(number), hostname=f"PC-{number}"), code) for number in range(10)),
        return_exceptions=True,
    )
    errors = [error for error in results if isinstance(error, Invalid)]
    assert len(errors) == 7
    assert {error.code for error in errors} == {"code_consumed"}
    assert await room.read(count_open) == 3


async def test_each_code_of_a_request_holds_one_use(room: EnrolmentWorld) -> None:
    device = EnrollingDevice()
    first, second, third = await room.code(), await room.code(), await room.code()
    reference = await room.ask(device, first)
    await room.poll(device)
    await room.ask(device, second)
    assert await room.uses() == [1, 1, 0]
    await room.ask(device, third)
    assert await room.uses() == [1, 0, 1]
    await room.poll(device)
    await room.service.deny(ADMIN, reference)
    assert await room.uses() == [0, 0, 0]


@pytest.mark.parametrize("code", ["", "nonsense", WRONG_CODE])
async def test_rejects_codes_that_nobody_made(room: EnrolmentWorld, code: str) -> None:
    error = await refused(room.service.request(EnrollingDevice().request(code), "a"))
    assert error.code == ("invalid_enrollment_code" if code else "enrollment_code_required")


async def test_rejects_an_expired_code(room: EnrolmentWorld) -> None:
    code = await room.code(expires_in_seconds=300)
    room.clock.advance(300)
    assert (await refused(room.ask(EnrollingDevice(), code))).code == "invalid_enrollment_code"


class TestLimits:
    @pytest.fixture
    def limits(self) -> EnrolmentLimits:
        return EnrolmentLimits(pending_approvals=13)

    async def test_rejects_guessing_codes(self, room: EnrolmentWorld) -> None:
        for number in range(40):
            await refused(room.ask(EnrollingDevice(str(number)), WRONG_CODE))
        error = await refused(room.ask(EnrollingDevice("last"), await room.code()))
        assert isinstance(error, RateLimited)
        assert 0 < error.retry_after <= 60
        room.clock.advance(61)
        await room.ask(EnrollingDevice("last"), await room.code())

    async def test_rejects_guessing_from_one_ipv6_network(self, room: EnrolmentWorld) -> None:
        for number in range(40):
            device = EnrollingDevice(str(number), address=f"2001:db8::{number + 1:x}")
            await refused(room.ask(device, WRONG_CODE))
        assert isinstance(
            await refused(room.ask(EnrollingDevice("last", address="2001:db8::ffff"), await room.code())), RateLimited
        )

    async def test_rejects_too_many_requests_by_one_key(self, room: EnrolmentWorld) -> None:
        code = await room.code()
        for number in range(12):
            await room.ask(EnrollingDevice(address=f"198.51.100.{number}"), code)
        assert isinstance(await refused(room.ask(EnrollingDevice(address="203.0.113.1"), code)), RateLimited)

    async def test_rejects_hammering_the_poll_without_a_proof(self, room: EnrolmentWorld) -> None:
        poll = EnrolPoll(approval_reference="x", client_nonce="A" * 44, proof_sig="A" * 86 + "==")
        errors = [await refused(room.service.poll(poll, "a", RunContext.SYSTEM)) for _ in range(45)]
        assert [error.status for error in errors] == [404] * 40 + [429] * 5

    async def test_polls_of_many_honest_devices_share_an_address(self, room: EnrolmentWorld) -> None:
        code = await room.code()
        devices = [EnrollingDevice(str(number), hostname=f"PC-{number}") for number in range(12)]
        for device in devices:
            await room.ask(device, code)
        for _ in range(12):
            for device in devices:
                await room.poll(device)

    async def test_rejects_hammering_the_poll_with_a_proof(self, room: EnrolmentWorld) -> None:
        device = EnrollingDevice()
        await room.ask(device, await room.code())
        for _ in range(24):
            await room.poll(device)
        assert isinstance(await refused(room.poll(device)), RateLimited)

    async def test_rejects_more_waiting_devices_than_fit(self, room: EnrolmentWorld) -> None:
        code = await room.code()
        for number in range(13):
            await room.ask(EnrollingDevice(str(number), hostname=f"PC-{number}"), code)
        error = await refused(room.ask(EnrollingDevice("last"), code))
        assert isinstance(error, Unavailable)
        assert await room.uses() == [13]


async def test_survives_a_failing_admission_with_nothing_half_done(
    room: EnrolmentWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = EnrollingDevice()
    reference = await room.ask(device, await room.code())
    await room.service.approve(ADMIN, reference)

    def fail(*_: Any, **__: Any) -> None:
        raise Unavailable("database_unavailable", "gone for a moment")

    with monkeypatch.context() as patch:
        patch.setattr("borealis_engine.enrolment.settlement.refresh_store.start_family", fail)
        assert (await refused(room.poll(device))).status == 503
    assert (await room.row(reference)).status is ApprovalStatus.APPROVED
    assert room.told("change") == []
    assert isinstance(await room.poll(device), EnrolApproved)


async def test_a_leaf_renewed_while_a_device_waits_keeps_its_proofs_good(room: EnrolmentWorld, tmp_path: Path) -> None:
    device = EnrollingDevice()
    reference = await room.ask(device, await room.code())
    before = device.poll(room.certificates.leaf_sha256)
    (tmp_path / "Engine" / "Certificates" / "borealis-server-cert.pem").unlink()
    assert room.certificates.renew_if_due()
    await room.service.approve(ADMIN, reference)
    assert isinstance(await room.service.poll(before, device.address, RunContext.SYSTEM), EnrolApproved)
