"""The Engine's own CA and leaf: made once, renewed in time, never silently another CA."""

import ssl
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.fakes.fake_clock import FakeClock
from tests.fakes.people import settings_in

from borealis_base.files import write_atomic
from borealis_engine.core.errors import Fatal
from borealis_engine.enrolment import certificate_making as making
from borealis_engine.enrolment import own_certificates as own
from borealis_engine.enrolment.tls import EngineCertificates

DAY = 86_400
CA, CA_KEY, LEAF, LEAF_KEY, BUNDLE = own.CA_FILE, own.CA_KEY_FILE, own.LEAF_FILE, own.LEAF_KEY_FILE, own.BUNDLE_FILE


class Host:
    """A machine whose names a test changes."""

    def __init__(self, root: Path) -> None:
        self.settings = settings_in(root / "Engine")
        self.folder = self.settings.paths.certificates
        self.clock = FakeClock(time.time())
        self.names = frozenset({"localhost", "127.0.0.1", "engine.example"})

    def load(self) -> EngineCertificates:
        """The Engine starts."""
        certificates = EngineCertificates(settings=self.settings, clock=self.clock, names=lambda _: self.names)
        certificates.load()
        return certificates

    def files(self) -> dict[str, bytes]:
        """Everything that is there."""
        return {path.name: path.read_bytes() for path in sorted(self.folder.glob("*.pem*"))}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_first_start_makes_ca_and_leaf(host: Host) -> None:
    certificates = host.load()
    chain = x509.load_pem_x509_certificates(certificates.cert_path.read_bytes())
    ca = x509.load_pem_x509_certificate((host.folder / CA).read_bytes())
    assert chain[-1] == ca
    assert certificates.bundle_path.read_text() == certificates.bundle_pem
    assert x509.load_pem_x509_certificates(certificates.bundle_pem.encode()) == [ca]
    spki = ca.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert certificates.ca_pin == sha256(spki).hexdigest()
    assert certificates.leaf_sha256 == sha256(chain[0].public_bytes(Encoding.DER)).digest()
    assert (ca.not_valid_after_utc - ca.not_valid_before_utc).days > 10 * 365
    assert (chain[0].not_valid_after_utc - chain[0].not_valid_before_utc).days <= 397
    assert making.names_in(chain[0]) == host.names


def test_private_keys_are_their_owners_alone(host: Host) -> None:
    host.load()
    for name in (CA_KEY, LEAF_KEY):
        path = host.folder / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)
    host.load()
    assert {stat.S_IMODE((host.folder / name).stat().st_mode) for name in (CA_KEY, LEAF_KEY)} == {0o600}


def test_a_restart_changes_nothing(host: Host) -> None:
    first = host.load()
    before = host.files()
    second = host.load()
    assert host.files() == before
    assert (first.ca_pin, first.leaf_sha256) == (second.ca_pin, second.leaf_sha256)


def test_a_renewed_leaf_keeps_the_pin(host: Host) -> None:
    certificates = host.load()
    pin, bundle, old = certificates.ca_pin, certificates.bundle_pem, certificates.leaf_sha256
    host.clock.advance(364 * DAY)
    assert not certificates.renew_if_due()
    host.clock.advance(3 * DAY)
    assert certificates.renew_if_due()
    assert (certificates.ca_pin, certificates.bundle_pem) == (pin, bundle)
    assert certificates.leaf_sha256 != old
    assert list(certificates.accepted_leaves) == [certificates.leaf_sha256, old]
    host.clock.advance(3601)
    assert list(certificates.accepted_leaves) == [certificates.leaf_sha256]


def test_a_leaf_renewed_at_start_keeps_the_pin(host: Host) -> None:
    pin = host.load().ca_pin
    host.clock.advance(400 * DAY)
    assert host.load().ca_pin == pin


def test_a_new_name_renews_the_leaf_and_a_lost_one_does_not(host: Host) -> None:
    first = host.load()
    host.names |= {"192.0.2.1"}
    second = host.load()
    assert second.leaf_sha256 != first.leaf_sha256
    assert second.ca_pin == first.ca_pin
    assert second.covers("192.0.2.1")
    host.names -= {"192.0.2.1"}
    assert host.load().leaf_sha256 == second.leaf_sha256


async def test_a_running_engine_renews_by_itself(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    certificates = host.load()
    before = certificates.leaf_sha256
    host.clock.advance(370 * DAY)

    class Enough(Exception):
        pass

    async def sleep(seconds: float) -> None:
        if certificates.leaf_sha256 != before:
            raise Enough

    monkeypatch.setattr(host.clock, "sleep", sleep)
    with pytest.raises(Enough):
        await certificates.renew_loop()


def tear(name: str) -> Callable[[Path], None]:
    def work(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:100])

    return work


def remove(*names: str) -> Callable[[Path], None]:
    def work(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return work


def foreign_ca_key(folder: Path) -> None:
    (folder / CA_KEY).write_bytes(making.key_pem(making.new_key()))


def foreign_ca(folder: Path) -> None:
    (folder / CA).write_bytes(making.certificates_pem([making.make_authority(making.new_key(), time.time())]))


def foreign_leaf(folder: Path) -> None:
    key, ca_key = making.new_key(), making.new_key()
    ca = making.make_authority(ca_key, time.time())
    leaf = making.make_leaf(key, ca_key=ca_key, ca=ca, names=["localhost"], now=time.time())
    (folder / LEAF).write_bytes(making.certificates_pem([leaf, ca]))
    (folder / LEAF_KEY).write_bytes(making.key_pem(key))


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (tear(CA), "ca_unusable"),
        (tear(CA_KEY), "ca_unusable"),
        (remove(CA), "ca_unusable"),
        (remove(CA_KEY), "ca_unusable"),
        (remove(CA, CA_KEY), "ca_unusable"),
        (remove(CA, CA_KEY, LEAF), "ca_unusable"),
        (remove(CA, LEAF), "ca_unusable"),
        (foreign_ca_key, "ca_unusable"),
        (foreign_ca, "ca_unusable"),
        (foreign_leaf, "leaf_foreign"),
    ],
)
def test_rejects_damaged_or_foreign_files_and_leaves_them(
    host: Host, damage: Callable[[Path], None], code: str
) -> None:
    host.load()
    damage(host.folder)
    before = host.files()
    with pytest.raises(Fatal) as caught:
        host.load()
    assert caught.value.code == code
    assert str(host.folder) in caught.value.detail
    assert host.files() == before


