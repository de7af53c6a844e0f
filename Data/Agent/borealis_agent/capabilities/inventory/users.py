"""People who may sign in, and who is signed in. No password data, no mail, no home folder is looked into."""

import struct
from typing import Any, Final

from borealis_agent.capabilities.inventory.source import LARGE, Source, whole
from borealis_agent.capabilities.inventory.system import assignments, utc_text

NOBODY: Final = "No Users Logged In"
"""Upstream's text where nobody is signed in."""
_MAX_ACCOUNTS: Final = 5000
_MAX_SESSIONS: Final = 500
_ADMIN_GROUPS: Final = frozenset({"sudo", "wheel", "admin", "root"})
_NO_SHELLS: Final = ("nologin", "false", "sync", "halt", "shutdown")
_UTMP: Final = struct.Struct("<hxxi32s4s32s256shhiii4I20x")
"""utmp(5) of glibc on Linux, 384 bytes: type, pid, line, id, user, host, exit status, session, seconds, and more."""
_USER_PROCESS: Final = 7
_LASTLOG: Final = struct.Struct("<i32s256s")


def users(source: Source) -> dict[str, Any]:
    """The section ``users``."""
    found = accounts(source)
    return {
        "accounts": found,
        "system_accounts": len(_entries(source, "/etc/passwd", 7)) - len(found),
        "groups": groups_with_members(source),
        "group_count": len(_entries(source, "/etc/group", 4)),
        "signed_in": sessions(source),
        "last_sign_in": last_sign_in(source),
    }


def _entries(source: Source, path: str, fields: int) -> list[list[str]]:
    lines = (line.split(":") for line in source.text(path, LARGE // 8).splitlines()[:100_000])
    return [words for words in lines if len(words) >= fields]


def groups_with_members(source: Source) -> list[dict[str, Any]]:
    """Groups that somebody was put into."""
    return [
        {"name": words[0], "gid": whole(words[2]), "members": words[3].strip().split(",")}
        for words in _entries(source, "/etc/group", 4)
        if words[3].strip()
    ][:_MAX_ACCOUNTS]


def accounts(source: Source) -> list[dict[str, Any]]:
    """Accounts of people, and root."""
    groups = _entries(source, "/etc/group", 4)
    memberships: dict[str, set[str]] = {}
    for words in groups:
        for member in words[3].split(","):
            memberships.setdefault(member.strip(), set()).add(words[0])
    names = {words[2]: words[0] for words in groups}
    lowest, highest = _people(source)
    shadow = {words[0]: words[1] for words in _entries(source, "/etc/shadow", 2)}
    found: list[dict[str, Any]] = []
    for words in _entries(source, "/etc/passwd", 7):
        number = whole(words[2])
        if number is None or (number != 0 and not lowest <= number <= highest) or len(found) >= _MAX_ACCOUNTS:
            continue
        mine = memberships.get(words[0], set()) | {names.get(words[3], words[3])}
        found.append(
            {
                "name": words[0],
                "uid": number,
                "gid": whole(words[3]),
                "full_name": words[4].split(",")[0],
                "home": words[5],
                "shell": words[6].strip(),
                "groups": sorted(mine),
                "administrator": number == 0 or bool(mine & _ADMIN_GROUPS),
                "may_sign_in": not words[6].strip().endswith(_NO_SHELLS),
                "password_locked": shadow[words[0]].startswith(("!", "*")) if words[0] in shadow else None,
            }
        )
    return found


def _people(source: Source) -> tuple[int, int]:
    """The numbers that this system gives to people (login.defs(5))."""
    lowest, highest = 1000, 60000
    for line in source.text("/etc/login.defs").splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "UID_MIN":
            lowest = whole(words[1]) or lowest
        elif len(words) == 2 and words[0] == "UID_MAX":
            highest = whole(words[1]) or highest
    return lowest, highest


def sessions(source: Source) -> list[dict[str, Any]]:
    """Who is signed in: from logind where it runs, else from utmp."""
    return (_logind(source) or _utmp(source))[:_MAX_SESSIONS]


def _logind(source: Source) -> list[dict[str, Any]]:
    found = []
    for name in source.names("/run/systemd/sessions"):
        session = assignments(source.text(f"/run/systemd/sessions/{name}"))
        if session.get("CLASS") != "user" or not session.get("USER") or session.get("STATE") == "closing":
            continue
        started = whole(session.get("REALTIME", ""))
        found.append(
            {
                "user": session["USER"],
                "type": session.get("TYPE", ""),
                "terminal": session.get("TTY", "") or session.get("DISPLAY", ""),
                "from": session.get("REMOTE_HOST", ""),
                "since": utc_text(started / 1e6) if started else "",
            }
        )
    return found


def _utmp(source: Source) -> list[dict[str, Any]]:
    data = source.read("/run/utmp", 1024 * 1024)
    found = []
    for offset in range(0, len(data) - _UTMP.size + 1, _UTMP.size):
        record = _UTMP.unpack_from(data, offset)
        user = _text(record[4])
        if record[0] == _USER_PROCESS and user and source.is_folder(f"/proc/{record[1]}"):
            found.append(
                {
                    "user": user,
                    "type": "tty",
                    "terminal": _text(record[2]),
                    "from": _text(record[5]),
                    "since": utc_text(max(record[9], 0)),
                }
            )
    return found


def last_sign_in(source: Source) -> dict[str, str]:
    """The newest sign-in that lastlog or the end of wtmp knows of."""
    by_number = {whole(words[2]): words[0] for words in _entries(source, "/etc/passwd", 7)}
    newest: tuple[int, str, str] = (0, "", "")
    data = source.read("/var/log/lastlog", LARGE // 8)
    for number in range(len(data) // _LASTLOG.size):
        when, _, host = _LASTLOG.unpack_from(data, number * _LASTLOG.size)
        if when > newest[0]:
            newest = (when, by_number.get(number, str(number)), _text(host))
    log = source.read("/var/log/wtmp", LARGE)
    for offset in range(len(log) - len(log) % _UTMP.size - _UTMP.size, -1, -_UTMP.size):
        record = _UTMP.unpack_from(log, offset)
        if record[0] == _USER_PROCESS:
            newest = max(newest, (record[9], _text(record[4]), _text(record[5])))
            break
    return {"user": newest[1], "at": utc_text(newest[0]), "from": newest[2]} if newest[0] else {}


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


def signed_in_names(section: dict[str, Any]) -> str:
    """``last_user`` in upstream's form: names joined by commas, or that nobody is."""
    names = sorted({str(session["user"]) for session in section.get("signed_in", ())})
    return ", ".join(names) or NOBODY
