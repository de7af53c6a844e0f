"""``up``: from a checkout to the true output of a signed script, in one command.

Owns the order of the steps. May be called by app.
"""

import base64
import binascii
import contextlib
import hashlib
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from borealis_bootstrap.engine_client import Answer, EngineClient, EngineSilent
from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.launch import start_agent, start_engine, wait_engine, wait_for
from borealis_bootstrap.layout import Layout
from borealis_bootstrap.prepare import Prepared, at_work, prepare
from borealis_bootstrap.progress import Progress
from borealis_bootstrap.services import refuse_if_service
from borealis_bootstrap.supervision import PERSON_MUST_ACT, Supervision, is_root

KNOCK_SECONDS: Final = 60.0
ONLINE_SECONDS: Final = 90.0
RUN_SECONDS: Final = 60.0
RDP_PROGRAMS: Final = {"xfreerdp": "freerdp2-x11", "Xvnc": "tigervnc-standalone-server"}
"""What the Engine shows remote desktops with, and Debian's packages of it; everything else works without."""
_ENDED: Final = frozenset({"Success", "Failed", "Timed Out", "Cancelled", "Expired", "Refused", "Interrupted"})
Value = TypeVar("Value")
_SCRIPT: Final = 'printf "%s on %s, %s\\n" "$(id -un)" "$(uname -n)" "$(uname -sr)"'


@dataclass(frozen=True, slots=True)
class Programs:
    """What ``up`` has in hand."""

    layout: Layout
    progress: Progress
    environ: Mapping[str, str]
    engine: Supervision
    agent: Supervision


def up(layout: Layout, progress: Progress, environ: Mapping[str, str]) -> bool:
    """Bring everything up and show that it works; True where something had to be started.

    What this call started is stopped again if it fails, so that the next try begins cleanly.

    Raises:
        CannotGoOn: a sentence for the person.
        OSError: disk full, read-only, no right.
    """
    programs = Programs(layout, progress, environ, Supervision(layout.engine), Supervision(layout.agent))
    refuse_if_service(layout)
    progress.say(f"Borealis in {layout.root}")
    with at_work(layout, "up"):
        before = (programs.engine.state().is_up, programs.agent.state().is_up)
        try:
            return _bring_up(programs)
        except (CannotGoOn, OSError, KeyboardInterrupt) as error:
            if not (isinstance(error, CannotGoOn) and error.keep_running):
                _stop_what_we_started(programs, before)
            raise


def _bring_up(programs: Programs) -> bool:
    layout, progress, environ = programs.layout, programs.progress, programs.environ
    engine_ready, agent_ready = prepare(layout, (layout.engine, layout.agent), progress, environ)
    with progress.step("Engine") as notes:
        client, engine_decision = start_engine(layout, engine_ready, programs.engine, environ)
        health = wait_engine(client, programs.engine)
        notes.append(_how(engine_decision, client.url))
    guid, agent_started = _bring_agent_up(programs, agent_ready, client)
    _show_a_run(programs, client, guid)
    _say_what_next(programs, client, health)
    return engine_decision != "keep" or agent_started


def _how(decision: str, url: str) -> str:
    return {"keep": f"{url}, was running", "restart": f"{url}, new code"}.get(decision, url)


def _bring_agent_up(programs: Programs, ready: Prepared, client: EngineClient) -> tuple[str, bool]:
    """Start the agent, admit it where it is new, wait until it is online; gives GUID and whether it was started."""
    guid = read_guid(programs.layout)
    device = _patient(lambda: client.device(guid)) if guid else None
    _check_standing(device)
    if guid and device is not None:
        decision = _start(programs, ready, client)
        try:
            with programs.progress.step("Agent online") as notes:
                guid = _wait_online(programs, client)
                notes.append(guid + (", was running" if decision == "keep" else ""))
            return guid, decision != "keep"
        except CannotGoOn:
            exits = programs.agent.state().exits
            if not exits or exits[-1].status != PERSON_MUST_ACT:
                raise
            # It has no use for what it has (another CA, for example): a fresh token is what it waits for.
    return _enrol(programs, ready, client), True


def _enrol(programs: Programs, ready: Prepared, client: EngineClient) -> str:
    progress = programs.progress
    with progress.step("Agent asks for admission") as notes:
        _start(programs, ready, client, code=_patient(client.enrolment_token))
        fingerprint, approval = wait_for(
            "the agent's request", lambda: _request_of(programs.layout, client), programs.agent, seconds=KNOCK_SECONDS
        )
        notes.append(f"key {fingerprint[:16]}")
    with progress.step("Approval"):
        # The request was matched by the key in our own agent's folder: nobody else can have asked with it.
        _approve(programs, client, approval)
    with progress.step("Agent online") as notes:
        guid = _wait_online(programs, client)
        notes.append(guid)
    return guid


def _start(programs: Programs, ready: Prepared, client: EngineClient, *, code: str = "") -> str:
    return start_agent(programs.layout, ready, programs.agent, programs.environ, server_url=client.url, code=code)


def _request_of(layout: Layout, client: EngineClient) -> tuple[str, dict[str, Any]] | None:
    fingerprint = read_fingerprint(layout)
    if not fingerprint:
        return None
    approval = _quiet(lambda: client.pending_approval(fingerprint))
    return (fingerprint, approval) if approval else None