@pytest.mark.parametrize(
    "damage", [tear(LEAF), tear(LEAF_KEY), remove(LEAF), remove(LEAF_KEY), remove(LEAF, LEAF_KEY), remove(BUNDLE)]
)
def test_survives_a_damaged_leaf_under_the_same_ca(host: Host, damage: Callable[[Path], None]) -> None:
    pin = host.load().ca_pin
    damage(host.folder)
    certificates = host.load()
    assert certificates.ca_pin == pin
    certificates.ssl_context()
    assert certificates.bundle_path.read_text() == certificates.bundle_pem


@pytest.mark.parametrize("write", range(5))
def test_survives_a_first_start_cut_off_at_any_write(host: Host, monkeypatch: pytest.MonkeyPatch, write: int) -> None:
    count = 0

    def cut_off(*arguments: Any, **options: Any) -> None:
        nonlocal count
        count += 1
        if count > write:
            raise KeyboardInterrupt
        write_atomic(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(own, "write_atomic", cut_off)
        with pytest.raises(KeyboardInterrupt):
            host.load()
    key = (host.folder / CA_KEY).read_bytes() if write else None
    host.load().ssl_context()
    assert key in (None, (host.folder / CA_KEY).read_bytes())


def test_survives_a_full_disk_while_the_leaf_is_good(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    certificates = host.load()
    leaf = certificates.leaf_sha256

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(own, "write_atomic", full)
    host.clock.advance(370 * DAY)
    assert not certificates.renew_if_due()
    assert host.load().leaf_sha256 == leaf
    host.clock.advance(30 * DAY)
    with pytest.raises(Fatal, match="Free the disk"):
        host.load()


def test_rejects_another_ca_while_running(host: Host, tmp_path: Path) -> None:
    certificates = host.load()
    other = Host(tmp_path / "other")
    other.load()
    for name in (CA, CA_KEY):
        (host.folder / name).write_bytes((other.folder / name).read_bytes())
    before, pin = host.files(), certificates.ca_pin
    assert not certificates.renew_if_due()
    assert (host.files(), certificates.ca_pin) == (before, pin)


@pytest.mark.parametrize("days", [-10, 30 * 365])
def test_rejects_a_clock_outside_of_the_cas_life(host: Host, days: int) -> None:
    host.load()
    host.clock.set_wall(host.clock.now() + days * DAY)
    with pytest.raises(Fatal, match="Set the clock"):
        host.load()


def test_survives_a_clock_set_back_by_a_day(host: Host) -> None:
    first = host.load()
    host.clock.set_wall(host.clock.now() - DAY)
    assert host.load().ca_pin == first.ca_pin


def test_rejects_a_digest_that_is_none(tmp_path: Path) -> None:
    settings = replace(settings_in(tmp_path), extra_leaf_sha256=("abc",))
    with pytest.raises(Fatal, match="BOREALIS_PROXY_LEAF_SHA256"):
        EngineCertificates(settings=settings, clock=FakeClock())


def test_a_proxys_certificate_counts_as_ours(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.settings = replace(host.settings, extra_leaf_sha256=("AB:" * 31 + "AB",))
    assert b"\xab" * 32 in host.load().accepted_leaves


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> tuple[str | None, bytes]:
    """A TLS handshake in memory; gives the version and the leaf that the client saw."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname=name)
    done = set()
    for _ in range(10):
        for side in (theirs, ours):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                continue
    assert done == {ours, theirs}
    return theirs.version(), theirs.getpeercert(binary_form=True) or b""


def test_a_client_that_trusts_the_bundle_reaches_it_and_nobody_else(host: Host, tmp_path: Path) -> None:
    certificates = host.load()
    server = certificates.ssl_context()
    client = ssl.create_default_context(cadata=certificates.bundle_pem)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    version, leaf = handshake(server, client, "engine.example")
    assert version == "TLSv1.3"
    assert sha256(leaf).digest() == certificates.leaf_sha256
    handshake(server, client, "127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client, "other.example")
    stranger = Host(tmp_path / "stranger").load()
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, ssl.create_default_context(cadata=stranger.bundle_pem), "localhost")


def test_a_live_context_shows_the_renewed_leaf(host: Host) -> None:
    certificates = host.load()
    server = certificates.ssl_context()
    host.names |= {"new.example"}
    assert certificates.renew_if_due()
    client = ssl.create_default_context(cadata=certificates.bundle_pem)
    _, leaf = handshake(server, client, "new.example")
    assert sha256(leaf).digest() == certificates.leaf_sha256


def test_rejects_tls_older_than_1_2(host: Host) -> None:
    certificates = host.load()
    client = ssl.create_default_context(cadata=certificates.bundle_pem)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert handshake(certificates.ssl_context(), client, "localhost")[0] == "TLSv1.2"
    assert certificates.ssl_context().minimum_version == ssl.TLSVersion.TLSv1_2
