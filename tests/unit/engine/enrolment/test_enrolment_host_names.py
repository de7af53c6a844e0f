"""Which names the leaf says."""

import socket
import threading
from pathlib import Path

import pytest
from tests.fakes.people import settings_in

from borealis_engine.enrolment import host_names
from borealis_engine.enrolment.certificate_making import MAX_NAMES, clean_name, covers
from borealis_engine.enrolment.host_names import choose_names, local_names


def choose(**changes: object) -> frozenset[str]:
    arguments: dict[str, object] = {
        "public_url": "",
        "bound_host": "0.0.0.0",
        "hostnames": (),
        "addresses": (),
        **changes,
    }
    return choose_names(**arguments)  # type: ignore[arg-type]


def test_loopback_is_always_there() -> None:
    assert choose() == {"localhost", "127.0.0.1", "::1"}


def test_public_name_bound_address_hostnames_and_interfaces() -> None:
    chosen = choose(
        public_url="https://Engine.Example.org:8443/x",
        bound_host="192.0.2.1",
        hostnames=("LAB", "lab.example.org."),
        addresses=("198.51.100.4", "2001:DB8::1", "fe80::1%eth0", "169.254.3.4", "127.0.0.1"),
    )
    assert chosen == {
        *choose(),
        "engine.example.org",
        "192.0.2.1",
        "lab",
        "lab.example.org",
        "198.51.100.4",
        "2001:db8::1",
    }


@pytest.mark.parametrize("text", ["", "my host", "b\N{LATIN SMALL LETTER A WITH DIAERESIS}r", "a..b", "x" * 64, "-a"])
def test_what_a_certificate_cannot_hold_is_left_out(text: str) -> None:
    assert clean_name(text) is None
    assert choose(hostnames=(text,)) == choose()


def test_a_machine_with_thousands_of_addresses_gets_a_bounded_leaf() -> None:
    chosen = choose(
        public_url="https://engine.example", addresses=[f"10.0.{high}.{low}" for high in range(9) for low in range(200)]
    )
    assert len(chosen) == MAX_NAMES
    assert {"localhost", "engine.example"} <= chosen


def test_a_broken_public_url_costs_no_start() -> None:
    assert choose(public_url="https://[::1") == choose()


def test_a_wildcard_stands_for_one_label_and_no_address() -> None:
    names = frozenset({"*.example.org", "*.0.0.1"})
    assert covers(names, "a.example.org")
    assert not covers(names, "a.b.example.org")
    assert not covers(names, "127.0.0.1")
    assert not covers(names, "")


def test_this_machine_has_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getfqdn", lambda _: "fqdn.example.org")
    assert {"localhost", "127.0.0.1", "engine.example", "fqdn.example.org"} <= local_names(settings_in(tmp_path))


def test_survives_a_resolver_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hang(_: str) -> str:
        released.wait(10)
        return ""

    monkeypatch.setattr(host_names, "FQDN_SECONDS", 0.05)
    monkeypatch.setattr(socket, "getfqdn", hang)
    assert "localhost" in local_names(settings_in(tmp_path))
    released.set()
