"""Every command: what it asks the Engine, what it prints, how it ends."""

from typing import Any

import pytest
from tests.fakes.cli_world import TOKEN, CliWorld
from tests.fakes.fake_rest import GUID, NOW, OTHER_GUID, Asked, device, refuse, run

from borealis_cli.errors import EXIT_STATUSES

APPROVAL = {
    "id": 1,
    "approval_reference": "REF1",
    "hostname_claimed": "lab",
    "ssl_key_fingerprint_claimed": "cd" * 32,
    "peer_address": "192.0.2.9",
    "site_name": "HQ",
    "channel": "unbound",
    "status": "pending",
    "created_at": int(NOW) - 120,
    "hostname_conflict": {"kind": "hostname", "guid": GUID},
}
CODE = {"id": 3, "code": "AAAA", "token": "https://e#AAAA.bb", "expires_at": int(NOW) + 86_400, "max_uses": 1}
SITES = {"sites": [{"id": 4, "name": "HQ", "description": "", "device_count": 2, "created_at": 0}]}


def by_hostname(asked: Asked) -> tuple[int, Any]:
    found = [device(), device("desk", OTHER_GUID, duplicate_suspected=True)]
    wanted = asked.query.get("hostname")
    return 200, {"devices": [one for one in found if wanted in (None, one["hostname"])]}


@pytest.fixture
def engine(cli: CliWorld) -> CliWorld:
    """Beside an Engine with two devices."""
    full = {**device(), "details": {"cpu": {"name": "Fast"}, "software": [{"name": "bash"}], "storage": []}}
    cli.rest.routes = {
        "GET /api/devices": by_hostname,
        f"GET /api/devices/{GUID}": (200, full),
        f"PATCH /api/devices/{GUID}": (200, device()),
        f"DELETE /api/devices/{GUID}": (200, {"status": "deleted"}),
        f"POST /api/devices/{GUID}/revoke": (200, device(status="revoked")),
        f"POST /api/devices/{GUID}/quarantine": (200, device(status="quarantined")),
        f"POST /api/devices/{GUID}/release": (200, device()),
        "GET /api/sites": (200, SITES),
        "POST /api/sites": (201, SITES["sites"][0]),
        "PATCH /api/sites/4": (200, SITES["sites"][0]),
        "DELETE /api/sites/4": (200, {"status": "ok", "deleted": 1}),
        "GET /api/admin/device-approvals": (200, {"approvals": [APPROVAL]}),
        "POST /api/admin/device-approvals/REF1/approve": (200, {"status": "approved"}),
        "POST /api/admin/device-approvals/REF1/deny": (200, {"status": "denied"}),
        "GET /api/admin/enrollment-codes": (200, {"codes": [{**CODE, "use_count": 0, "status": "active"}]}),
        "POST /api/admin/enrollment-codes": (201, CODE),
        "DELETE /api/admin/enrollment-codes/3": (200, {"status": "deleted"}),
        "GET /api/runs": (200, {"runs": [run()], "next": None}),
        "GET /api/runs/r1": (200, run()),
        "POST /api/runs/r1/cancel": (200, {"status": "requested"}),
        "GET /api/audit": (200, {"entries": [_entry()], "next": None}),
        "GET /api/server/info": (200, {"version": "1", "url": "https://e", "ca_pin": "ab", "figures": {}}),
        "POST /api/server/signing-key/rotate": (200, {"key_id": "new", "old_key_id": "old"}),
        "GET /api/server/logs": _logs,
        "GET /api/users": (200, {"users": [_user()]}),
        "POST /api/users": (201, _user()),
        "DELETE /api/users/bob": (200, {"status": "ok"}),
        **{
            f"POST /api/users/bob/{what}": (200, _user())
            for what in ("role", "sites", "reset_password", "disabled", "mfa")
        },
        "GET /api/tokens": (200, {"tokens": []}),
        "DELETE /api/tokens/t1": (200, {"status": "ok"}),
        "GET /api/auth/me": (200, {"username": "owner", "role": "Admin", "sites": None, "permissions": ["self"]}),
    }
    return cli


