"""Who is at the door: the peer's address past trusted proxies only, this machine, our own page."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borealis_engine.core.callers import check_same_origin, is_loopback, peer_address
from borealis_engine.core.errors import Forbidden

PROXIES = ("10.0.0.0/8", "fd00::/8", "nonsense")
_addresses = st.ip_addresses().map(str)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.1", None, "192.0.2.1"),
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.9, 10.9.9.9", "203.0.113.9"),
        ("10.0.0.1", "10.1.1.1, 10.2.2.2", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, not an address", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("fd00::1", "2001:db8::1", "2001:db8::1"),
        ("", "203.0.113.9", ""),
    ],
)
def test_the_address_is_the_nearest_that_no_trusted_proxy_has(peer: str, forwarded: str | None, expected: str) -> None:
    assert peer_address(peer, forwarded, PROXIES) == expected


@given(_addresses, st.text(max_size=60) | st.lists(_addresses, max_size=5).map(", ".join))
def test_rejects_whatever_a_stranger_writes_about_where_they_are(peer: str, forwarded: str) -> None:
    assert peer_address(peer, forwarded, ()) == peer
    if not any(ipaddress.ip_address(peer) in ipaddress.ip_network(network) for network in PROXIES[:2]):
        assert peer_address(peer, forwarded, PROXIES) == peer


@given(_addresses, st.lists(_addresses, max_size=4))
def test_rejects_what_stands_left_of_the_first_stranger(stranger: str, forged: list[str]) -> None:
    if not any(ipaddress.ip_address(stranger) in ipaddress.ip_network(network) for network in PROXIES[:2]):
        assert peer_address("10.0.0.1", ", ".join([*forged, stranger, "10.3.3.3"]), PROXIES) == stranger


@pytest.mark.parametrize(
    ("address", "own"),
    [("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("192.0.2.1", False),
     ("::ffff:192.0.2.1", False), ("localhost", False), ("", False), ("0.0.0.0", False), ("127.0.0.1.evil", False)],
)  # fmt: skip
def test_only_loopback_is_this_machine(address: str, own: bool) -> None:
    assert is_loopback(address) is own


def allowed(origin: str | None, *, fetch_site: str | None = None, required: bool = True) -> bool:
    """Whether a request with this origin may come in at ``engine:5000``."""
    try:
        check_same_origin(
            origin=origin,
            fetch_site=fetch_site,
            host="engine:5000",
            public_url="https://engine.example:5000",
            origin_required=required,
        )
    except Forbidden as error:
        assert error.code == "cross_site"
        return False
    return True


@pytest.mark.parametrize("origin", ["https://engine:5000", "https://engine.example:5000", "https://ENGINE:5000"])
def test_our_own_pages_pass(origin: str) -> None:
    assert allowed(origin)
    assert allowed(origin, fetch_site="same-origin")


@given(st.text(min_size=1, max_size=40))
def test_rejects_any_other_origin(text: str) -> None:
    for origin in (text, f"https://{text}", f"https://engine:5000{text}", f"https://{text}.engine.example:5000"):
        assert allowed(origin) is (origin.lower() in {"https://engine.example:5000", "https://engine:5000"})


@pytest.mark.parametrize(
    "origin",
    ["", "null", "https://", "http://engine:5000", "https://engine", "https://engine:5000/", "https://engine:5000#x",
     "https://engine:5000?x", "https://a@engine:5000", "https://engine:5000\n", "https://[", " https://engine:5000"],
)  # fmt: skip
def test_rejects_origins_that_are_almost_ours(origin: str) -> None:
    assert not allowed(origin)


def test_rejects_a_missing_origin_only_where_a_cookie_makes_it_dangerous() -> None:
    assert not allowed(None)
    assert not allowed(None, fetch_site="none")
    assert allowed(None, fetch_site="same-origin")
    assert allowed(None, required=False)
    assert not allowed(None, fetch_site="cross-site", required=False)
