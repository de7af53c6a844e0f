"""Access tokens renewed: a refresh token and a proof of the device's key, and each token once (contract 3).

A token that comes again after its successor was used shows that two parties hold the chain: the family ends, for
both of them, and operators are told.
"""

from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from sqlalchemy import Connection

from borealis_engine.audit import AuditEntry
from borealis_engine.audit import store as audit_store
from borealis_engine.core.errors import EngineError, Forbidden, Invalid, NotFound, Unauthenticated
from borealis_engine.core.feed import Change
from borealis_engine.core.rate_limit import SlidingWindow
from borealis_engine.devices.models import MAY_CONNECT, DeviceAuth
from borealis_engine.devices.names import normalise_guid
from borealis_engine.enrolment import refresh_store
from borealis_engine.enrolment.dpop import DpopProof, verify_dpop
from borealis_engine.enrolment.ground import WIDE_LIMIT_KEYS, Ground, log
from borealis_engine.enrolment.refresh_store import Rotation, Verdict
from borealis_engine.enrolment.tls import EngineCertificates
from borealis_engine.operators.lockout import peer_key
from borealis_wire.accounts import is_account_name
from borealis_wire.events import OperatorEvent, Rest, RunContext
from borealis_wire.keys import VerifyKey
from borealis_wire.limits import ACCESS_TOKEN_SECONDS
from borealis_wire.messages import TokenRefreshed, TokenRefreshRequest

METHOD = "POST"


@dataclass(frozen=True, slots=True)
class _Presented:
    """One refresh as it came: ``proof`` verified, or ``proof_error`` where one was sent that does not hold."""

    guid: str
    token: str
    proof: DpopProof | None
    proof_error: Invalid | None
    peer: str


class Refreshing:
    """Answers ``token/refresh``."""

    def __init__(self, ground: Ground) -> None:
        limits = ground.limits
        self._ground = ground
        self._peers = SlidingWindow(limits.refreshes_per_address, limits.window_seconds, max_keys=WIDE_LIMIT_KEYS)
        # By device and address: nobody elsewhere who knows a GUID can use up the device's own tries.
        self._devices = SlidingWindow(limits.refreshes_per_device, limits.window_seconds, max_keys=50_000)

    async def refresh(
        self,
        request: TokenRefreshRequest,
        *,
        dpop: str | None,
        urls: frozenset[str],
        peer: str,
        context: RunContext,
    ) -> TokenRefreshed:
        """A new access token, and the successor of the refresh token.

        Args:
            request: GUID and refresh token; and whom the access token is to name. Only the SYSTEM agent has the
                refresh token and the device's key, so this is its word for who is signed in.
            dpop: the header ``DPoP``.
            urls: the forms of this request's URL that a proof may name; see :func:`refresh_urls`.
            peer: the caller's address.
            context: the run context that the access token will be for.

        Raises:
            RateLimited: too many by this address, or for this device from this address.
            Invalid: ``invalid_request``, ``dpop_invalid``, ``dpop_replayed``.
            Unauthenticated: ``invalid_refresh_token``, ``refresh_token_revoked``, ``refresh_token_expired``.
            NotFound: ``device_not_found``.
            Forbidden: ``device_revoked``.
        """
        ground, steady = self._ground, self._ground.clock.monotonic()
        self._peers.check(peer_key(peer), steady)
        guid = normalise_guid(request.guid)
        if not guid or not request.refresh_token:
            raise Invalid("invalid_request", "guid and refresh_token are both needed.")
        if request.user and (context is not RunContext.INTERACTIVE or not is_account_name(request.user)):
            raise Invalid("invalid_request", "user is the name of an account, of the interactive context alone.")
        self._devices.check(f"{guid} {peer_key(peer)}", steady)
        auth = ground.devices.auth_state(guid)
        proof, proof_error = self._verify(auth, dpop, urls)
        presented = _Presented(guid, request.refresh_token, proof, proof_error, peer)
        rotation = await ground.db.write(partial(self._present, auth=auth, presented=presented))
        if rotation.verdict is not Verdict.ROTATED:
            if rotation.verdict is Verdict.REUSED:
                self._alert(guid, auth, peer)
            raise _refusal(rotation.verdict)
        assert auth is not None
        return TokenRefreshed(
            access_token=ground.access_tokens.issue(auth, context, ground.clock.now(), user=request.user),
            expires_in=ACCESS_TOKEN_SECONDS,
            token_type="Bearer",
            refresh_token=rotation.token,
        )

    def _verify(
        self, auth: DeviceAuth | None, dpop: str | None, urls: frozenset[str]
    ) -> tuple[DpopProof | None, Invalid | None]:
        if auth is None or dpop is None:
            return None, None
        key = VerifyKey.from_spki(auth.public_key_spki)
        try:
            return verify_dpop(dpop, device_key=key, method=METHOD, urls=urls, now=self._ground.clock.now()), None
        except Invalid as error:
            return None, error

    def _present(self, connection: Connection, *, auth: DeviceAuth | None, presented: _Presented) -> Rotation:
        """Upstream's order: the token first, then the device, then the proof; only then anything changes."""
        ground, now = self._ground, self._ground.now()
        verdict = refresh_store.judge(refresh_store.find(connection, presented.guid, presented.token), now)
        if verdict is Verdict.UNKNOWN:
            return self._unknown(connection, auth, presented)
        if verdict in (Verdict.REVOKED, Verdict.EXPIRED):
            return Rotation(verdict)
        if auth is None:
            raise NotFound("device_not_found", "The Engine has no such device. Enrol it again.")
        if auth.status not in MAY_CONNECT:
            raise Forbidden("device_revoked", "An operator revoked this device. It has to be enrolled again.")
        if presented.proof_error is not None:
            raise presented.proof_error
        rotation = refresh_store.rotate(
            connection,
            presented.guid,
            presented.token,
            proof=presented.proof,
            now=now,
            randomness=ground.randomness,
        )
        if rotation.verdict is Verdict.REUSED:
            self._record_reuse(connection, auth, presented.peer)
        return rotation

    def _unknown(self, connection: Connection, auth: DeviceAuth | None, presented: _Presented) -> Rotation:
        """A token that nobody knows, with a proof by the device's own key, is one of old that was pruned: reused."""
        if auth is None or presented.proof is None or auth.status not in MAY_CONNECT:
            return Rotation(Verdict.UNKNOWN)
        if refresh_store.proof_was_seen(connection, presented.guid, presented.proof):
            return Rotation(Verdict.REPLAYED)
        if not refresh_store.revoke_device(connection, presented.guid, self._ground.now()):
            return Rotation(Verdict.UNKNOWN)
        self._record_reuse(connection, auth, presented.peer)
        return Rotation(Verdict.REUSED)

    def _record_reuse(self, connection: Connection, auth: DeviceAuth, peer: str) -> None:
        entry = AuditEntry(
            actor=f"device:{auth.guid}",
            action="device.tokens_revoked",
            target_kind="device",
            target=auth.guid,
            detail={"hostname": auth.hostname, "reason": "refresh_token_reused"},
            address=peer,
            site_id=auth.site_id,
        )
        audit_store.record(connection, entry, self._ground.clock.now())

    def _alert(self, guid: str, auth: DeviceAuth | None, peer: str) -> None:
        self._ground.count("refresh_reused")
        log.error("an old refresh token was used again: two parties hold this device's tokens", guid=guid, peer=peer)
        data = {"guid": guid, "hostname": auth.hostname if auth else "", "change": "alert"}
        self._ground.feed.publish(
            Change(
                OperatorEvent.DEVICE_CHANGED,
                {**data, "alert": "refresh_token_reused"},
                device_guid=guid,
                site_id=auth.site_id if auth else None,
            )
        )


