"""``borealis forward``: what may be asked for, and who forwards what."""

from typing import Any

import pytest
from tests.fakes.cli_world import CliWorld
from tests.fakes.fake_rest import GUID, NOW, refuse

from borealis_cli.errors import CliError
from borealis_cli.forwarding import Wanted, read_wanted

OPEN: dict[str, Any] = {
    "session_id": "s-1", "guid": GUID, "hostname": "lab", "username": "ada", "host": "127.0.0.1", "port": 80,
    "since": NOW - 60, "connections": 2, "opened": 31, "sent": 10, "received": 20,
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("8080:127.0.0.1:80", Wanted("127.0.0.1", 8080, "127.0.0.1", 80)),
        ("0:printer.lab:631", Wanted("127.0.0.1", 0, "printer.lab", 631)),
        ("0.0.0.0:8080:db:5432", Wanted("0.0.0.0", 8080, "db", 5432)),
        ("[::1]:8080:[fd00::7]:80", Wanted("::1", 8080, "fd00::7", 80)),
        ("localhost:1:localhost:65535", Wanted("localhost", 1, "localhost", 65535)),
    ],
)
def test_what_is_wanted_is_read_as_ssh_reads_it(text: str, wanted: Wanted) -> None:
    assert read_wanted(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "80", "8080:80", "8080:host", "x:host:80", "8080:host:0", "70000:host:80", "8080:host:70000",
             "8080:fd00::7:80", "a:b:8080:host:80", "8080:[host]:80", ":8080:host:80", "8080:host:80:"],
)  # fmt: skip
def test_rejects_what_is_no_forward(text: str) -> None:
    with pytest.raises(CliError, match="BIND"):
        read_wanted(text)


def test_rejects_a_wrong_word_before_anybody_is_asked(cli: CliWorld) -> None:
    printed = cli("forward", "lab", "8080:host")
    assert (printed.status, cli.rest.asked) == (2, [])


def test_rejects_with_the_engines_sentence_and_nothing_is_left_listening(cli: CliWorld) -> None:
    cli.rest.routes |= {
        "GET /api/devices": (200, {"devices": [{"hostname": "lab", "guid": GUID}]}),
        "POST /api/forward/session": refuse(403, "forbidden", "You may not do this."),
    }
    printed = cli("forward", "lab", "0:127.0.0.1:80")
    assert (printed.status, printed.out) == (4, "")
    assert "You may not do this." in printed.err
    assert cli.rest.bodies("POST /api/forward/session") == [{"device": GUID, "host": "127.0.0.1", "port": 80}]


def test_forwards_are_listed_and_ended(cli: CliWorld) -> None:
    cli.rest.routes |= {
        "GET /api/devices": (200, {"devices": [{"hostname": "lab", "guid": GUID}]}),
        "GET /api/forward/sessions": (200, {"forwards": [OPEN]}),
        "DELETE /api/forward/sessions/s-1": (200, {"status": "ok"}),
    }
    printed = cli("forwards", "list", "--device", "lab")
    assert printed.status == 0
    for words in ("s-1", "lab", "ada", "127.0.0.1 port 80", "2 of 31", "10 B", "20 B"):
        assert words in printed.out
    assert cli.rest.asked[-1].query == {"device": GUID}
    assert cli("forwards", "list", "--json").json == {"forwards": [OPEN]}
    assert "It is over." in cli("forwards", "end", "s-1").out
    assert cli("forwards", "end", "s-2").status == 1
