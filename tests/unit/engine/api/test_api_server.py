"""The Engine about itself: health, figures, facts, logs, and the rotation of its signing key."""

from pathlib import Path

import pytest
from tests.fakes.engine_rest import Rest

from borealis_engine.api.server_api import list_logs, tail
from borealis_engine.core.errors import Unavailable
from borealis_engine.operators.permissions import OperatorRole, Permission


async def test_health_is_for_everybody_and_tells_nothing_more(rest: Rest) -> None:
    answer = await rest.nobody.get("/health")
    assert (answer.status, answer.json()) == (200, {"status": "ok"})


async def test_health_is_503_while_the_database_is_gone(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone(_work: object) -> None:
        raise Unavailable("database_unavailable", "gone")

    monkeypatch.setattr(rest.services.db, "read", gone)
    answer = await rest.nobody.get("/health")
    assert (answer.status, answer.code) == (503, "database_unavailable")


async def test_health_does_not_ask_the_database_for_every_caller(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    read = rest.services.db.read

    async def count(work: object) -> object:
        nonlocal asked
        asked += 1
        return await read(work)  # type: ignore[arg-type]

    monkeypatch.setattr(rest.services.db, "read", count)
    for _ in range(50):
        assert (await rest.nobody.get("/health")).status == 200
    assert asked == 1


async def test_metrics_speak_prometheus(rest: Rest) -> None:
    await rest.people.set_up()
    answer = await (await rest.token("ada", Permission.SERVER_READ)).get("/metrics")
    assert answer.status == 200
    assert answer.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
    assert b"borealis_devices_online 0.0" in answer.body


async def test_rejects_metrics_for_strangers_and_viewers(rest: Rest) -> None:
    viewer = await rest.person("vera", OperatorRole.VIEWER)
    device = rest.device(await rest.add_device())
    for address in ("/metrics", "/api/server/info", "/api/server/logs"):
        assert (await rest.nobody.get(address)).status == 401
        assert (await viewer.get(address)).status == 403
        assert (await device.get(address)).status == 401


async def test_info_has_what_an_installation_is_known_by(rest: Rest) -> None:
    info = (await rest.owner().get("/api/server/info")).json()
    assert info["ca_pin"] == rest.services.certificates.ca_pin
    assert info["url"] == rest.services.settings.url
    assert (info["database"], info["protocol_version"]) == ("sqlite", 1)


async def test_rotation_changes_the_key_and_is_audited(rest: Rest) -> None:
    heard: list[object] = []
    rest.services.signing.on_rotated(heard.append)
    before = rest.services.signing.current_public.key_id
    answer = await rest.owner().post("/api/server/signing-key/rotate", {"revoke_old": True})
    assert answer.status == 200, answer.body
    assert answer.json() == {
        "status": "ok",
        "key_id": rest.services.signing.current_public.key_id,
        "old_key_id": before,
        "revoked": True,
    }
    assert rest.services.signing.current_public.key_id != before
    assert len(heard) == 1
    (entry,) = await rest.people.entries("signing_key.rotate")
    assert (entry.target, entry.actor) == (before, "owner")


async def test_rejects_rotation_by_an_operator(rest: Rest) -> None:
    operator = await rest.person("otto", OperatorRole.OPERATOR)
    before = rest.services.signing.current_public.key_id
    assert (await operator.post("/api/server/signing-key/rotate")).status == 403
    assert (await rest.owner().post("/api/server/signing-key/rotate", {"revoke_old": 1})).status == 400
    assert rest.services.signing.current_public.key_id == before


async def test_a_key_that_cannot_be_written_leaves_the_old_one(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*, revoke_old: bool = False) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rest.services.signing, "rotate", full)
    answer = await rest.owner().post("/api/server/signing-key/rotate")
    assert (answer.status, answer.code) == (503, "signing_key_not_written")


async def test_logs_are_listed_and_read_from_their_end(rest: Rest) -> None:
    folder = rest.services.settings.paths.logs
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "engine.log").write_text("".join(f"line {number}\n" for number in range(300)))
    owner = rest.owner()
    assert [file["name"] for file in (await owner.get("/api/server/logs")).json()["files"]] == ["engine.log"]
    answer = (await owner.get("/api/server/logs?name=engine.log&lines=2")).json()
    assert (answer["lines"], answer["cut"]) == (["line 298", "line 299"], True)


@pytest.mark.parametrize(
    "name", ["../database.db", "..%2Fdatabase.db", "/etc/passwd", "sub", "link.log", "engine.log%00"]
)
async def test_rejects_names_that_are_not_of_the_log_folder(rest: Rest, name: str, tmp_path: Path) -> None:
    folder = rest.services.settings.paths.logs
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (folder / "link.log").symlink_to(tmp_path / "secret")
    answer = await rest.owner().get(f"/api/server/logs?name={name}")
    assert (answer.status, answer.code) == (404, "log_not_found")


def test_a_tail_stays_within_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "large.log"
    path.write_bytes(b"x" * 1000 + b"\n" + b"y" * 10 + b"\xff\n")
    assert tail(path, 5, max_bytes=100) == (["y" * 10 + "\N{REPLACEMENT CHARACTER}"], True)
    assert tail(tmp_path / "none", 5) == ([], False)
    assert list_logs(tmp_path / "none") == []
