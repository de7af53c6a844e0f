"""Which credentials can be kept; and that no sentence about one that cannot holds any of it."""

import subprocess
from pathlib import Path

import pytest
from tests.programs.sshd import new_key

from borealis_engine.core.errors import Invalid
from borealis_engine.credentials import BecomeSecret, CredentialSecret, NewCredential
from borealis_engine.credentials.checks import check_new, check_secret, key_fingerprint

WORD = "horse-staple"


def printed(path: Path) -> str:
    command = ["ssh-keygen", "-l", "-f", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[1]


@pytest.mark.parametrize(("kind", "passphrase"), [("ed25519", ""), ("ed25519", "open"), ("rsa", ""), ("ecdsa", "open")])
def test_a_keys_fingerprint_is_that_of_ssh_keygen(tmp_path: Path, kind: str, passphrase: str) -> None:
    text = new_key(tmp_path / "key", kind=kind, passphrase=passphrase)
    assert key_fingerprint(text, passphrase) == printed(tmp_path / "key.pub")
    with pytest.raises(Invalid, match="passphrase"):
        key_fingerprint(text, "" if passphrase else "open")


def test_a_pem_key_is_one_too(tmp_path: Path) -> None:
    new_key(tmp_path / "key", kind="rsa")
    command = ["ssh-keygen", "-p", "-q", "-m", "PEM", "-N", "", "-f", str(tmp_path / "key")]
    subprocess.run(command, check=True, capture_output=True)
    text = (tmp_path / "key").read_text()
    assert "BEGIN RSA PRIVATE KEY" in text
    assert key_fingerprint(text, "") == printed(tmp_path / "key.pub")


@pytest.mark.parametrize(
    ("kind", "secret"),
    [
        ("ssh", CredentialSecret("ops")),
        ("ssh", CredentialSecret("", password=WORD)),
        ("ssh", CredentialSecret("-oProxyCommand=id", password=WORD)),
        ("ssh", CredentialSecret("o\nps", password=WORD)),
        ("ssh", CredentialSecret("ops", password=WORD, private_key=WORD)),
        ("ssh", CredentialSecret("ops", password=f"{WORD}\n{WORD}")),
        ("ssh", CredentialSecret("ops", private_key=WORD)),
        ("ssh", CredentialSecret("ops", password=WORD, transport="ntlm")),
        ("ssh", CredentialSecret("ops", password=WORD, become=BecomeSecret("please", password=WORD))),
        ("ssh", CredentialSecret("ops", password=WORD, become=BecomeSecret("", password=WORD))),
        ("windows", CredentialSecret("ops", private_key=WORD, transport="ntlm")),
        ("windows", CredentialSecret("ops", password=WORD, transport="kerberos")),
        ("telnet", CredentialSecret("ops", password=WORD)),
    ],
)
def test_rejects_what_is_no_whole_secret(kind: str, secret: CredentialSecret) -> None:
    with pytest.raises(Invalid) as refused:
        check_new(NewCredential("name", kind, secret))
    assert WORD not in refused.value.detail


def test_a_secret_says_nothing_of_itself() -> None:
    secret = CredentialSecret("ops", WORD, WORD, WORD, become=BecomeSecret("sudo", password=WORD))
    assert WORD not in repr(secret)
    assert WORD not in repr(NewCredential("name", "ssh", secret))
    assert check_secret("windows", CredentialSecret("ops", password=WORD, transport="basic")) == ""
