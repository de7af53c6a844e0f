"""Which connections can be kept, and that nothing of one can be taken for an option of a program."""

from pathlib import Path

import pytest
from tests.programs.sshd import new_key

from borealis_engine.core.errors import Invalid
from borealis_engine.machines import Connection, MachineTls
from borealis_engine.machines.checks import check_address, check_connection, read_fingerprint, read_host_key


@pytest.mark.parametrize("address", ["10.0.0.9", "fe80::1", "[::1]", "web1", "web-1.example.org", "a_b.example."])
def test_names_and_addresses_are_taken(address: str) -> None:
    assert check_address(address) == address.strip("[]")


@pytest.mark.parametrize(
    "address", ["", "-oProxyCommand=id", "a b", "a;b", "a/b", "a@b", ".a", "a..b", "x" * 64, "a\nb"]
)
def test_rejects_what_a_program_could_misread(address: str) -> None:
    with pytest.raises(Invalid):
        check_address(address)


def test_an_ssh_machine_is_known_by_a_key(tmp_path: Path) -> None:
    new_key(tmp_path / "host")
    line = (tmp_path / "host.pub").read_text()
    with pytest.raises(Invalid, match="host_key_unconfirmed"):
        check_connection(Connection("ssh", "web1", 22))
    kept = check_connection(Connection("ssh", "web1", 22, (line,)))
    assert kept.host_keys == (" ".join(line.split()[:2]),)
    assert read_fingerprint(read_host_key(line).fingerprint + "=") == read_host_key(line).fingerprint
    for wrong in ("ssh-ed25519 AAAA", f"ssh-rsa {line.split()[1]}", "x", f"@cert-authority {line}", line.split()[1]):
        with pytest.raises(Invalid, match="invalid_host_key"):
            check_connection(Connection("ssh", "web1", 22, (wrong,)))


def test_a_windows_machine_is_known_by_a_certificate_or_says_so() -> None:
    assert check_connection(Connection("winrm", "win1", 5986)).tls.mode == "ca"
    assert check_connection(Connection("psrp", "win1", 5985, (), MachineTls("plain"))).endpoint == "win1:5985"
    for tls in (MachineTls("pinned"), MachineTls("pinned", "PEM"), MachineTls("ca", "PEM"), MachineTls("none")):
        with pytest.raises(Invalid):
            check_connection(Connection("winrm", "win1", 5986, (), tls))
    assert Connection("winrm", "fe80::1", 5986).endpoint == "[fe80::1]:5986"