def refresh_urls(*, host: str, public_url: str, certificates: EngineCertificates) -> frozenset[str]:
    """The URLs that a proof for ``token/refresh`` may name.

    Args:
        host: the header ``Host``. Believed only where the Engine's certificate speaks for it: else whoever got a
            proof for an address of their own could pass it on under that name.
        public_url: the Engine's address as operators set it.
        certificates: of this Engine.
    """
    urls = {public_url.rstrip("/") + Rest.TOKEN_REFRESH}
    try:
        named = urlsplit(f"https://{host}").hostname or ""
    except ValueError:
        named = ""
    if named and certificates.covers(named):
        urls.add(f"https://{host}{Rest.TOKEN_REFRESH}")
    return frozenset(urls)


def _refusal(verdict: Verdict) -> EngineError:
    match verdict:
        case Verdict.REVOKED:
            return Unauthenticated("refresh_token_revoked", "The refresh token was revoked. Enrol the device again.")
        case Verdict.REUSED:
            return Unauthenticated(
                "refresh_token_revoked",
                "The refresh token had a successor that is in use: somebody else holds this device's tokens, or it "
                "was restored from a copy. All of them were revoked; enrol the device again.",
            )
        case Verdict.EXPIRED:
            return Unauthenticated("refresh_token_expired", "The refresh token has expired. Enrol the device again.")
        case Verdict.REPLAYED:
            return Invalid("dpop_replayed", "The proof of possession was used before. Make a new one.")
        case Verdict.PROOF_MISSING:
            return Invalid("dpop_invalid", "This device proves its key with each refresh; the header DPoP is missing.")
        case _:
            return Unauthenticated("invalid_refresh_token", "The refresh token is not known. Enrol the device again.")
