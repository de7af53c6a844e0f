"""WireGuard's keys and texts, and how its programs are run."""

import base64
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from borealis_base.wireguard.keys import BadKey, check_key, load_or_make, pair_from, read_public
from borealis_base.wireguard.texts import (
    Peer,
    PeerState,
    carried_data,
    configuration,
    is_interface_name,
    parse_dump,
)

SECRET = bytes(range(32))


@pytest.mark.skipif(shutil.which("wg") is None, reason="needs wg")
def test_wg_finds_the_same_public_half() -> None:
    pair = pair_from(SECRET)
    done = subprocess.run(["wg", "pubkey"], input=pair.private, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == pair.public


def test_a_pair_never_shows_its_private_half() -> None:
    pair = pair_from(SECRET)
    assert pair.private not in repr(pair)


def test_a_pair_is_made_once_and_kept_private(tmp_path: Path) -> None:
    private, public = tmp_path / "keys" / "private.key", tmp_path / "keys" / "public.key"
    first, made = load_or_make(private, public, fresh=SECRET)
    again, made_again = load_or_make(private, public, fresh=bytes(32))
    assert (made, made_again) == (True, False)
    assert first == again
    assert read_public(public) == first.public
    if sys.platform != "win32":
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
        assert stat.S_IMODE(private.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("torn", [b"", b"AAAA", b"\xff\xfe", b"x" * 44])
def test_survives_a_torn_key_with_a_new_one(tmp_path: Path, torn: bytes) -> None:
    private, public = tmp_path / "private.key", tmp_path / "public.key"
    load_or_make(private, public, fresh=SECRET)
    private.write_bytes(torn)
    pair, made = load_or_make(private, public, fresh=os.urandom(32))
    assert made
    assert read_public(public) == pair.public


@pytest.mark.parametrize("text", ["", "AA==", base64.b64encode(bytes(31)).decode(), pair_from(SECRET).public + "\n"])
def test_rejects_what_is_no_key(text: str) -> None:
    with pytest.raises(BadKey):
        check_key(text)


@pytest.mark.parametrize("name", ["Borealis", "borealis-wg", "wd1_2"])
def test_names_of_interfaces(name: str) -> None:
    assert is_interface_name(name)


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "..", "x" * 16, "a;b", "1a", 'a"b', "ä"])
def test_rejects_a_name_that_could_be_anything_else(name: str) -> None:
    assert not is_interface_name(name)


DUMP = (
    "PRIV\tPUB\t30000\toff\n"
    "key1\t(none)\t192.0.2.2:4000\t10.255.0.2/32\t1760000000\t1000\t2000\toff\n"
    "key2\t(none)\t(none)\t10.255.0.3/32\t0\t0\t0\t30\n"
)


def test_a_dump_is_read() -> None:
    assert parse_dump(DUMP) == [
        PeerState("key1", "192.0.2.2:4000", "10.255.0.2/32", 1760000000, 1000, 2000),
        PeerState("key2", "", "10.255.0.3/32", 0, 0, 0),
    ]


@pytest.mark.parametrize("text", ["", "one", "a\tb\tc\td\nkey1\tx", DUMP.replace("2000", "many")])
def test_rejects_a_dump_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"missing|columns|invalid"):
        parse_dump(text)


def test_a_configuration_says_what_was_asked_and_no_key_unless_given() -> None:
    peers = [Peer("key1", "10.255.0.1/32", "192.0.2.1:30000", 30)]
    text = configuration(address="10.255.0.2/32", peers=peers, mtu=1420, remark="why")
    assert text == (
        "# why\n[Interface]\nAddress = 10.255.0.2/32\nMTU = 1420\n\n[Peer]\nPublicKey = key1\n"
        "AllowedIPs = 10.255.0.1/32\nEndpoint = 192.0.2.1:30000\nPersistentKeepalive = 30\n"
    )
    assert "PrivateKey = s" in configuration(address="10.255.0.2/32", peers=[], private_key="s")


@pytest.mark.parametrize(
    ("before", "after", "shook", "carried"),
    [
        (1000, 1000, False, False),
        (1000, 1032, False, False),
        (1000, 1000 + 92 + 32, True, False),
        (1000, 1096, False, True),
        (1000, 5000, True, True),
        (5000, 0, False, False),
        (5000, 400, False, True),
    ],
)
def test_what_wireguard_itself_sends_is_no_use(before: int, after: int, shook: bool, carried: bool) -> None:
    assert carried_data(before, after, seconds=10, keepalive=0, shook_hands=shook) is carried


def test_keepalives_of_a_long_look_away_are_no_use() -> None:
    assert not carried_data(0, 32 * 21, seconds=600, keepalive=30, shook_hands=False)
    assert carried_data(0, 32 * 24, seconds=600, keepalive=30, shook_hands=False)
