"""``engine`` and ``agent``: one side alone, as a real fleet is installed.

Owns nothing. May be called by app.
"""

import time
from collections.abc import Mapping
from typing import Final

from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.invitation import Invitation, check_invitation, with_environment
from borealis_bootstrap.launch import check_alive, start_agent, start_engine, wait_engine
from borealis_bootstrap.layout import Layout
from borealis_bootstrap.prepare import Prepared, at_work, prepare
from borealis_bootstrap.progress import Progress
from borealis_bootstrap.services import refuse_if_service
from borealis_bootstrap.supervision import Supervision, is_root
from borealis_bootstrap.up import read_fingerprint, read_guid

_SETTLE_SECONDS: Final = 20.0


def engine(layout: Layout, progress: Progress, environ: Mapping[str, str], *, dev: bool = False) -> bool:
    """Bring the Engine up alone; True where it had to be started.

    Raises:
        CannotGoOn: a sentence for the person.
        OSError: disk full, read-only, no right.
    """
    refuse_if_service(layout, "engine")
    progress.say(f"Borealis Engine in {layout.engine_folder}")
    if dev:
        environ = {**environ, "BOREALIS_VERBOSE": "1"}
    supervision = Supervision(layout.engine)
    with at_work(layout, "engine"):
        was_up = supervision.state().is_up
        try:
            (ready,) = prepare(layout, (layout.engine,), progress, environ)
            with progress.step("Engine") as notes:
                client, decision = start_engine(layout, ready, supervision, environ)
                wait_engine(client, supervision)
                notes.append(client.url)
        except (CannotGoOn, OSError, KeyboardInterrupt):
            if not was_up:
                supervision.stop()
            raise
    progress.say()
    progress.say(f"  Ready: {environ.get('BOREALIS_PUBLIC_URL') or client.url}")
    if link := client.setup_link():
        progress.say(f"  First operator, once: {link}", log=False)
    progress.say("  Invite a machine: ./Borealis.sh cli codes create   (gives the token for the next line)")
    progress.say("  On that machine:  ./Borealis.sh agent --enrollment-code TOKEN")
    return decision != "keep"


def agent(layout: Layout, progress: Progress, environ: Mapping[str, str], invitation: Invitation) -> bool:
    """Bring the agent up alone; True where it had to be started. It may then wait for its approval.

    Raises:
        CannotGoOn: a sentence for the person.
        OSError: disk full, read-only, no right.
    """
    refuse_if_service(layout, "agent")
    invitation = check_invitation(with_environment(invitation, environ))
    if not invitation.code and not read_guid(layout):
        raise CannotGoOn(
            "This machine is not enrolled: ./Borealis.sh agent --enrollment-code TOKEN, with a token from"
            " ./Borealis.sh cli codes create on the Engine's machine.",
            status=2,
        )
    progress.say(f"Borealis agent in {layout.agent.folder}")
    supervision = Supervision(layout.agent)
    with at_work(layout, "agent"):
        was_up = supervision.state().is_up
        try:
            (ready,) = prepare(layout, (layout.agent,), progress, environ)
            started = _start(layout, ready, environ, invitation, progress)
        except (CannotGoOn, OSError, KeyboardInterrupt):
            if not was_up:
                supervision.stop()
            raise
    if not is_root():
        progress.say("  The agent runs without root: its scripts have your rights, and no more.")
    return started


def _start(
    layout: Layout, ready: Prepared, environ: Mapping[str, str], invitation: Invitation, progress: Progress
) -> bool:
    supervision = Supervision(layout.agent)
    with progress.step("Agent") as notes:
        decision = start_agent(
            layout,
            ready,
            supervision,
            environ,
            server_url=invitation.server_url,
            flags=("--trust-on-first-use",) if invitation.trust_on_first_use else (),
            code=invitation.code,
        )
        fingerprint = _settle(layout, supervision)
        notes.append("was running" if decision == "keep" else f"key {fingerprint}")
    if read_guid(layout):
        progress.say(f"  Enrolled as {read_guid(layout)}.")
    else:
        progress.say("  Waits for its approval. On the Engine's machine, compare the key and approve:")
        progress.say("      ./Borealis.sh cli approvals")
        progress.say("      ./Borealis.sh cli approve REFERENCE")
    return decision != "keep"


def _settle(layout: Layout, supervision: Supervision) -> str:
    """Wait until the agent has its key, and see that it has not ended at once."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        fingerprint = read_fingerprint(layout)
        check_alive(supervision)
        if fingerprint or time.monotonic() >= deadline:
            return fingerprint
        time.sleep(0.05)
