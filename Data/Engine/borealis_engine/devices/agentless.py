"""Records of devices that have no agent: they have no key, so nobody can speak for them."""

from typing import Final

from sqlalchemy import Connection

from borealis_engine.core.errors import Forbidden
from borealis_engine.devices import site_store, store
from borealis_engine.devices.models import ACTIVE, DeviceAuth
from borealis_engine.devices.ports import Actor
from borealis_engine.devices.registry import Registry

NO_KEY: Final = "no-agent:"
"""In the place of a key's fingerprint, followed by the GUID: unique, and never a digest."""


def auth_without_agent(guid: str, hostname: str, site_id: int | None) -> DeviceAuth:
    """The standing of a new record: active, and without a key."""
    return DeviceAuth(
        guid=guid,
        hostname=hostname,
        fingerprint=f"{NO_KEY}{guid}",
        public_key_spki=b"",
        token_version=1,
        status=ACTIVE,
        site_id=site_id,
    )


def insert_without_agent(
    conn: Connection, auth: DeviceAuth, *, description: str, connection_type: str, endpoint: str, now: float
) -> None:
    """Record it.

    Raises:
        Conflict: ``hostname_taken``.
    """
    if store.hostname_taken(conn, auth.hostname, other_than=auth.guid):
        raise store.name_taken(auth.hostname)
    store.insert_device(conn, auth, reported_hostname="", now=now)
    values = {
        "description": description,
        "connection_type": connection_type,
        "connection_endpoint": endpoint,
        "named_by_operator": True,
    }
    store.update_device(conn, auth.guid, values)


def check_site(registry: Registry, actor: Actor, site_id: int | None) -> None:
    """Whether this operator may put a device there.

    Raises:
        NotFound: ``site_not_found``.
        Forbidden: ``site_limited``.
    """
    if site_id is None:
        if actor.sites is not None:
            raise Forbidden("site_limited", "Only operators of all sites may add a device that is in no site.")
    elif site_id not in registry.sites or not actor.sees_site(site_id):
        raise site_store.not_found(str(site_id))
