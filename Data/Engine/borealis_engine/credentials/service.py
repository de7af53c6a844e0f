"""Keeping, replacing, deleting and using credentials. Every change and its audit entry commit together."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from borealis_base.clock import Clock
from borealis_engine.audit import AuditEntry
from borealis_engine.audit import store as audit_store
from borealis_engine.core.errors import Conflict, Forbidden, Invalid
from borealis_engine.core.ids import Randomness
from borealis_engine.core.log import get_logger
from borealis_engine.credentials import _vault, checks, store
from borealis_engine.credentials.models import SSH, BecomeSecret, Credential, CredentialSecret, NewCredential
from borealis_engine.operators.permissions import Permission, Principal
from borealis_engine.storage import Database

log = get_logger("credentials")
_KEY_GONE: Final = (
    "The key of stored credentials is gone from Engine/Certificates/Credentials. Restore it from a backup and start"
    " the Engine again; or delete every stored credential and every machine without an agent, start again, and enter"
    " them anew."
)


class CredentialService:
    """Stored credentials. Site limits hold: what is out of sight is not found."""

    def __init__(
        self, *, db: Database, clock: Clock, randomness: Randomness, folder: Path, under_way: store.UnderWay
    ) -> None:
        self._db = db
        self._clock = clock
        self._randomness = randomness
        self._folder = folder
        self._under_way = under_way
        self._vault: _vault.Vault | None = None

    async def start(self, *, sealed_elsewhere: bool = False) -> None:
        """Open the key, and forget the uses of runs that are over.

        The first key is made where nothing is sealed yet; else a missing one stays missing.

        Args:
            sealed_elsewhere: other rooms have things that were sealed here.

        Raises:
            Fatal: the key is torn.
        """
        await self._db.write(lambda conn: store.sweep_uses(conn, self._under_way))
        self._vault = await asyncio.to_thread(_vault.open_vault, self._folder)
        if self._vault is None:
            if sealed_elsewhere or await self._db.read(store.count) > 0:
                log.error("stored credentials cannot be used", reason=_KEY_GONE)
                return
            self._vault = await asyncio.to_thread(_vault.create_vault, self._folder, self._randomness)

    # --- for operators

    async def list(self, principal: Principal) -> list[Credential]:
        """Those whose site the operator sees, and those of all sites."""
        found = await self._db.read(store.load_all)
        return [credential for credential in found if _visible(principal, credential)]

    async def get(self, principal: Principal, number: int) -> Credential:
        """One of them.

        Raises:
            NotFound: ``credential_not_found``.
        """
        found = await self._db.read(lambda conn: store.load(conn, number))
        if found is None or not _visible(principal, found):
            raise store.not_found()
        return found

    async def create(self, principal: Principal, new: NewCredential, *, address: str) -> Credential:
        """Keep a new one.

        Raises:
            Invalid: see ``checks.check_new``.
            Forbidden: ``site_limited``.
            Conflict: ``credential_name_taken`` or ``credential_key_missing``.
        """
        fingerprint = checks.check_new(new)
        _may_keep(principal, new.site_id)
        now = self._clock.now()
        values = {
            "name": new.name,
            "description": new.description.strip(),
            "site_id": new.site_id,
            "kind": new.kind,
            **_shown(new.secret, fingerprint),
            "created_by": principal.username,
            "created_at": now,
            "updated_at": now,
        }

        def work(conn: Connection) -> Credential:
            number = store.add(conn, values)
            store.change(conn, number, {"sealed": self._seal_secret(number, new.kind, new.site_id, new.secret)})
            credential = store.load(conn, number)
            assert credential is not None
            audit_store.record(conn, _entry(principal.username, "credential.create", credential, address), now)
            return credential

        created = await self._db.write(work)
        log.info("credential kept", credential=created.id, by=principal.username)
        return created

    async def change(
        self,
        principal: Principal,
        number: int,
        *,
        name: str | None = None,
        description: str | None = None,
        move: bool = False,
        site_id: int | None = None,
        secret: CredentialSecret | None = None,
        address: str,
    ) -> Credential:
        """Rename, describe, move, or replace the secret, as a whole.

        Args:
            move: ``site_id`` counts.

        Raises:
            NotFound: ``credential_not_found``.
            Invalid: ``no_fields``, and see ``checks``.
            Forbidden: ``site_limited``.
            Conflict: ``credential_name_taken``, ``credential_key_missing``, ``credential_unreadable``.
        """
        before = await self.get(principal, number)
        _may_keep(principal, before.site_id)
        values: dict[str, Any] = {}
        if name is not None:
            checks.check_name(name)
            values["name"] = name
        if description is not None:
            checks.check_description(description)
            values["description"] = description.strip()
        if move:
            _may_keep(principal, site_id)
            values["site_id"] = site_id
        if secret is not None:
            values |= _shown(secret, checks.check_secret(before.kind, secret))
        if not values:
            raise Invalid("no_fields", "Name at least one thing to change: name, description, site_id, secret.")
        now = self._clock.now()

        def work(conn: Connection) -> Credential:
            found = store.load_sealed(conn, number)
            if found is None:
                raise store.not_found()
            kept = secret or (self._open_secret(*found) if move else None)
            if kept is not None:
                site = site_id if move else found[0].site_id
                values["sealed"] = self._seal_secret(number, before.kind, site, kept)
            store.change(conn, number, {**values, "updated_at": now})
            after = store.load(conn, number)
            assert after is not None
            changed = sorted({"secret" if part == "sealed" else part for part in values} & _TOLD)
            if secret is None and "secret" in changed:
                changed.remove("secret")
            entry = _entry(principal.username, "credential.change", after, address, changed=changed)
            audit_store.record(conn, entry, now)
            return after

        changed = await self._db.write(work)
        log.info("credential changed", credential=number, by=principal.username)
        return changed

    async def delete(self, principal: Principal, number: int, *, address: str) -> None:
        """Forget one.

        Raises:
            NotFound: ``credential_not_found``.
            Forbidden: ``site_limited``.
            Conflict: ``credential_in_use``.
        """
        before = await self.get(principal, number)
        _may_keep(principal, before.site_id)
        entry = _entry(principal.username, "credential.delete", before, address)
        now = self._clock.now()

        def work(conn: Connection) -> None:
            store.remove(conn, number, self._under_way)
            audit_store.record(conn, entry, now)

        await self._db.write(work)
        log.info("credential deleted", credential=number, by=principal.username)

    # --- for machines and runs

    async def usable(self, principal: Principal, number: int, *, kind: str, site_id: int | None) -> Credential:
        """The credential, if this operator may use it on a machine of that site.

        Raises:
            NotFound: ``credential_not_found``.
            Forbidden: ``forbidden``: the operator may use none; ``credential_of_another_site``.
            Invalid: ``credential_unsuitable``.
        """
        if not principal.may(Permission.CREDENTIALS_USE):
            raise Forbidden("forbidden", "You may not use stored credentials; ask an Admin.")
        found = await self.get(principal, number)
        _fits(found, kind, site_id)
        return found

    async def secret_for_run(
        self, number: int, *, kind: str, site_id: int | None, actor: str, run_id: str, guid: str, hostname: str
    ) -> CredentialSecret:
        """The secret, for one run that is about to begin. That is a use: it is in the audit log before it is given.

        Raises:
            NotFound: ``credential_not_found``: deleted meanwhile.
            Forbidden: ``credential_of_another_site``: it, or the machine, was moved.
            Invalid: ``credential_unsuitable``.
            Conflict: ``credential_unreadable``, ``credential_key_missing``.
        """
        now = self._clock.now()

        def work(conn: Connection) -> CredentialSecret:
            found = store.load_sealed(conn, number)
            if found is None:
                raise store.not_found()
            _fits(found[0], kind, site_id)
            secret = self._open_secret(*found)
            store.change(conn, number, {"used_at": now})
            detail = {"credential": found[0].name, "credential_id": number, "hostname": hostname, "run_id": run_id}
            audit_store.record(
                conn,
                AuditEntry(actor, "credential.use", "device", guid, detail=detail, site_id=site_id),
                now,
            )
            return secret

        return await self._db.write(work)

    async def end_use(self, run_id: str) -> None:
        """A run that was started with a credential is over."""
        await self._db.write(lambda conn: store.end_use(conn, run_id))

    def seal(self, belongs_to: str, data: bytes) -> bytes:
        """Seal something of another room for one place; nothing but the Engine's key opens it.

        Raises:
            Conflict: ``credential_key_missing``.
        """
        return self._open_vault.seal(data, belongs_to=belongs_to, nonce=_vault.new_nonce(self._randomness))

    def open(self, belongs_to: str, sealed: bytes) -> bytes:
        """What :meth:`seal` sealed for that place.

        Raises:
            Conflict: ``credential_key_missing``, or ``credential_unreadable``: altered, moved, or of another Engine.
        """
        try:
            return self._open_vault.open(sealed, belongs_to=belongs_to)
        except _vault.CannotOpen as error:
            raise Conflict(
                "credential_unreadable",
                "What is stored does not open: it was altered behind the Engine's back, or belongs to another Engine."
                " Enter it anew.",
            ) from error

    @property
    def _open_vault(self) -> _vault.Vault:
        if self._vault is None:
            raise Conflict("credential_key_missing", _KEY_GONE)
        return self._vault

    def _seal_secret(self, number: int, kind: str, site_id: int | None, secret: CredentialSecret) -> bytes:
        return self.seal(_place(number, kind, site_id), msgspec.json.encode(asdict(secret)))

    def _open_secret(self, credential: Credential, sealed: bytes) -> CredentialSecret:
        found = msgspec.json.decode(self.open(_place(credential.id, credential.kind, credential.site_id), sealed))
        return CredentialSecret(**{**found, "become": BecomeSecret(**found["become"])})


_TOLD: Final = frozenset({"name", "description", "site_id", "username", "secret"})


def _place(number: int, kind: str, site_id: int | None) -> str:
    """What a secret is bound to: a row swapped for another, or given to other sites in the database, opens nothing."""
    return f"credential/{number}/{kind}/{'all' if site_id is None else site_id}"


def _shown(secret: CredentialSecret, fingerprint: str) -> dict[str, str]:
    return {
        "username": secret.username,
        "secret_kind": "key" if secret.private_key else "password",
        "key_fingerprint": fingerprint,
        "transport": secret.transport,
        "become_method": secret.become.method,
        "become_username": secret.become.user,
    }


def _fits(credential: Credential, kind: str, site_id: int | None) -> None:
    if credential.kind != kind:
        what = "ssh" if kind == SSH else "Windows"
        raise Invalid("credential_unsuitable", f"{credential.name!r} is no credential for {what} machines.")
    if credential.site_id is not None and credential.site_id != site_id:
        raise Forbidden(
            "credential_of_another_site", f"{credential.name!r} is for the machines of another site. Choose another."
        )


def _visible(principal: Principal, credential: Credential) -> bool:
    return credential.site_id is None or principal.sees_site(credential.site_id)


def _may_keep(principal: Principal, site_id: int | None) -> None:
    """Who is limited to sites keeps credentials of those; one of all sites is not theirs to make or change."""
    if not principal.sees_site(site_id):
        raise Forbidden("site_limited", "Only operators of all sites may keep credentials of all sites, or of others.")


def _entry(actor: str, action: str, credential: Credential, address: str, **detail: Any) -> AuditEntry:
    return AuditEntry(
        actor=actor,
        action=action,
        target_kind="credential",
        target=str(credential.id),
        detail={"name": credential.name, "kind": credential.kind, "username": credential.username, **detail},
        address=address,
        site_id=credential.site_id,
    )
