"""Stored credentials: shown to nobody, used by those who may, of no use to whoever holds the database alone."""

import contextlib
import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from litestar.routes import HTTPRoute
from sqlalchemy import text
from tests.fakes.engine_rest import Caller, Rest, open_rest
from tests.fakes.fake_randomness import FakeRandomness
from tests.programs.sshd import new_key

from borealis_engine.activity import store as activity_store
from borealis_engine.controller.orders import read_order
from borealis_engine.core.errors import Conflict, Forbidden
from borealis_engine.credentials import CredentialService
from borealis_engine.dispatch import payloads
from borealis_engine.operators.permissions import OperatorRole, Permission
from borealis_engine.storage import Database
from borealis_wire.refusal import Refused

WORD: Final = "horse-staple-9417"
BECOME: Final = "root-word-9418"
VAULT: Final = "vault-word-9419"
PLAYBOOK: Final = "- hosts: all\n  tasks: []\n"


class Ground:
    """Two sites; in each a machine with a credential of that site's, and one credential of all sites."""

    def __init__(self, rest: Rest, folder: Path) -> None:
        self.rest = rest
        self.folder = folder
        self.key = new_key(folder / "key")
        new_key(folder / "host")
        self.host_key = (folder / "host.pub").read_text()
        self.sites: list[int] = []
        self.credentials: list[int] = []
        self.machines: list[str] = []

    async def build(self) -> None:
        owner = self.rest.owner()
        for name in ("north", "south"):
            self.sites.append((await owner.post("/api/sites", {"name": name})).json()["id"])
        secrets: list[dict[str, Any]] = [
            {"username": "ops", "private_key": self.key, "become": {"method": "sudo", "password": BECOME}},
            {"username": "ops", "password": WORD},
            {"username": "ops", "password": WORD + WORD},
        ]
        for number, (secret, site) in enumerate(zip(secrets, [*self.sites, None], strict=True)):
            body = {"name": f"credential {number}", "kind": "ssh", "site_id": site, "secret": secret}
            answer = await owner.post("/api/credentials", body)
            assert answer.status == 201, answer.body
            self.credentials.append(answer.json()["id"])
        for site, credential, name in zip(self.sites, self.credentials, ("web-n", "web-s"), strict=False):
            connection = {"type": "ssh", "address": "192.0.2.7", "host_key": self.host_key}
            body = {"hostname": name, "site_id": site, "credential_id": credential, "connection": connection}
            answer = await owner.post("/api/machines", body)
            assert answer.status == 201, answer.body
            self.machines.append(answer.json()["device"]["guid"])

    async def start(self, caller: Caller, machine: str, **more: Any) -> Any:
        return await caller.post("/api/ansible/quick_run", {"script_content": PLAYBOOK, "guids": [machine], **more})

    async def use(self, number: int, site: int | None) -> Any:
        return await self.rest.services.credentials.secret_for_run(
            number, kind="ssh", site_id=site, actor="ada", run_id="r", guid="G", hostname="web-n"
        )

    async def sql(self, statement: str, **values: Any) -> None:
        await self.rest.services.db.write(lambda conn: conn.execute(text(statement), values))


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    async with open_rest(tmp_path / "engine") as rest:
        await rest.people.set_up()
        found = Ground(rest, tmp_path)
        await found.build()
        yield found


def secret_lines(ground: Ground) -> list[str]:
    return [WORD, BECOME, VAULT, *ground.key.splitlines()[1:-1]]


