"""Tunnels among the rows of activity: upstream's words, one row each over any number of the Engine's lives."""

from pathlib import Path

from sqlalchemy import delete
from tests.unit.engine.tunnel.tunnel_world import OLGA, failure, open_world

from borealis_engine.activity.tables import jobs
from borealis_engine.tunnel import store


async def test_a_tunnel_is_a_row_of_activity_in_upstreams_words(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid = await world.device()
        lease = await world.connect(guid)
        await world.connect(guid, OLGA)
        (row,) = (await world.rest.owner().get("/api/runs?kind=vpn_tunnel")).json()["runs"]
        assert (row["script_name"], row["script_type"]) == ("Reverse VPN Tunnel (WireGuard)", "vpn_tunnel")
        assert (row["run_id"], row["guid"], row["created_by"], row["status"]) == (
            lease.tunnel_id,
            guid,
            "owner",
            "Running",
        )
        (upstream,) = (await world.rest.owner().get("/api/device/activity/lab-1")).json()["history"]
        assert (upstream["script_path"], upstream["status"]) == (lease.tunnel_id, "Running")
        await world.tunnels.disconnect(world.owner, name=guid, everybody=True, address="")
        assert await world.rows() == [(lease.tunnel_id, "Completed", "operator_stop")]
        world.said = {"status": "failed", "detail": "there is no wireguard-go"}
        assert await failure(world.connect(guid)) == "tunnel_failed"
        assert [row[1:] for row in await world.rows()] == [("Failed", "failed"), ("Completed", "operator_stop")]


async def test_survives_a_restart_as_one_row_that_ends_once(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        guid = await world.device()
        lease = await world.connect(guid)
        for _ in range(2):
            await world.restart()
            assert await world.rows() == [(lease.tunnel_id, "Running", "")]
        await world.tunnels.disconnect(world.owner, name=guid, everybody=True, address="")
        assert await world.rows() == [(lease.tunnel_id, "Completed", "operator_stop")]
        await world.restart()
        assert await world.rows() == [(lease.tunnel_id, "Completed", "operator_stop")]


async def test_survives_an_end_while_the_engine_was_away(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        lease = await world.connect(await world.device())
        await world.restart(away=7200)
        assert await world.rows() == [(lease.tunnel_id, "Completed", "idle_timeout")]


async def test_survives_rows_and_tunnels_that_do_not_match(tmp_path: Path) -> None:
    """As a database has them that an earlier version wrote, or somebody put right by hand."""
    async with open_world(tmp_path) as world:
        rowless, ended = await world.connect(await world.device(1)), await world.connect(await world.device(2))
        db = world.rest.services.db
        await db.write(lambda conn: conn.execute(delete(jobs).where(jobs.c.id == rowless.tunnel_id)))
        await db.write(lambda conn: store.close_tunnel(conn, ended, reason="idle_timeout", now=ended.started_at))
        await world.restart()
        assert sorted(await world.rows()) == sorted(
            [
                (rowless.tunnel_id, "Running", ""),
                (ended.tunnel_id, "Completed", "server_stop"),
            ]
        )
