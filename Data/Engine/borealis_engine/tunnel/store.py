"""SQL of tunnels. Plain functions of a connection."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from borealis_engine.tunnel.models import Lease, PortList, TunnelRow
from borealis_engine.tunnel.tables import device_vpn_config, tunnels


def load_live(conn: Connection) -> list[Mapping[str, Any]]:
    """The tunnels that have not ended, oldest first."""
    found = conn.execute(select(tunnels).where(tunnels.c.ended_at.is_(None)).order_by(tunnels.c.id)).mappings()
    return [
        {**row, "operators": json.loads(row["operators"]), "ports": tuple(json.loads(row["allowed_ports"]))}
        for row in found
    ]


def load_ports(conn: Connection) -> dict[str, PortList]:
    """Every allow-list that somebody set, by GUID."""
    return {
        row["agent_id"]: PortList(
            row["agent_id"], tuple(json.loads(row["allowed_ports"])), True, row["updated_at"], row["updated_by"]
        )
        for row in conn.execute(select(device_vpn_config)).mappings()
    }


def open_tunnel(conn: Connection, lease: Lease) -> int:
    """A new row; gives its number."""
    row = {
        "tunnel_id": lease.tunnel_id,
        "guid": lease.guid,
        "hostname": lease.hostname,
        "site_id": lease.site_id,
        "address": lease.address,
        "public_key": lease.public_key,
        "endpoint": lease.endpoint,
        "started_by": lease.started_by,
        "started_at": lease.started_at,
        **changes(lease),
        "ended_at": None,
        "reason": "",
    }
    del row["id"]
    number = conn.execute(insert(tunnels).values(row)).inserted_primary_key
    assert number is not None
    return int(number[0])


def changes(lease: Lease) -> dict[str, Any]:
    """What of a lease changes while it is up, as it is stored; ``id`` names the row."""
    return {
        "id": lease.id,
        "site_id": lease.site_id,
        "operators": json.dumps(list(lease.operators)),
        "allowed_ports": json.dumps(list(lease.ports)),
        "last_used": lease.last_used,
        "received": lease.received,
        "sent": lease.sent,
    }


def keep(conn: Connection, leases: Sequence[Mapping[str, Any]]) -> None:
    """What :func:`changes` gave of each."""
    for lease in leases:
        values = {name: value for name, value in lease.items() if name != "id"}
        conn.execute(update(tunnels).where(tunnels.c.id == lease["id"], tunnels.c.ended_at.is_(None)).values(values))


def close_tunnel(conn: Connection, lease: Lease, *, reason: str, now: float) -> None:
    """It is over; a second time changes nothing."""
    conn.execute(
        update(tunnels)
        .where(tunnels.c.tunnel_id == lease.tunnel_id, tunnels.c.ended_at.is_(None))
        .values(
            ended_at=max(now, lease.started_at),
            reason=reason,
            operators="[]",
            last_used=lease.last_used,
            received=lease.received,
            sent=lease.sent,
        )
    )


def history(conn: Connection, guid: str, *, limit: int) -> list[TunnelRow]:
    """Tunnels of a device, newest first."""
    found = conn.execute(
        select(tunnels).where(tunnels.c.guid == guid).order_by(tunnels.c.id.desc()).limit(limit)
    ).mappings()
    return [TunnelRow(**{name: row[name] for name in TunnelRow.__dataclass_fields__}) for row in found]


def prune(conn: Connection, before: float) -> int:
    """Delete what ended before then (Unix seconds)."""
    return conn.execute(delete(tunnels).where(tunnels.c.ended_at < before)).rowcount


def set_ports(conn: Connection, ports: PortList) -> None:
    """Put an allow-list in the place of what there was."""
    conn.execute(delete(device_vpn_config).where(device_vpn_config.c.agent_id == ports.guid))
    if ports.custom:
        conn.execute(
            insert(device_vpn_config).values(
                agent_id=ports.guid,
                allowed_ports=json.dumps(list(ports.ports)),
                updated_at=ports.updated_at,
                updated_by=ports.updated_by,
            )
        )
