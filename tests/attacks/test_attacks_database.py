"""Threat 8: whoever can read and write the Engine's database, but lacks its signing key, runs nothing on any device."""

import base64
import json
import sqlite3
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from tests.attacks.attacker import RogueDevice
from tests.attacks.forging import THIEF, order_for
from tests.attacks.house import House
from tests.programs.programs import wait_for

from borealis_wire import base64s, strict_json
from borealis_wire.envelope import JOB_TYPE, seal

pytestmark = pytest.mark.slow


def run_row(connection: sqlite3.Connection, run_id: str) -> dict[str, Any]:
    """A run with its job."""
    cursor = connection.execute("SELECT * FROM runs WHERE run_id = ?", (run_id,))
    names = [column[0] for column in cursor.description]
    return dict(zip(names, cursor.fetchone(), strict=True))


def set_run(connection: sqlite3.Connection, run_id: str, **values: Any) -> None:
    """Change columns of a run."""
    for name, value in values.items():
        connection.execute(f"UPDATE runs SET {name} = ? WHERE run_id = ?", (value, run_id))


def set_job(connection: sqlite3.Connection, run_id: str, **values: Any) -> None:
    """Change columns of a run's job."""
    job = run_row(connection, run_id)["job_id"]
    for name, value in values.items():
        connection.execute(f"UPDATE jobs SET {name} = ? WHERE id = ?", (value, job))


def insert_run(connection: sqlite3.Connection, like: str, **values: Any) -> None:
    """A new row made from another one."""
    row = {**run_row(connection, like), "status": "Pending", "sent_at": None, "accepted_at": None, **values}
    names, marks = ", ".join(row), ", ".join("?" for _ in row)
    connection.execute(f"INSERT INTO runs ({names}) VALUES ({marks})", tuple(row.values()))


def edited(envelope: str, **members: Any) -> str:
    """The envelope with members of its order changed, and the signature as it was."""
    sealed = json.loads(envelope)
    order = {**json.loads(base64.b64decode(sealed["payload"])), **members}
    return json.dumps({**sealed, "payload": base64s.encode(strict_json.canonical(order))})


class Thief:
    """Alters rows; ``loot`` is where scripts would leave a mark."""

    def __init__(self, house: House, connection: sqlite3.Connection, runs: dict[str, str]) -> None:
        self.house, self.connection, self.runs = house, connection, runs

    def script(self, name: str) -> None:
        """Other bytes for the script, with the digest in the database made to fit."""
        script = self.house.mark(name).encode()
        import hashlib

        digest = hashlib.sha256(script).hexdigest()
        set_job(self.connection, self.runs[name], script=script, script_sha256=digest)

    def forged(self, name: str) -> None:
        """A whole order by a key of the thief's own, with upstream's fields made to fit."""
        script = self.house.mark(name)
        order = order_for(self.house.guid, script, run_id=self.runs[name], files=())
        sealed = json.dumps(seal(JOB_TYPE, order.to_payload(), THIEF))
        signature = base64s.encode(THIEF.sign(script.encode()))
        set_run(self.connection, self.runs[name], envelope=sealed)
        set_job(
            self.connection,
            self.runs[name],
            script=script.encode(),
            script_signature=signature,
            signing_key=THIEF.public.spki_base64,
        )

    def other_device(self, name: str) -> None:
        """The order that was sealed for another device."""
        other = run_row(self.connection, self.runs["for-other"])
        set_run(self.connection, self.runs[name], envelope=other["envelope"], job_id=other["job_id"])

    def edited(self, name: str) -> None:
        """The sealed order changed under its signature."""
        envelope = run_row(self.connection, self.runs[name])["envelope"]
        set_run(self.connection, self.runs[name], envelope=edited(envelope, timeout_seconds=0, environment={}))

    def file(self, name: str) -> None:
        """Other bytes in a file of the job."""
        files = [{"file_name": "note.txt", "size": 4, "mime_type": "", "sha256": "0" * 64, "data": "ZXZpbA=="}]
        set_job(self.connection, self.runs[name], files=json.dumps(files))

    def context(self, name: str) -> None:
        """An order for the signed-in user's agent, sent to SYSTEM."""
        set_run(self.connection, self.runs[name], context="system")
        set_job(self.connection, self.runs[name], context="system")

    def again(self, name: str) -> None:
        """A run that is over, waiting once more."""
        set_run(self.connection, self.runs[name], status="Pending", sent_at=None, accepted_at=None, finished_at=None)

    def copy(self, name: str) -> None:
        """A run that is over, under another id and number."""
        insert_run(self.connection, self.runs[name], id=9001, run_id=f"{uuid.uuid4()}")

    def late(self, name: str) -> None:
        """An order that is over, with more time in the database."""
        values = {"expires_at": 2e9, "status": "Pending", "sent_at": None, "finished_at": None, "ended_by": ""}
        set_run(self.connection, self.runs[name], **values)
        set_job(self.connection, self.runs[name], expires_at=2e9)

    def inserted(self, name: str) -> None:
        """A row that no operator asked for, unsigned."""
        envelope = json.loads(run_row(self.connection, self.runs[name])["envelope"])
        sealed = json.dumps({**envelope, "signatures": []})
        insert_run(self.connection, self.runs[name], id=9002, run_id=f"{uuid.uuid4()}", envelope=sealed)


ALTERATIONS: Final[dict[str, tuple[str, Callable[[Thief, str], None]]]] = {
    "script": ("digest_mismatch", Thief.script),
    "forged": ("unknown_key", Thief.forged),
    "other-device": ("wrong_device", Thief.other_device),
    "edited": ("bad_signature", Thief.edited),
    "file": ("digest_mismatch", Thief.file),
    "context": ("wrong_context", Thief.context),
    "late": ("expired", Thief.late),
}