async def test_rejects_showing_a_secret_on_any_route_to_anybody(ground: Ground) -> None:
    rest = ground.rest
    started = await ground.start(rest.owner(), ground.machines[0], vault_password=VAULT)
    assert started.status == 200, started.body
    run = started.json()
    people = [rest.owner()]
    for role in OperatorRole:
        people.append(await rest.person(role.value.lower(), role))
    ids = {
        "guid": ground.machines[0],
        "run_id": run["results"][0]["run_id"],
        "job_id": run["job_id"],
        "activity_id": str(run["results"][0]["job_id"]),
        "hostname": "web-n",
        "credential_id": str(ground.credentials[0]),
    }
    asked = 0
    for route in rest.app.routes:
        if not isinstance(route, HTTPRoute) or "GET" not in route.methods:
            continue
        path = re.sub(r"\{([^:}]+)(?::\w+)?\}", lambda found: ids.get(found.group(1), "1"), route.path)
        for person in people:
            answer = await person.get(path)
            asked += answer.status == 200
            for secret in secret_lines(ground):
                assert secret.encode() not in answer.body, (path, secret)
    assert asked > 60
    number = ground.credentials[1]
    for body in ({"name": "other"}, {"secret": {"username": "ops", "password": WORD}}, {"secret": {"password": WORD}}):
        answer = await rest.owner().call("PATCH", f"/api/credentials/{number}", body)
        assert WORD.encode() not in answer.body, "not in an error either"
    broken = ground.key.replace("A", "B", 3)
    body = {"name": "x", "kind": "ssh", "secret": {"username": "ops", "private_key": broken + "x", "passphrase": WORD}}
    answer = await rest.owner().post("/api/credentials", body)
    assert answer.status == 400
    assert not any(line.encode() in answer.body for line in [WORD, *broken.splitlines()[1:-1]])


async def test_rejects_use_by_those_who_may_not(ground: Ground) -> None:
    rest = ground.rest
    viewer = await rest.person("vera", OperatorRole.VIEWER)
    north = await rest.person("nora", OperatorRole.OPERATOR, sites=frozenset({ground.sites[0]}))
    program = await rest.token("nora", Permission.RUNS_START, Permission.RUNS_READ)
    assert (await viewer.get("/api/credentials")).status == 403
    assert (await ground.start(viewer, ground.machines[0])).status == 403
    listed = (await north.get("/api/credentials")).json()["credentials"]
    assert {one["id"] for one in listed} == {ground.credentials[0], ground.credentials[2]}
    assert (await ground.start(north, ground.machines[1])).code == "device_not_found"
    other = await ground.start(north, ground.machines[0], credential_id=ground.credentials[1])
    assert (other.status, other.code) == (404, "credential_not_found")
    assert (await ground.start(program, ground.machines[0])).code == "forbidden", "a token without credentials.use"
    assert (await ground.start(north, ground.machines[0])).status == 200
    wrong = await ground.start(rest.owner(), ground.machines[0], credential_id=ground.credentials[1])
    assert (wrong.status, wrong.code) == (403, "credential_of_another_site")
    body = {"hostname": "mine", "connection": {"type": "ssh", "address": "192.0.2.8", "host_key": ground.host_key}}
    assert (await north.post("/api/machines", body)).status == 403, "that is where a password would be sent to"
    limited = await rest.person("adam", OperatorRole.ADMIN, sites=frozenset({ground.sites[0]}))
    for number in ground.credentials[1:]:
        answer = await limited.call("PATCH", f"/api/credentials/{number}", {"description": "mine"})
        assert answer.status in {403, 404}
        assert (await limited.delete(f"/api/credentials/{number}")).status in {403, 404}


async def test_rejects_scripts_and_files_where_there_is_no_agent(ground: Ground) -> None:
    body = {"script_content": "id", "script_type": "bash", "guids": [ground.machines[0]]}
    answer = await ground.rest.owner().post("/api/scripts/quick_run", body)
    assert (answer.status, answer.code) == (400, "needs_agent")
    for connection in ("winrm", "local"):
        assert (await ground.start(ground.rest.owner(), ground.machines[0], connection=connection)).status == 400


