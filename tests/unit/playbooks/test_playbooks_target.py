"""What Ansible is told about machines without an agent."""

from pathlib import Path
from typing import Any

import pytest

from borealis_playbooks.target import inventory, known_hosts, secrets_of, ssh_arguments

ROOM = Path("/run/play")


def target(**more: Any) -> dict[str, Any]:
    return {
        "connection": "ssh",
        "address": "10.0.0.9",
        "port": 22,
        "user": "ops",
        "password": "",
        "key": "KEY",
        "passphrase": "",
        "transport": "",
        "host_keys": ["ssh-ed25519 AAAA"],
        "tls": {"mode": "ca", "certificate": ""},
        "become": {"method": "", "user": "", "password": ""},
        **more,
    }


def host_of(**more: Any) -> dict[str, Any]:
    found = inventory("web1", target(**more), ROOM)["all"]
    assert found["children"] == {"borealis": {"hosts": {"web1": None}}}
    (host,) = found["hosts"].values()
    return dict(host)


def test_ssh_believes_the_confirmed_key_and_no_file_of_the_account() -> None:
    host = host_of()
    assert (host["ansible_connection"], host["ansible_host"], host["ansible_user"]) == ("ssh", "10.0.0.9", "ops")
    assert not {"ansible_password", "ansible_become_method"} & set(host)
    arguments = ssh_arguments(target(), ROOM)
    for part in ("-F /dev/null", "StrictHostKeyChecking=yes", "UserKnownHostsFile=/run/play/known_hosts"):
        assert part in arguments
    assert "PreferredAuthentications=publickey" in arguments
    assert "PreferredAuthentications=password" in ssh_arguments(target(key="", password="word"), ROOM)
    assert "KEY" not in str(host), "a key is in no variable"
    assert known_hosts(target()) == "10.0.0.9 ssh-ed25519 AAAA\n"
    assert known_hosts(target(port=2222)) == "[10.0.0.9]:2222 ssh-ed25519 AAAA\n"


def test_rights_are_raised_as_the_credential_says() -> None:
    become = {"method": "sudo", "user": "", "password": "root word"}
    host = host_of(become=become)
    assert (host["ansible_become_method"], host["ansible_become_password"]) == ("sudo", "root word")
    assert "ansible_become_user" not in host
    assert secrets_of(target(become=become, passphrase="open")) == ["KEY", "open", "root word"]


@pytest.mark.parametrize("connection", ["winrm", "psrp"])
@pytest.mark.parametrize("mode", ["ca", "pinned", "plain"])
def test_windows_is_verified_unless_somebody_said_otherwise(connection: str, mode: str) -> None:
    tls = {"mode": mode, "certificate": "PEM"}
    host = host_of(connection=connection, port=5986, key="", password="word", transport="ntlm", tls=tls)
    told = {name.removeprefix(f"ansible_{connection}_"): value for name, value in host.items()}
    assert host["ansible_password"] == "word"
    assert told.get("scheme", told.get("protocol")) == ("http" if mode == "plain" else "https")
    assert told.get("transport", told.get("auth")) == "ntlm"
    assert told.get("server_cert_validation", told.get("cert_validation")) == "validate"
    trusted = told.get("ca_trust_path", told.get("ca_cert", ""))
    assert (trusted == "/run/play/server.pem") == (mode == "pinned")
    if connection == "psrp":
        assert told["message_encryption"] == ("always" if mode == "plain" else "auto")