@pytest.fixture(scope="module")
def runs(house: House, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Runs by what was done to each, after the thief was in the database and everything runs again."""
    house.settled()
    found: dict[str, str] = {}
    for name in ("again", "copy"):
        found[name] = house.launch(f"echo {name} >> '{house.loot.parent}/database-ledger'")
        assert house.run_of(found[name])["status"] == "Success"
    house.agent.stop()
    files = [{"file_name": "note.txt", "data": "Z29vZA=="}]
    for name in ("script", "forged", "edited", "file", "beside", "inserted"):
        found[name] = house.launch(
            f"{house.mark(f'db-{name}')}; echo $word", files=files, variable_values={"word": "sealed"}
        )
    found["other-device"] = house.launch("true")
    found["late"] = house.launch(house.mark("db-late"), expires_in_seconds=0.5)
    found["context"] = house.launch(house.mark("db-context"), context="interactive")
    other = house.device("database-other")
    found["for-other"] = house.launch(house.mark("db-other-device"), guids=[other.guid])
    wait_for("the short one to expire", lambda: house.run_of(found["late"])["status"] == "Expired" or None)
    with house.database() as connection:
        thief = Thief(house, connection, found)
        for name, (_, alter) in ALTERATIONS.items():
            alter(thief, name)
        thief.again("again")
        thief.copy("copy")
        thief.inserted("inserted")
        # Beside the sealed order everything says something else, and the script stays.
        set_job(connection, found["beside"], script_type="python", environment="{}", variables="[]", timeout_seconds=1)
    house.agent.start()
    return found


@pytest.mark.parametrize("name", ALTERATIONS)
def test_rejects_altered_rows(house: House, runs: dict[str, str], name: str) -> None:
    code, _ = ALTERATIONS[name]
    run = house.run_of(runs[name])
    assert (run["status"], run["reason"]) == ("Refused", code), run
    assert run["advice"]
    assert f"db-{name}" not in house.marks()
    assert name not in house.marks()


def test_rejects_rows_that_make_a_run_begin_again(house: House, runs: dict[str, str]) -> None:
    run = house.run_of(runs["again"])
    assert (run["status"], run["reason"]) == ("Refused", "replayed")
    with house.owner as owner:
        listed = owner.get("/api/runs", params={"limit": 200}).json()["runs"]
    copied = next(item for item in listed if item["activity_id"] == 9001)
    copied = house.run_of(copied["run_id"])
    assert (copied["status"], copied["reason"]) == ("Refused", "replayed")
    ledger = (house.loot.parent / "database-ledger").read_text().split()
    assert sorted(ledger) == ["again", "copy"]


def test_rejects_rows_that_no_operator_asked_for(house: House, runs: dict[str, str]) -> None:
    with house.owner as owner:
        listed = owner.get("/api/runs", params={"limit": 200}).json()["runs"]
    added = house.run_of(next(item for item in listed if item["activity_id"] == 9002)["run_id"])
    assert (added["status"], added["reason"]) == ("Refused", "bad_signature")
    assert house.run_of(runs["inserted"])["status"] == "Success", "the row it was made from is genuine"


def test_rows_beside_the_sealed_order_change_nothing(house: House, runs: dict[str, str]) -> None:
    run = house.run_of(runs["beside"])
    assert (run["status"], run["stdout"]) == ("Success", "sealed\n"), run


def test_rejects_a_device_key_put_into_the_database(house: House, runs: dict[str, str]) -> None:
    """The thief becomes the device towards the Engine, and hears its jobs; on the device he still runs nothing."""
    with house.database() as connection:
        found = connection.execute(
            "SELECT public_key_spki, ssl_key_fingerprint FROM devices WHERE guid = ?", (house.guid,)
        )
        true = found.fetchone()
        new = (THIEF.public.spki, THIEF.public.fingerprint, house.guid)
        connection.execute("UPDATE devices SET public_key_spki = ?, ssl_key_fingerprint = ? WHERE guid = ?", new)
    before = house.marks()
    wait_for(
        "the agent to be turned away", lambda: "another key on record" in house.agent.log_text() or None, seconds=20
    )
    assert house.agent.running()
    assert house.agent.guid == house.guid
    with house.database() as connection:
        values = (*true, house.guid)
        connection.execute("UPDATE devices SET public_key_spki = ?, ssl_key_fingerprint = ? WHERE guid = ?", values)
    house.agent.stop()
    house.agent.start()
    house.settled()
    assert house.marks() == before


def test_a_copied_database_holds_no_secret_that_opens_anything(
    house: House, runs: dict[str, str], tmp_path: Path
) -> None:
    """Tokens and codes are in it as hashes, envelopes are sealed; whoever reads it can use nothing of it."""
    other = RogueDevice(house.engine, house.background, hostname="database-reader")
    with house.owner as owner:
        code = owner.post("/api/admin/enrollment-codes", json={}).json()
        other.enrol(owner)
    secrets = [code["code"], code["code"].replace("-", ""), other.refresh_token, other.access_token]
    secrets += [(house.engine.root / "Engine" / "Data" / "Secrets" / "cli.token").read_text().strip()]
    copies = [path.read_bytes() for path in (house.engine.root / "Engine").glob("database.db*")]
    assert copies
    for secret in secrets:
        assert not any(secret.encode() in copy for copy in copies), "a secret lies in the database as it is"
