"""What Ansible is told about a machine without an agent: inventory and connection, by upstream's connections. Pure.

A target is ``{"connection": "ssh"|"winrm"|"psrp", "address", "port", "user", "password", "key", "passphrase",
"transport", "host_keys", "tls", "become"}``. ``host_keys`` are ``type base64`` texts; ``tls`` is ``{"mode": "ca",
"pinned" or "plain", "certificate": PEM}``; ``become`` is ``{"method", "user", "password"}``.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

SYSTEM_CERTIFICATES: Final = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")


def inventory(name: str, target: Mapping[str, Any], room: Path) -> dict[str, Any]:
    """One host under its own name, ``all`` and ``borealis``.

    Args:
        name: the machine's name.
        target: see the module.
        room: where ``known_hosts`` and ``server.pem`` lie.
    """
    host: dict[str, Any] = {
        "ansible_connection": target["connection"],
        "ansible_host": target["address"],
        "ansible_port": target["port"],
        "ansible_user": target["user"],
    }
    if target.get("password"):
        host["ansible_password"] = target["password"]
    host |= _ssh(target, room) if target["connection"] == "ssh" else _windows(target, room)
    become = target.get("become") or {}
    for part in ("method", "user", "password"):
        if become.get(part):
            host[f"ansible_become_{part}"] = become[part]
    return {"all": {"hosts": {name: host}, "children": {"borealis": {"hosts": {name: None}}}}}


def known_hosts(target: Mapping[str, Any]) -> str:
    """The host keys that were confirmed, in ``known_hosts`` form (sshd(8)): the machine has these and no other."""
    name = host_name(target)
    return "".join(f"{name} {key}\n" for key in target["host_keys"])


def host_name(target: Mapping[str, Any]) -> str:
    """How ssh writes a machine's name in ``known_hosts``."""
    address, port = target["address"], target["port"]
    return address if port == 22 else f"[{address}]:{port}"


def secrets_of(target: Mapping[str, Any]) -> list[str]:
    """Every text of a target that nobody may read in output."""
    texts = [target.get("password"), target.get("key"), target.get("passphrase")]
    return [text for text in (*texts, (target.get("become") or {}).get("password")) if text]


def ssh_arguments(target: Mapping[str, Any], room: Path) -> str:
    """Arguments of every ``ssh``: no file of the account counts, the host key is known or it is not the machine."""
    password = bool(target.get("password")) and not target.get("key")
    options = {
        "UserKnownHostsFile": room / "known_hosts",
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "CheckHostIP": "no",
        "ForwardAgent": "no",
        "IdentityFile": "none",
        "PreferredAuthentications": "password,keyboard-interactive" if password else "publickey",
        "ConnectTimeout": "15",
    }
    return shlex.join(
        ["-F", "/dev/null", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]
    )


def _ssh(target: Mapping[str, Any], room: Path) -> dict[str, Any]:
    return {
        "ansible_ssh_common_args": ssh_arguments(target, room),
        "ansible_python_interpreter": "auto_silent",  # whichever the machine has
    }


def _windows(target: Mapping[str, Any], room: Path) -> dict[str, Any]:
    tls = target["tls"]
    plain = tls["mode"] == "plain"
    trusted = str(room / "server.pem") if tls["mode"] == "pinned" else _authorities()
    if target["connection"] == "winrm":
        host = {
            "ansible_winrm_scheme": "http" if plain else "https",
            "ansible_winrm_transport": target["transport"],
            "ansible_winrm_server_cert_validation": "validate",
        }
        return host if plain or not trusted else {**host, "ansible_winrm_ca_trust_path": trusted}
    host = {
        "ansible_psrp_protocol": "http" if plain else "https",
        "ansible_psrp_auth": target["transport"],
        "ansible_psrp_cert_validation": "validate",
        # Without TLS the messages are encrypted by NTLM; where that cannot be, nothing is sent.
        "ansible_psrp_message_encryption": "always" if plain else "auto",
    }
    return host if plain or not trusted else {**host, "ansible_psrp_ca_cert": trusted}


def _authorities() -> str:
    return next((path for path in SYSTEM_CERTIFICATES if Path(path).is_file()), "")