def _approve(programs: Programs, client: EngineClient, approval: dict[str, Any]) -> None:
    reference = str(approval["approval_reference"])

    def attempt() -> Answer | None:
        try:
            answer = client.approve(reference)
        except EngineSilent:
            return None
        # The agent binds its request to the TLS channel a moment after it knocked.
        return None if answer.code == "channel_unbound" else answer

    answer = wait_for("the agent to prove its key", attempt, programs.agent, seconds=20.0)
    if answer.status < 400 or answer.code == "approval_not_pending":
        return
    if answer.code == "conflict_resolution_required":
        raise CannotGoOn(
            f"The Engine knows a device of this name with another key, so a person decides: ./Borealis.sh cli approve"
            f" {reference} --merge GUID (the same machine) or --coexist (another one). Engine and agent go on running.",
            keep_running=True,
        )
    raise CannotGoOn(f"The Engine refused the approval: {answer.detail} ({answer.code or answer.status}).")


def _wait_online(programs: Programs, client: EngineClient) -> str:
    def online() -> str | None:
        guid = read_guid(programs.layout)
        device = _quiet(lambda: client.device(guid)) if guid else None
        _check_standing(device)
        return guid if device and "system" in device.get("presence", {}).get("contexts", []) else None

    return wait_for("the agent to be online", online, programs.agent, seconds=ONLINE_SECONDS)


def _check_standing(device: Mapping[str, Any] | None) -> None:
    """What an operator decided about this machine is not undone by starting it again."""
    status = device.get("status") if device is not None else None
    guid = device.get("guid", "GUID") if device is not None else ""
    if status == "revoked":
        raise CannotGoOn(
            "An operator revoked this machine's device. To admit it anew, delete it"
            f" (./Borealis.sh cli delete {guid}) and run up again.",
            keep_running=True,
        )
    if status == "quarantined":
        raise CannotGoOn(
            f"An operator quarantined this machine's device: it gets no work until ./Borealis.sh cli release {guid}.",
            keep_running=True,
        )


def _show_a_run(programs: Programs, client: EngineClient, guid: str) -> None:
    """Run one signed script and print its true result."""
    script, kind = ("whoami", "batch") if sys.platform == "win32" else (_SCRIPT, "bash")
    with programs.progress.step("Signed script") as notes:
        run_id = _patient(lambda: client.run_script(guid, script, kind))

        def ended() -> dict[str, Any] | None:
            run = _quiet(lambda: client.run(run_id))
            return run if run and run.get("status") in _ENDED else None

        run = wait_for("the script's result", ended, programs.agent, seconds=RUN_SECONDS)
        notes.append(f"{run['status']}, exit code {run.get('exit_code')}")
        if run["status"] != "Success":
            why = " ".join(str(run.get(name) or "") for name in ("reason", "advice", "stderr")).strip()
            raise CannotGoOn(f"The signed script ended as {run['status']}. {why}".strip())
    for line in str(run.get("stdout", "")).splitlines():
        programs.progress.say(f"      {line}")


def _say_what_next(programs: Programs, client: EngineClient, health: Mapping[str, Any]) -> None:
    progress = programs.progress
    address = programs.environ.get("BOREALIS_PUBLIC_URL") or client.url
    link = client.setup_link()
    progress.say()
    progress.say(f"  Ready after {progress.seconds:.1f} s: {address}")
    if link:
        progress.say(f"  First operator, once: {link}", log=False)
    if not is_root():
        progress.say("  The agent runs without root: its scripts have your rights, and no more.")
    if health.get("status") not in {None, "ok", "healthy"}:
        progress.say(f"  The Engine says of itself: {health['status']}")
    if lacking := [package for program, package in RDP_PROGRAMS.items() if shutil.which(program) is None]:
        progress.say(
            f"  Remote desktops by RDP need more here: apt-get install --no-install-recommends {' '.join(lacking)}"
        )
    script = "id -un; hostname"
    progress.say(f"  Next: ./Borealis.sh cli run --all --type bash {shlex.quote(script)} --wait")


def _stop_what_we_started(programs: Programs, before: tuple[bool, bool]) -> None:
    for supervision, was_up in ((programs.agent, before[1]), (programs.engine, before[0])):
        if not was_up:
            with contextlib.suppress(OSError, CannotGoOn):
                supervision.stop()


def _quiet(ask: Callable[[], Value]) -> Value | None:
    """What ``ask`` gives; None while the Engine is silent."""
    try:
        return ask()
    except EngineSilent:
        return None


def _patient(ask: Callable[[], Value]) -> Value:
    """What ``ask`` gives.

    Raises:
        CannotGoOn: the Engine is silent although it was healthy a moment ago.
    """
    try:
        return ask()
    except EngineSilent as error:
        raise CannotGoOn(f"The Engine stopped answering ({error}).") from error


def read_guid(layout: Layout) -> str:
    """The local agent's GUID; empty while it has none."""
    try:
        return layout.agent_guid.read_text(encoding="utf-8-sig").strip().strip("{}")
    except (FileNotFoundError, NotADirectoryError):
        return ""


def read_fingerprint(layout: Layout) -> str:
    """SHA-256 of the local agent's public key (SPKI), lower-case hex; empty while it has none."""
    try:
        spki = base64.b64decode(layout.agent_public_key.read_text(encoding="ascii"), validate=False)
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError, binascii.Error):
        return ""
    return hashlib.sha256(spki).hexdigest() if spki else ""
