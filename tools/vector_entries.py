"""Orders that a connection brings to an entry of a device: those that let it in, and others, each with the code."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from borealis_wire import base64s, strict_json
from borealis_wire.desktop import MAX_ASK_SECONDS, MAX_SIDE, MIN_SIDE, Consent, DesktopKind, DesktopOrder
from borealis_wire.envelope import DESKTOP_TYPE, FILES_TYPE, FORWARD_TYPE, JOB_TYPE, SHELL_TYPE
from borealis_wire.files import MAX_FILE_BYTES, FileAction, FilesOrder
from borealis_wire.forward import ForwardOrder
from borealis_wire.limits import CLOCK_SKEW_SECONDS
from borealis_wire.shell import ShellOrder
from vector_material import ENGINE, GUID, NOW, STRANGER, octets, order, public, sealed

Case = dict[str, Any]
ORDER_ID: Final = "4f0c7d3e-8a51-4c0e-9a6f-2b7d1e5c9a10"
SESSION_ID: Final = "0b8e5a1c-3d17-4c59-8a3e-5f0f4f8f7a21"
_COMMON: Final[dict[str, Any]] = {
    "order_id": ORDER_ID,
    "device_guid": GUID,
    "asked_by": "Zoë",
    "issued_at": NOW,
    "expires_at": NOW + 60,
}
_TRANSFER: Final = octets("a transfer").hex()[:32]
_DIGEST: Final = octets("a file").hex()


def entries() -> dict[str, Any]:
    """The whole file: who refuses, what lets in, what is refused."""
    accepted = [*_shells(), *_desktops(), *_files(), *_forwards()]
    return {
        "device": {"guid": GUID, "context": "system", "now": NOW, "trusted_keys": [public(ENGINE)]},
        "accepted": accepted,
        "refused": [*_refused(accepted), *_wrong_desktops(), *_wrong_files(), *_wrong_forwards(), *_wrong_shells()],
    }


def _case(name: str, kind: str, envelope: Any, **more: Any) -> Case:
    return {"name": name, "payload_type": kind, "line": {"type": "open", "envelope": envelope}, **more}


def _shells() -> Iterator[Case]:
    plain = ShellOrder(session_id=SESSION_ID, columns=120, rows=40, **_COMMON)
    yield _shell("a new shell", plain)
    again = ShellOrder(session_id=SESSION_ID, columns=80, rows=24, user="zoë", seen=2**40, **_COMMON)
    yield _shell("a shell taken up again, as an account", again)


def _shell(name: str, source: ShellOrder) -> Case:
    return _case(name, SHELL_TYPE, sealed(source.to_payload(), kind=SHELL_TYPE))


def _desktop(**changes: Any) -> DesktopOrder:
    members = {"session_id": SESSION_ID, "kind": DesktopKind.SCREEN, **_COMMON}
    return DesktopOrder(**(members | changes))


def _desktops() -> Iterator[Case]:
    for name, source in (
        ("the screen of whoever is signed in", _desktop()),
        ("a screen to look at only, after a question", _desktop(view_only=True, consent=Consent.ASK, ask_seconds=120)),
        ("a desktop of its own", _desktop(kind=DesktopKind.OWN, user="zoë", width=MIN_SIDE, height=MAX_SIDE)),
    ):
        yield _case(name, DESKTOP_TYPE, sealed(source.to_payload(), kind=DESKTOP_TYPE))


def _file(**changes: Any) -> FilesOrder:
    return FilesOrder(**(_COMMON | {"action": FileAction.LIST} | changes))


def _write(**changes: Any) -> FilesOrder:
    given = {"action": FileAction.WRITE, "path": "/etc/motd", "transfer_id": _TRANSFER, "size": 10}
    return _file(**(given | changes))


def _files() -> Iterator[Case]:
    for name, source in (
        ("a list of the home", _file()),
        ("what there is of a transfer", _file(action=FileAction.STAT, path="a", transfer_id=_TRANSFER)),
        ("a file from a byte on", _file(action=FileAction.READ, path="/größe", offset=7, version="1-2", user="zoë")),
        ("a new file", _write()),
        ("the rest of a file in place of another", _write(offset=10, sha256=_DIGEST, mode=0o640, overwrite=True)),
        ("the largest file", _write(size=MAX_FILE_BYTES)),
        ("a new folder", _file(action=FileAction.MKDIR, path="a/b")),
        ("an end of one", _file(action=FileAction.REMOVE, path="a/b")),
    ):
        yield _case(name, FILES_TYPE, sealed(source.to_payload(), kind=FILES_TYPE))


def _forward(**changes: Any) -> ForwardOrder:
    members = {"session_id": SESSION_ID, "host": "127.0.0.1", "port": 80, **_COMMON}
    return ForwardOrder(**(members | changes))


def _forwards() -> Iterator[Case]:
    for name, source in (
        ("a connection to the device itself", _forward()),
        ("a connection by a name", _forward(host="printer_2.lab.example", port=1)),
        ("a connection by IPv6", _forward(host="fd00::1", port=65535)),
    ):
        yield _case(name, FORWARD_TYPE, sealed(source.to_payload(), kind=FORWARD_TYPE))


def _goods() -> Iterator[tuple[str, str, Mapping[str, Any], bytes]]:
    """One good order of each kind: its word, its type, its members, its bytes."""
    shell = ShellOrder(session_id=SESSION_ID, columns=120, rows=40, **_COMMON)
    yield "shell", SHELL_TYPE, shell.to_json(), shell.to_payload()
    yield "desktop", DESKTOP_TYPE, _desktop().to_json(), _desktop().to_payload()
    yield "files", FILES_TYPE, _write().to_json(), _write().to_payload()
    yield "forward", FORWARD_TYPE, _forward().to_json(), _forward().to_payload()


def _refused(accepted: list[Case]) -> Iterator[Case]:
    """What is refused in every kind of order, for the same reason."""
    for word, kind, members, payload in _goods():
        good = sealed(payload, kind=kind)
        other = next(case for case in accepted if case["payload_type"] != kind)

        yield _case(f"{word}: nobody signed", kind, good | {"signatures": []}, code="bad_signature")
        stranger = sealed(payload, kind=kind, by=STRANGER)
        yield _case(f"{word}: a stranger signed", kind, stranger, code="unknown_key")
        moved = good | {"payload": base64s.encode(payload.replace(b"Zo\xc3\xab", b"Mallory"))}
        yield _case(f"{word}: other bytes under the signature", kind, moved, code="bad_signature")
        yield _case(f"{word}: an order of another kind", kind, other["line"]["envelope"], code="unsupported_type")
        job = sealed(order().to_payload(), kind=JOB_TYPE)
        yield _case(f"{word}: a job", kind, job, code="unsupported_type")
        renamed = sealed(payload, kind=JOB_TYPE) | {"payloadType": kind}
        yield _case(f"{word}: signed as a job and renamed", kind, renamed, code="bad_signature")
        yield _case(f"{word}: without an envelope", kind, dict(members), code="malformed")
        late = NOW + CLOCK_SKEW_SECONDS + 1
        wrong: tuple[tuple[str, str, dict[str, Any]], ...] = (
            ("for another device", "wrong_device", {"device_guid": "other"}),
            ("expired", "expired", {"issued_at": NOW - 60, "expires_at": NOW}),
            ("from the future", "not_yet_valid", {"issued_at": late, "expires_at": late + 60}),
            ("holds for too long", "malformed", {"expires_at": NOW + 61}),
            ("expires before it was issued", "malformed", {"expires_at": NOW - 1}),
            ("nobody asked", "malformed", {"asked_by": ""}),
            ("a member too many", "malformed", {"surprise": 1}),
            *((f"without {member}", "malformed", {member: ...}) for member in members),
        )
        for name, code, changes in wrong:
            yield _altered(f"{word}: {name}", code, kind, members, changes)
        twice = b'{"device_guid":"other",' + payload[1:]
        yield _case(f"{word}: a member twice", kind, sealed(twice, kind=kind), code="malformed")
        yield _case(f"{word}: a list", kind, sealed(b"[]", kind=kind), code="malformed")


def _altered(name: str, code: str, kind: str, members: Mapping[str, Any], changes: Mapping[str, Any]) -> Case:
    """A well signed order whose payload says something that a device must not accept."""
    value = {**members, **changes}
    payload = strict_json.canonical({member: given for member, given in value.items() if given is not ...})
    return _case(name, kind, sealed(payload, kind=kind), code=code)


def _malformed(
    word: str, kind: str, members: Mapping[str, Any], wrong: Mapping[str, Mapping[str, Any]]
) -> Iterator[Case]:
    for name, changes in wrong.items():
        yield _altered(f"{word}: {name}", "malformed", kind, members, changes)


def _wrong_shells() -> Iterator[Case]:
    members = ShellOrder(session_id=SESSION_ID, columns=120, rows=40, **_COMMON).to_json()
    wrong: dict[str, dict[str, Any]] = {
        "no columns": {"columns": 0},
        "rows that are true": {"rows": True},
        "output before its beginning": {"seen": -2},
        "no session": {"session_id": ""},
    }
    yield from _malformed("shell", SHELL_TYPE, members, wrong)


def _wrong_desktops() -> Iterator[Case]:
    wrong: dict[str, dict[str, Any]] = {
        "a kind that there is not": {"kind": "window"},
        "its own for nobody": {"kind": "own"},
        "consent that there is not": {"consent": "maybe"},
        "view_only that is 1": {"view_only": 1},
        "a question that is too long": {"ask_seconds": MAX_ASK_SECONDS + 1},
        "a question that is too short": {"ask_seconds": 4},
        "too narrow": {"width": MIN_SIDE - 1},
        "too high": {"height": MAX_SIDE + 1},
    }
    yield from _malformed("desktop", DESKTOP_TYPE, _desktop().to_json(), wrong)


def _wrong_files() -> Iterator[Case]:
    wrong: dict[str, dict[str, Any]] = {
        "an action that there is not": {"action": "run"},
        "a path with a zero byte": {"path": "/etc/motd\0x"},
        "a path that is too long": {"path": "x" * 4097},
        "written without a path": {"path": ""},
        "written without a transfer": {"transfer_id": ""},
        "a transfer with a stray letter": {"transfer_id": "g" * 32},
        "a digest cut short": {"sha256": _DIGEST[:-1]},
        "from beyond its end on": {"offset": 11},
        "larger than any": {"size": MAX_FILE_BYTES + 1},
        "a mode beyond permissions": {"mode": 0o4755},
        "overwrite that is 1": {"overwrite": 1},
        "read with a size": {"action": "read", "transfer_id": ""},
    }
    yield from _malformed("files", FILES_TYPE, _write().to_json(), wrong)


def _wrong_forwards() -> Iterator[Case]:
    wrong: dict[str, dict[str, Any]] = {
        "no host": {"host": ""},
        "a host with a blank": {"host": "a b"},
        "a host with a line break": {"host": "a\nb"},
        "a host in brackets": {"host": "[::1]"},
        "a host with a zone": {"host": "fe80::1%eth0"},
        "a host that is not ASCII": {"host": "größe.example"},
        "a host that is too long": {"host": "x" * 254},
        "a host with a path": {"host": "a/b"},
        "port 0": {"port": 0},
        "a port beyond 65535": {"port": 65536},
        "a port that is a text": {"port": "80"},
        "a port that is true": {"port": True},
        "no session": {"session_id": ""},
    }
    yield from _malformed("forward", FORWARD_TYPE, _forward().to_json(), wrong)
