"""Whether what runs may stay, and what is said about ports."""

import socket

import pytest

from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.launch import Address, check_port, decide
from borealis_bootstrap.supervision import ProgramState, Started

WANTED = Started("code", "environment", "u", 5000)


@pytest.mark.parametrize(
    ("state", "decision"),
    [
        (ProgramState("stopped", None, (), WANTED), "start"),
        (ProgramState("stopped"), "start"),
        (ProgramState("running", 1, (), WANTED), "keep"),
        (ProgramState("running", 1, (), Started("older code", "environment")), "restart"),
        (ProgramState("running", 1, (), Started("code", "older environment")), "restart"),
        (ProgramState("running", 1), "restart"),
        (ProgramState("unsupervised", 1, (), WANTED), "restart"),
        (ProgramState("restarting", None, (), WANTED), "restart"),
        (ProgramState("attention", None, (), WANTED), "restart"),
    ],
)
def test_only_the_wanted_code_under_its_supervisor_is_kept(state: ProgramState, decision: str) -> None:
    assert decide(state, WANTED) == decision


def test_a_port_in_use_is_named_with_what_to_set() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CannotGoOn, match=f"Port {port} is in use .* BOREALIS_ENGINE_PORT=") as refused:
            check_port(Address("127.0.0.1", port))
    assert "\n" not in refused.value.sentence
    check_port(Address("127.0.0.1", port))


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(CannotGoOn, match="BOREALIS_ENGINE_HOST"):
        check_port(Address("192.0.2.1", 5000))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "https://localhost:5000"),
        ("0.0.0.0", "https://localhost:5000"),
        ("127.0.0.1", "https://localhost:5000"),
        ("192.0.2.7", "https://192.0.2.7:5000"),
        ("::", "https://localhost:5000"),
        ("2001:db8::1", "https://[2001:db8::1]:5000"),
    ],
)
def test_the_address_for_programs_on_this_machine(host: str, url: str) -> None:
    assert Address(host, 5000).url == url