def _entry() -> dict[str, Any]:
    return {
        "id": 1,
        "at": NOW,
        "actor": "ada",
        "action": "device.revoke",
        "target_kind": "device",
        "target": GUID,
        "detail": {"hostname": "lab"},
        "address": "192.0.2.1",
        "site_id": None,
    }


def _user() -> dict[str, Any]:
    return {
        "id": 1,
        "username": "bob",
        "display_name": "Bob",
        "role": "Viewer",
        "sites": [4],
        "disabled": False,
        "mfa_enabled": False,
        "created_at": NOW,
        "last_login": None,
    }


def _logs(asked: Asked) -> tuple[int, Any]:
    name = asked.query.get("name", "")
    lines = ["one\x1b[2J", "two"] if name else []
    return 200, {"files": [{"name": "engine.log", "size": 5, "modified_at": NOW}], "name": name, "lines": lines}


@pytest.mark.parametrize(
    ("command", "key"),
    [
        ("devices", "devices"),
        ("approvals", "approvals"),
        ("codes", "codes"),
        ("codes list", "codes"),
        ("sites", "sites"),
        ("sites list", "sites"),
        ("users", "users"),
        ("tokens", "tokens"),
        ("audit", "entries"),
        ("activity", "runs"),
        ("logs", "files"),
        ("server", "version"),
        ("whoami", "username"),
        (f"device {GUID}", "details"),
        ("device lab", "details"),
    ],
)
def test_json_is_the_engines_answer_and_nothing_else(engine: CliWorld, command: str, key: str) -> None:
    printed = engine(*command.split(), "--json")
    assert (printed.status, printed.err) == (0, "")
    assert key in printed.json
    assert engine.rest.asked[0].headers["authorization"] == f"Bearer {TOKEN}"
    people = engine(*command.split())
    assert people.status == 0
    assert people.out


def test_devices_are_listed_with_their_state_in_words(engine: CliWorld) -> None:
    printed = engine("devices", "--site", "hq", "--status", "online")
    assert "online" in printed.out
    assert "desk (!)" in printed.out
    assert "borealis device" in printed.err
    assert engine.rest.asked[-1].query == {"site_id": "4", "status": "online"}


def test_a_device_is_shown_with_what_matters(engine: CliWorld) -> None:
    printed = engine("device", "lab")
    for text in ("lab", GUID, "Debian 12", "Fast", "1 package", "1 d 1 h", "running"):
        assert text in printed.out


def test_rejects_text_of_devices_that_drives_the_terminal(engine: CliWorld) -> None:
    engine.rest.routes["GET /api/devices"] = (200, {"devices": [device("x\x1b[2J[red]y\u202e", last_user="\x07")]})
    printed = engine("devices", terminal=True)
    assert "\x1b[2J" not in printed.out
    assert "\x07" not in printed.out
    assert "[red]" in printed.out, "what a device wrote is no markup"
    assert "\x1b" not in engine("logs", "engine").out


@pytest.mark.parametrize("deed", ["quarantine", "release"])
def test_a_device_is_quarantined_and_released(engine: CliWorld, deed: str) -> None:
    printed = engine(deed, "lab")
    assert printed.status == 0
    assert "lab is" in printed.out


def test_danger_is_asked_about(engine: CliWorld) -> None:
    refused = engine("revoke", "lab")
    assert refused.status == 2
    assert "--yes" in refused.err
    engine.answers = ["n"]
    assert engine("revoke", "lab", interactive=True).status == 1
    assert engine.rest.bodies(f"POST /api/devices/{GUID}/revoke") == []
    engine.answers = ["y"]
    assert engine("revoke", "lab", interactive=True).out == "lab is revoked.\n"
    assert engine("revoke", "lab", "--yes", "--json").json["status"] == "revoked"
    assert engine("delete", "lab", "-y").out == "lab is forgotten.\n"
    assert engine("sites", "delete", "HQ").status == 2
    assert engine("sites", "delete", "HQ", "--yes").status == 0
    assert engine("users", "delete", "bob").status == 2
    assert engine("server", "rotate-key", "--yes").status == 0


