"""Which programs a stage runs, with which arguments, and what their ends mean. Pure, but for looking for the programs.

Source: xfreerdp(1) of FreeRDP 2, Xvnc(1) of TigerVNC, and the exit codes of FreeRDP's X11 client.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from borealis_engine.core.errors import Invalid

CLIENT: Final = "xfreerdp"
SERVER: Final = "Xvnc"
PACKAGES: Final = {CLIENT: "freerdp2-x11", SERVER: "tigervnc-standalone-server"}
"""Debian's, by program."""
MIN_SIZE: Final = (320, 240)
MAX_SIZE: Final = (3840, 2160)

_NO_RIGHT: Final = "The device says that this account may not sign in by remote desktop."
_WRONG: Final = "The device says that the user name or the password is wrong."
_NO_ANSWER: Final = "The device's remote desktop did not answer as RDP does. Is it the right port, and is it running?"
_SECURITY: Final = "The device and this Engine found no way of signing in that both know (NLA, or TLS)."
_SENTENCES: Final = {
    **dict.fromkeys((9, 144), _NO_RIGHT),
    **dict.fromkeys((132, 134, 154), _WRONG),
    **dict.fromkeys((131, 137, 141, 142, 147), _NO_ANSWER),
    **dict.fromkeys((133, 146), _SECURITY),
    1: "The device closed the connection.",
    2: "The session on the device was signed off.",
    3: "The device ended the session because nobody used it.",
    4: "The device ended the session because nobody signed in in time.",
    5: "Somebody else connected to this session, and the device gave it to them.",
    7: "The device refused the connection.",
    10: "The device wants credentials that were typed anew. Sign in again.",
    11: "The session was disconnected on the device.",
    12: "The session on the device was signed off.",
    135: "The device says that this account is locked after too many attempts. Wait, or have it unlocked.",
    143: "The device's TLS could not be agreed on, or it showed another certificate than a moment before.",
    148: "The device says that the password has expired. Change it there first.",
    149: "The device says that the password has to be changed before the first sign-in.",
    150: "The device could not reach its domain controller.",
    151: "The device says that this account is disabled.",
    152: "The device says that the password has expired. Change it there first.",
    155: "The device says that this account may not sign in.",
    156: "The device says that a rule (hours, computers, empty passwords) forbids this account to sign in now.",
    157: "The device says that this account has expired.",
    158: _NO_RIGHT,
    159: "The device wants a user name and a password.",
}
_BROKE_OFF: Final = frozenset({131, 141, 147})
_LIKELY_WRONG: Final = (
    "The device hung up while it was asked to let this account in: most likely the user name or the password is wrong."
)
_WRONG_ERRORS: Final = frozenset(
    {"ERRCONNECT_LOGON_FAILURE", "ERRCONNECT_AUTHENTICATION_FAILED", "ERRCONNECT_WRONG_PASSWORD"}
)
SIGN_IN_CODES: Final = frozenset({9, 10, 132, 134, 135, 144, 148, 149, 151, 152, 154, 155, 156, 157, 158, 159})
"""Exit codes by which the target says no to the account; the others are about the connection."""


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the two programs are; empty where one is not installed."""

    client: str
    server: str

    @property
    def missing(self) -> str:
        """A sentence for people about what is not installed, empty where all is."""
        lacking = [name for name, path in ((CLIENT, self.client), (SERVER, self.server)) if not path]
        if not lacking:
            return ""
        packages = " ".join(PACKAGES[name] for name in lacking)
        return (
            f"The Engine's machine has no {' and no '.join(lacking)}, by which remote desktops get into the browser."
            f" There: apt-get install --no-install-recommends {packages}"
        )


def find_programs(which: Callable[[str], str | None] = shutil.which) -> Programs:
    """Look for them in the search path."""
    return Programs(which(CLIENT) or "", which(SERVER) or "")


@dataclass(frozen=True, slots=True)
class Account:
    """Who signs in at a device. The password is in no text of this."""

    username: str
    domain: str
    password: str

    def __repr__(self) -> str:
        return f"Account({self.username!r}, {self.domain!r})"


def check_account(account: Account) -> None:
    """Whether it can be handed on as it is: each is one argument or one line of a pipe.

    Raises:
        Invalid: ``invalid_request``.
    """
    texts = {"username": account.username, "domain": account.domain, "password": account.password}
    for name, text in texts.items():
        if any(ord(char) < 32 or ord(char) == 127 for char in text):
            raise Invalid("invalid_request", f"The {name} has a line end or another control character in it.")
    if not account.username:
        raise Invalid("invalid_request", "Say as whom to sign in: username.")


def server_command(programs: Programs, width: int, height: int, title: str) -> list[str]:
    """Arguments of the X server. It speaks RFB on standard input, and listens for nobody else."""
    return [
        programs.server,
        "-inetd",
        "-nolisten",
        "tcp",
        "-geometry",
        f"{width}x{height}",
        "-depth",
        "24",
        "-SecurityTypes",
        "None",
        "-AcceptSetDesktopSize=0",
        "-SendPrimary=0",
        "-SetPrimary=0",
        "-desktop",
        title,
    ]


def client_command(
    programs: Programs, account: Account, *, device: int, certificate: str, width: int, height: int
) -> list[str]:
    """Arguments of the RDP client, which say nothing secret.

    Args:
        programs: where it is.
        account: checked; its password is for standard input.
        device: number of the open socket that it speaks on. It connects to nothing by itself.
        certificate: SHA-256 of the one that the device has to show, in hex.
        width: of the screen, likewise ``height``.
    """
    return [
        programs.client,
        f"/v:|:{device}",
        f"/u:{account.username}",
        f"/d:{account.domain}",
        "/from-stdin:force",
        f"/cert:fingerprint:sha256:{bytes.fromhex(certificate).hex(':')}",
        f"/size:{width}x{height}",
        "/bpp:32",
        "/network:lan",
        "/window-position:0x0",
        "-decorations",
        "-grab-keyboard",
        "-toggle-fullscreen",
        "+clipboard",
        "/audio-mode:2",
        "/log-level:INFO",
    ]


def sentence_for(status: int, error: str = "", *, signing_in: bool = False) -> str:
    """What an end of the RDP client means, for people.

    Args:
        status: exit status; negative for a signal.
        error: name of FreeRDP's last error.
        signing_in: the device was asked for the account (NLA) before there was any picture.
    """
    if error in _WRONG_ERRORS:
        return _WRONG
    if signing_in and status in _BROKE_OFF:
        return _LIKELY_WRONG
    found = _SENTENCES.get(status)
    if found is None:
        named = f", {error}" if error else ""
        return f"The RDP client ended ({status}{named})."
    return found


def is_sign_in_error(status: int, error: str = "", *, signing_in: bool = False) -> bool:
    """Whether the target said no to the account, rather than to the connection."""
    return error in _WRONG_ERRORS or status in SIGN_IN_CODES or (signing_in and status in _BROKE_OFF)
