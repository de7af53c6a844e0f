"""The ssh keys of one play, in an ``ssh-agent`` of its own: used by whoever plays, read by nobody.

A key in a file can be read by the playbook, and a masked output does not help against one that encodes it. The agent
signs and never tells, keeps its memory to itself, and where ssh knows how (OpenSSH 8.9), it signs for the one machine
whose host key was confirmed and for no other. Linux.
"""

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from borealis_playbooks.target import host_name

START_SECONDS: Final = 10.0
_ASKPASS: Final = '#!/bin/sh\nprintf "%s\\n" "$BOREALIS_PASSPHRASE"\n'


class CannotUseKey(Exception):
    """The key cannot be used. The text says why and what to do."""


def open_keyring(target: Mapping[str, Any], room: Path) -> Path:
    """Start the agent with the target's key; gives its socket. Nothing of the playbook runs yet.

    Raises:
        CannotUseKey: ssh is not installed, the key or its passphrase is wrong.
        OSError: the room cannot be written.
    """
    socket = room / "agent"
    environ = {"PATH": os.environ["PATH"], "HOME": str(room), "LC_ALL": "C.UTF-8"}
    try:
        subprocess.Popen(
            ["ssh-agent", "-D", "-a", str(socket)],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except FileNotFoundError as error:
        raise CannotUseKey(
            "The Engine's machine has no ssh: apt-get install openssh-client, then run the playbook again."
        ) from error
    deadline = time.monotonic() + START_SECONDS
    while not socket.exists():
        if time.monotonic() > deadline:
            raise CannotUseKey("ssh-agent did not start on the Engine's machine.")
        time.sleep(0.01)
    environ["SSH_AUTH_SOCK"] = str(socket)
    if target.get("passphrase"):
        askpass = room / "askpass"
        askpass.write_text(_ASKPASS)
        askpass.chmod(0o700)
        environ |= {"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":"}
        environ["BOREALIS_PASSPHRASE"] = target["passphrase"]
    only = ["-H", str(room / "known_hosts"), "-h", f"{target['user']}@{host_name(target)}"]
    said = _add(target["key"], only, environ)
    if said is not None and ("illegal option" in said or "unknown option" in said or "usage:" in said):
        said = _add(target["key"], [], environ)
    if said is not None:
        raise CannotUseKey(
            "The ssh key of the credential cannot be used: it is damaged, or its passphrase is another one. Replace the"
            " credential's secret."
        )
    (room / "askpass").unlink(missing_ok=True)
    return socket


def _add(key: str, options: list[str], environ: Mapping[str, str]) -> str | None:
    text = key if key.endswith("\n") else f"{key}\n"
    done = subprocess.run(
        ["ssh-add", "-q", *options, "-"], input=text, env=environ, capture_output=True, text=True, check=False
    )
    return None if done.returncode == 0 else done.stderr