@pytest.mark.parametrize(
    ("command", "body"),
    [
        (["rename", "lab", "desk"], {"hostname": "desk"}),
        (["describe", "lab", "by the door"], {"description": "by the door"}),
        (["move", "lab", "HQ"], {"site_id": 4}),
        (["move", "lab", "--out"], {"site_id": None}),
        (["settle", "lab"], {"duplicate_suspected": False}),
    ],
)
def test_a_device_is_changed(engine: CliWorld, command: list[str], body: dict[str, Any]) -> None:
    assert engine(*command).status == 0
    assert engine.rest.bodies(f"PATCH /api/devices/{GUID}") == [body]


def test_approvals_show_what_to_compare(engine: CliWorld) -> None:
    printed = engine("approvals")
    for text in ("REF1", "cd" * 32, "192.0.2.9", "NOT bound", "a device of this name", "2 min ago"):
        assert text in printed.out
    assert engine.rest.asked[-1].query == {"status": "pending"}
    engine.rest.routes["GET /api/admin/device-approvals"] = (200, {"approvals": []})
    assert engine("approvals").out == "No device waits for a decision.\n"


@pytest.mark.parametrize(
    ("options", "body"),
    [
        ([], {"accept_unbound": False}),
        (["--merge", GUID], {"accept_unbound": False, "guid": GUID, "conflict_resolution": "merge"}),
        (["--coexist", "--accept-unbound"], {"accept_unbound": True, "conflict_resolution": "coexist"}),
    ],
)
def test_a_device_is_approved(engine: CliWorld, options: list[str], body: dict[str, Any]) -> None:
    assert engine("approve", "REF1", *options, "--json").json == {"status": "approved"}
    assert engine.rest.bodies("POST /api/admin/device-approvals/REF1/approve") == [body]


def test_a_conflict_says_what_to_add(engine: CliWorld) -> None:
    engine.rest.routes["POST /api/admin/device-approvals/REF1/approve"] = refuse(
        409, "conflict_resolution_required", "A device named lab exists. Approve again with conflict_resolution merge."
    )
    printed = engine("approve", "REF1")
    assert printed.status == 1
    assert "--merge GUID" in printed.err
    assert "--coexist" in printed.err
    assert engine("approve", "REF1", "--merge", GUID, "--coexist").status == 2
    assert engine("deny", "REF1").out == "Denied.\n"


def test_a_code_is_made_and_its_token_printed_alone(engine: CliWorld) -> None:
    printed = engine("codes", "create", "--uses", "1", "--expires", "1d", "--site", "HQ")
    assert printed.out == "https://e#AAAA.bb\n"
    assert "for 1 d" in printed.err
    made = {"max_uses": 1, "expires_in_seconds": 86_400, "site_id": 4}
    assert engine.rest.bodies("POST /api/admin/enrollment-codes") == [made]
    assert engine("codes", "create", "--json").json["token"] == "https://e#AAAA.bb"
    assert engine("codes", "create", "--expires", "soon").status == 2
    assert engine("codes", "delete", "3").out == "Deleted.\n"


def test_runs_are_listed_shown_and_cancelled(engine: CliWorld) -> None:
    assert engine("activity", "lab", "--json").json["runs"][0]["stdout"] == "hello\n"
    assert engine.rest.asked[-1].query == {"device": GUID, "limit": "20", "output": "true"}
    assert "bash script" in engine("activity", "lab").out
    assert "output" not in engine.rest.asked[-1].query
    shown = engine("activity", "--run", "r1").out
    assert "--- stdout\nhello\n" in shown
    assert "1.5 s" in shown
    assert "told to end" in engine("cancel", "r1").out


def test_the_audit_log_is_filtered(engine: CliWorld) -> None:
    printed = engine("audit", "--device", "lab", "--actor", "ada", "--action", "device.", "--limit", "5")
    assert "device.revoke" in printed.out
    assert engine.rest.asked[-1].query == {"target": GUID, "actor": "ada", "action": "device.", "limit": "5"}


def test_log_files_may_be_named_without_their_ending(engine: CliWorld) -> None:
    assert engine("logs", "engine", "-n", "3").out.endswith("two\n")
    assert engine.rest.asked[-1].query == {"name": "engine.log", "lines": "3"}


