"""Credentials and machines without an agent on the command line: secrets come from files and keyboards alone."""

from pathlib import Path
from typing import Any

import pytest
from tests.fakes.cli_world import CliWorld
from tests.fakes.fake_rest import GUID, device

CREDENTIAL = {
    "id": 7,
    "name": "deploy",
    "kind": "ssh",
    "username": "ops",
    "secret_kind": "key",
    "key_fingerprint": "SHA256:abc",
    "transport": "",
    "become_method": "sudo",
    "site_id": None,
    "used_at": None,
}
KEY = {"type": "ssh-ed25519", "fingerprint": "SHA256:right", "key": "ssh-ed25519 AAAA"}
CONNECTION = {"type": "ssh", "address": "10.0.0.9", "port": 22, "host_keys": [KEY], "tls": "ca", "certificate": ""}
MACHINE: dict[str, Any] = {
    "device": device("web1", has_agent=False, connection_type="ssh", connection_endpoint="10.0.0.9:22"),
    "connection": CONNECTION,
    "credential_id": 7,
}


@pytest.fixture
def engine(cli: CliWorld) -> CliWorld:
    cli.rest.routes = {
        "GET /api/credentials": (200, {"credentials": [CREDENTIAL]}),
        "POST /api/credentials": (201, CREDENTIAL),
        "PATCH /api/credentials/7": (200, CREDENTIAL),
        "DELETE /api/credentials/7": (200, {"status": "deleted"}),
        "GET /api/sites": (200, {"sites": [{"id": 4, "name": "HQ", "device_count": 0}]}),
        "GET /api/devices": (200, {"devices": [device(), MACHINE["device"]]}),
        "POST /api/machines/host_key": (200, {"keys": [KEY]}),
        "POST /api/machines": (201, MACHINE),
        f"GET /api/machines/{GUID}": (200, MACHINE),
        f"PATCH /api/machines/{GUID}": (200, MACHINE),
        "POST /api/scripts/quick_run": (200, {"job_id": "j", "results": []}),
    }
    return cli


def test_a_key_comes_from_a_file_and_its_passphrase_from_the_keyboard(engine: CliWorld, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("-----BEGIN\nabc\n")
    engine.answers = ["open sesame", "root word"]
    words = ["add", "deploy", "--user", "ops", "--key-file", str(key), "--ask-passphrase", "--become", "sudo"]
    done = engine("credentials", *words, "--ask-become-password", "--site", "HQ", interactive=True)
    assert done.status == 0, done.err
    assert engine.rest.bodies("POST /api/credentials") == [
        {
            "name": "deploy",
            "kind": "ssh",
            "description": "",
            "site_id": 4,
            "secret": {
                "private_key": "-----BEGIN\nabc\n",
                "passphrase": "open sesame",
                "username": "ops",
                "transport": "",
                "become": {"method": "sudo", "username": "", "password": "root word"},
            },
        }
    ]
    assert "sesame" not in done.out + done.err


def test_a_password_comes_from_standard_input(engine: CliWorld) -> None:
    done = engine("credentials", "replace", "deploy", "--password-stdin", stdin="new word\n")
    assert done.status == 0, done.err
    (body,) = engine.rest.bodies("PATCH /api/credentials/7")
    assert body["secret"] == {"password": "new word", "username": "ops", "transport": ""}
    assert engine("credentials", "replace", "deploy").status == 2, "nobody is here to type one"
    assert "SHA256:abc" in engine("credentials").out
    assert engine("credentials", "delete", "deploy", "--yes").status == 0


def test_a_host_key_is_confirmed_by_a_person_or_given(engine: CliWorld) -> None:
    words = ["machines", "add", "web1", "--address", "10.0.0.9"]
    unsure = engine(*words, "--yes", interactive=True)
    assert unsure.status == 2
    assert "--host-key SHA256" in unsure.err
    engine.answers = ["n"]
    assert engine(*words, interactive=True).status != 0
    assert engine.rest.bodies("POST /api/machines") == []
    engine.answers = ["y"]
    done = engine(*words, "--credential", "deploy", interactive=True)
    assert done.status == 0, done.err
    assert "SHA256:right" in done.out
    assert engine(*words, "--host-key", "SHA256:given").status == 0
    asked = [body["connection"] for body in engine.rest.bodies("POST /api/machines")]
    assert asked == [
        {"type": "ssh", "address": "10.0.0.9", "host_key": "ssh-ed25519 AAAA"},
        {"type": "ssh", "address": "10.0.0.9", "host_key_fingerprint": "SHA256:given"},
    ]


def test_a_machine_is_listed_without_saying_that_it_is_there(engine: CliWorld) -> None:
    listed = engine("machines")
    assert "web1" in listed.out
    assert "lab" not in listed.out
    assert "no agent" in engine("devices").out


def test_a_playbook_is_run_with_a_credential_by_its_name(engine: CliWorld, tmp_path: Path) -> None:
    playbook = tmp_path / "site.yml"
    playbook.write_text("- hosts: all\n")
    words = ["run", "--device", "web1", "--file", str(playbook), "--credential", "deploy", "--connection", "ssh"]
    assert engine(*words).status == 0
    (body,) = engine.rest.bodies("POST /api/scripts/quick_run")
    assert (body["credential_id"], body["connection"]) == (7, "ssh")
