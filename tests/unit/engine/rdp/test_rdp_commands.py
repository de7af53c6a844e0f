"""What a stage's programs are told, what is looked for, what their ends mean, and which numbers they get."""

import pytest

from borealis_engine.core.errors import Invalid, Unavailable
from borealis_engine.rdp import ids
from borealis_engine.rdp.commands import (
    Account,
    Programs,
    check_account,
    client_command,
    find_programs,
    is_sign_in_error,
    sentence_for,
    server_command,
)
from borealis_engine.rdp.ids import FIRST, LAST, AccountNumbers

PROGRAMS = Programs("/usr/bin/xfreerdp", "/usr/bin/Xvnc")
ACCOUNT = Account("kim", "LAB", "a secret")
SHA = "ab" * 32


def test_the_client_is_told_everything_but_the_password() -> None:
    words = client_command(PROGRAMS, ACCOUNT, device=7, certificate=SHA, width=1000, height=700)
    assert words[:5] == ["/usr/bin/xfreerdp", "/v:|:7", "/u:kim", "/d:LAB", "/from-stdin:force"]
    assert f"/cert:fingerprint:sha256:{':'.join(['ab'] * 32)}" in words
    assert "/size:1000x700" in words
    assert not [word for word in words if "secret" in word]


def test_nothing_but_text_is_shared_with_the_device() -> None:
    words = client_command(PROGRAMS, ACCOUNT, device=7, certificate=SHA, width=1000, height=700)
    assert "+clipboard" in words
    lent = ("/drive", "+drives", "+home-drive", "/printer", "/smartcard", "/serial", "/usb", "/sound", "/microphone")
    assert not [word for word in words if word.startswith(lent)]


def test_the_server_listens_for_nobody() -> None:
    words = server_command(PROGRAMS, 1000, 700, "lab")
    assert "-inetd" in words
    assert not [word for word in words if word.startswith(("-rfbport", "-rfbunixpath", "-listen"))]
    assert words[words.index("-nolisten") + 1] == "tcp"


def test_a_password_is_in_no_text_of_an_account() -> None:
    assert "secret" not in f"{ACCOUNT!r} {ACCOUNT}"


@pytest.mark.parametrize(
    "account",
    [
        Account("", "", "x"),
        Account("a\nb", "", "x"),
        Account("a", "b\0", "x"),
        Account("a", "", "x\ny"),
        Account("a", "", "\x7f"),
    ],
)
def test_rejects_accounts_that_would_be_more_than_one_line(account: Account) -> None:
    with pytest.raises(Invalid) as refused:
        check_account(account)
    assert refused.value.code == "invalid_request"
    assert account.password not in refused.value.detail or account.password == "x"


@pytest.mark.parametrize("password", ["", " ", "with spaces", "/drive:x,/", "ümläut '\"$%"])
def test_any_line_is_a_password(password: str) -> None:
    check_account(Account("kim", "", password))


def test_what_is_missing_is_named_with_its_package() -> None:
    assert find_programs(lambda name: f"/usr/bin/{name}").missing == ""
    both = find_programs(lambda name: None).missing
    for word in ("xfreerdp", "Xvnc", "freerdp2-x11", "tigervnc-standalone-server", "apt-get install"):
        assert word in both
    one = find_programs(lambda name: None if name == "Xvnc" else "/x").missing
    assert "Xvnc" in one
    assert "freerdp2" not in one


@pytest.mark.parametrize(
    ("status", "error", "signing_in", "words", "is_account"),
    [
        (132, "", False, "wrong", True),
        (134, "ERRCONNECT_LOGON_FAILURE", True, "wrong", True),
        (131, "ERRCONNECT_LOGON_FAILURE", False, "wrong", True),
        (131, "ERRCONNECT_CONNECT_TRANSPORT_FAILED", True, "most likely", True),
        (131, "ERRCONNECT_CONNECT_TRANSPORT_FAILED", False, "did not answer", False),
        (135, "", True, "locked", True),
        (148, "", True, "expired", True),
        (151, "", True, "disabled", True),
        (158, "", True, "may not sign in", True),
        (143, "ERRCONNECT_TLS_CONNECT_FAILED", False, "certificate", False),
        (133, "", False, "NLA", False),
        (12, "ERRINFO_LOGOFF_BY_USER", False, "signed off", False),
        (5, "", False, "Somebody else", False),
        (-9, "", False, "-9", False),
        (77, "ERRINFO_CB_CONNECTION_CANCELLED", False, "ERRINFO_CB_CONNECTION_CANCELLED", False),
    ],
)
def test_every_end_is_a_sentence(status: int, error: str, signing_in: bool, words: str, is_account: bool) -> None:
    assert words in sentence_for(status, error, signing_in=signing_in)
    assert is_sign_in_error(status, error, signing_in=signing_in) is is_account


def test_stages_get_numbers_that_nobody_has() -> None:
    numbers = AccountNumbers(lambda number: number == FIRST)
    one, other = numbers.take(), numbers.take()
    assert (one, other) == ((FIRST + 1, FIRST + 1), (FIRST + 2, FIRST + 2))
    numbers.give_back(one)
    assert numbers.take() == one


def test_rejects_a_stage_where_every_number_is_somebodys() -> None:
    with pytest.raises(Unavailable):
        AccountNumbers(lambda number: True).take()
    numbers = AccountNumbers()
    assert FIRST <= numbers.take()[0] <= LAST
    assert not ids._is_known(LAST + 12_345_678)