@pytest.mark.parametrize(
    ("command", "what", "body"),
    [
        (["role", "bob", "operator"], "role", {"role": "Operator"}),
        (["limit", "bob", "--site", "HQ"], "sites", {"sites": [4]}),
        (["limit", "bob", "--all-sites"], "sites", {"sites": None}),
        (["bar", "bob"], "disabled", {"disabled": True}),
        (["unbar", "bob"], "disabled", {"disabled": False}),
        (["reset-second-factor", "bob"], "mfa", {"enabled": False}),
    ],
)
def test_operators_are_changed(engine: CliWorld, command: list[str], what: str, body: dict[str, Any]) -> None:
    assert engine("users", *command).status == 0
    assert engine.rest.bodies(f"POST /api/users/bob/{what}") == [body]


def test_passwords_are_typed_twice_or_come_by_standard_input(engine: CliWorld) -> None:
    engine.answers = ["long password one", "long password two"]
    assert engine("users", "create", "bob", "--role", "viewer", interactive=True).status == 2
    engine.answers = ["long password one", "long password one"]
    assert engine("users", "create", "bob", "--role", "viewer", "--site", "HQ", interactive=True).status == 0
    assert engine("users", "password", "bob", "--password-stdin", stdin="another one\n").status == 0
    assert engine("users", "password", "bob").status == 2
    made = {"username": "bob", "password": "long password one", "role": "Viewer", "sites": [4]}
    assert engine.rest.bodies("POST /api/users") == [made]
    assert engine.rest.bodies("POST /api/users/bob/reset_password") == [{"password": "another one"}]
    assert engine("users", "create", "bob", "--role", "king").status == 2


def test_sites_are_made_and_renamed(engine: CliWorld) -> None:
    assert engine("sites", "create", "HQ", "--description", "x").out == "Site HQ has the id 4.\n"
    assert engine("sites", "rename", "4", "Office").status == 0
    assert engine.rest.bodies("PATCH /api/sites/4") == [{"name": "Office"}]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (refuse(400, "invalid_request", "Wrong."), 1),
        (refuse(401, "unauthorized", "Sign in."), 4),
        (refuse(403, "forbidden", "Not yours."), 4),
        (refuse(404, "not_found", "Gone."), 1),
        (refuse(409, "conflict", "In the way."), 1),
        (refuse(503, "database_unavailable", "Later."), 1),
        ((500, []), 1),
        ((200, []), 3),
    ],
)
def test_refusals_become_one_sentence_and_a_status(engine: CliWorld, answer: tuple[int, Any], status: int) -> None:
    engine.rest.routes["GET /api/devices"] = answer
    printed = engine("devices", "--json")
    assert (printed.status, printed.out) == (status, "")
    assert printed.err.startswith("borealis: ")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["device"], ["devices", "--nonsense"], ["codes", "delete", "x"], ["run", "x"], ["move", "lab"]],
)
def test_rejects_wrong_usage_with_status_2(engine: CliWorld, arguments: list[str]) -> None:
    printed = engine(*arguments)
    assert (printed.status, printed.out) == (2, "")
    assert printed.err.startswith("borealis: ")
    assert engine.rest.asked == []


def test_rejects_names_that_nothing_has(engine: CliWorld) -> None:
    for arguments in (
        ["device", "nobody"],
        ["revoke", "nobody", "-y"],
        ["devices", "--site", "nowhere"],
        ["device", ""],
    ):
        printed = engine(*arguments)
        assert printed.status == 1, arguments
        assert "There is no" in printed.err


def test_rejects_paths_hidden_in_names(engine: CliWorld) -> None:
    engine("cancel", "../../auth/logout")
    engine("deny", "x/../approve?y")
    assert [asked.path for asked in engine.rest.asked] == [
        "/api/runs/../../auth/logout/cancel",
        "/api/admin/device-approvals/x/../approve?y/deny",
    ], "still one segment, escaped on the wire"


def test_help_tells_the_exit_statuses(cli: CliWorld, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("--help").status == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert EXIT_STATUSES in shown


def test_an_interrupt_is_130(engine: CliWorld) -> None:
    def interrupt(_: Asked) -> tuple[int, Any]:
        raise KeyboardInterrupt

    engine.rest.routes["GET /api/devices"] = interrupt
    printed = engine("devices")
    assert printed.status == 130