async def test_rejects_whoever_holds_the_database_alone(ground: Ground, tmp_path: Path) -> None:
    rest = ground.rest
    await ground.start(rest.owner(), ground.machines[0], vault_password=VAULT)
    (path,) = (tmp_path / "engine").rglob("*.db")
    with contextlib.closing(sqlite3.connect(path)) as copy:
        dump = "\n".join(copy.iterdump())
    for secret in secret_lines(ground):
        assert secret not in dump
        assert secret.encode().hex().upper() not in dump
    db = Database(f"sqlite:///{path}")
    try:
        for folder in (tmp_path / "no key", tmp_path / "another"):
            thief = CredentialService(
                db=db,
                clock=rest.services.clock,
                randomness=FakeRandomness("thief"),
                folder=folder,
                under_way=activity_store.under_way,
            )
            if folder.name == "another":
                folder.mkdir()
                (folder / "borealis-credentials.key").write_bytes(b"k" * 32)
            await thief.start()
            with pytest.raises(Conflict) as refused:
                await thief.secret_for_run(
                    ground.credentials[0],
                    kind="ssh",
                    site_id=ground.sites[0],
                    actor="thief",
                    run_id="r",
                    guid="G",
                    hostname="h",
                )
            assert refused.value.code in {"credential_key_missing", "credential_unreadable"}
        assert not (tmp_path / "no key").exists(), "no new key where things are sealed with one that is gone"
    finally:
        db.close()


async def test_rejects_rows_that_were_swapped_or_widened(ground: Ground) -> None:
    first, second, _ = ground.credentials
    assert (await ground.use(first, ground.sites[0])).private_key == ground.key
    swap = "UPDATE credentials SET sealed = (SELECT sealed FROM credentials WHERE id = :other) WHERE id = :this"
    await ground.sql(swap, this=second, other=first)
    with pytest.raises(Conflict, match="credential_unreadable"):
        await ground.use(second, ground.sites[1])
    with pytest.raises(Forbidden, match="credential_of_another_site"):
        await ground.use(first, ground.sites[1])
    await ground.sql("UPDATE credentials SET site_id = NULL WHERE id = :this", this=first)
    with pytest.raises(Conflict, match="credential_unreadable"):
        await ground.use(first, ground.sites[1])
    swap = "UPDATE machines SET sealed = (SELECT sealed FROM machines WHERE guid = :other) WHERE guid = :this"
    await ground.sql(swap, this=ground.machines[0], other=ground.machines[1])
    await ground.rest.services.machines.start()
    answer = await ground.start(ground.rest.owner(), ground.machines[0])
    assert (answer.status, answer.code) == (409, "machine_unreadable")


async def test_rejects_orders_that_were_altered_in_the_database(ground: Ground) -> None:
    services = ground.rest.services
    started = (await ground.start(ground.rest.owner(), ground.machines[0])).json()["results"][0]
    run = services.activity.live(started["run_id"])
    assert run is not None
    payload = payloads.job_payload(await services.activity.content(run.job_id), run, dict(run.envelope or {}))
    now, keys, guid = services.clock.now(), services.signing.public_keys, ground.machines[0]
    assert read_order(payload, guid, trusted=keys, now=now).script == PLAYBOOK
    sealed = dict(payload["envelope"])
    forged = {**sealed, "signatures": [{**sealed["signatures"][0], "sig": "AAAA" * 22}]}
    for altered, machine, at, code in (
        (payload, ground.machines[1], now, "wrong_device"),
        (payload, guid, now + 10**7, "expired"),
        ({**payload, "script_content": "LSBob3N0czogYWxsCg=="}, guid, now, "digest_mismatch"),
        ({**payload, "files": [{"file_name": "x", "data": "AA=="}]}, guid, now, "digest_mismatch"),
        ({**payload, "envelope": forged}, guid, now, "bad_signature"),
        ({**payload, "envelope": None}, guid, now, "malformed"),
    ):
        with pytest.raises(Refused) as refused:
            read_order(altered, machine, trusted=keys, now=at)
        assert refused.value.code == code


async def test_rejects_deletion_while_a_run_needs_it(ground: Ground) -> None:
    owner = ground.rest.owner()
    run = (await ground.start(owner, ground.machines[0])).json()["results"][0]["run_id"]
    answer = await owner.delete(f"/api/credentials/{ground.credentials[0]}")
    assert (answer.status, answer.code) == (409, "credential_in_use")
    assert (await owner.post(f"/api/runs/{run}/cancel")).json()["status"] == "cancelled"
    assert (await owner.delete(f"/api/credentials/{ground.credentials[0]}")).status == 200
    entries = (await owner.get("/api/audit?action=credential.")).json()["entries"]
    assert {entry["action"] for entry in entries} == {"credential.create", "credential.delete"}
