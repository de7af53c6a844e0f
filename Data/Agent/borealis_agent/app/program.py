"""The program around an agent: folders, log, the lock against a second one, and how it ends."""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from borealis_agent.app.agent import Agent
from borealis_agent.app.rooms import spool_of
from borealis_agent.app.watchdog import Overgrown
from borealis_agent.core import log as agent_log
from borealis_agent.core.errors import Fatal
from borealis_agent.core.settings import AgentSettings
from borealis_agent.link import person_of
from borealis_agent.platform import machine
from borealis_agent.updating import Restart
from borealis_base.files import exclusive_lock, private_folder
from borealis_base.tasks import Supervisor
from borealis_base.trial import AGAIN
from borealis_wire.events import RunContext

PERSON_MUST_ACT: Final = 3
LOCK_SECONDS: Final = 15.0

log = logging.getLogger(__name__)


def run(settings: AgentSettings, *, roles_folder: Path, environ: Mapping[str, str], build_id: str = "") -> int:
    """Run an agent until it ends; gives the exit status. Never raises."""
    if settings.autostart and not autostart_is_needed(environ):
        return 0
    try:
        refuse_root_as_user(settings.run_context)
        with _prepared(settings):
            asyncio.run(_main(settings, roles_folder, environ, build_id))
            log.info("the agent has ended")
    except AnotherRuns as error:
        return 0 if settings.autostart else say_fatal(error)
    except Fatal as error:
        return say_fatal(error)
    except Restart as error:
        log.info("%s", error)
        return AGAIN
    except Overgrown as error:
        log.error("%s", error.diagnostics())
        _say(error.diagnostics())
        return 1
    except KeyboardInterrupt:
        return 0
    except Exception as error:
        log.exception("the agent ended by a fault of its own")
        _say(f"The agent ended by a fault of its own ({type(error).__name__}); see Logs/agent.error.log.")
        return 1
    return 0


def say_fatal(error: Fatal) -> int:
    """One sentence for a person, in the log and on standard error; gives the exit status."""
    log.critical("%s", error.diagnostics())
    _say(error.diagnostics())
    return PERSON_MUST_ACT


def autostart_is_needed(environ: Mapping[str, str]) -> bool:
    """Whether a desktop that starts us at sign-in is the one to do so: for a person, in a session without systemd."""
    if sys.platform == "win32" or person_of(os.geteuid()) is None:
        return False
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    return not (runtime and Path(runtime, "systemd", "private").exists())  # else the user unit does it


class AnotherRuns(Fatal):
    """This agent's folder is in use by another one."""


def refuse_root_as_user(context: RunContext) -> None:
    """The CURRENTUSER agent is a user's: what it runs must never run as root (contract 4).

    Raises:
        Fatal: root started it.
    """
    if context is RunContext.INTERACTIVE and sys.platform != "win32" and machine.is_privileged():
        raise Fatal(
            "The CURRENTUSER agent never runs as root: its scripts have the rights of the signed-in user",
            advice="Start it in that user's session, or give --system-service to run the SYSTEM agent.",
        )


@contextlib.contextmanager
def _prepared(settings: AgentSettings) -> Iterator[None]:
    """Folders, log, and the lock that keeps a second agent away from our journal."""
    paths = settings.paths
    lock = exclusive_lock(spool_of(settings) / "lock", timeout=0 if settings.autostart else LOCK_SECONDS)
    try:
        for folder in (paths.logs, paths.settings, paths.spool, spool_of(settings)):
            private_folder(folder)
        agent_log.configure(paths.logs, context_label=settings.context_label, verbose=settings.verbose)
        lock.__enter__()
    except TimeoutError as error:
        raise AnotherRuns(
            f"Another {settings.context_label} agent runs in {paths.root} already",
            advice="Stop that one first, or give this one another BOREALIS_ROOT.",
        ) from error
    except OSError as error:
        raise Fatal(
            f"The agent cannot write in {paths.root} ({error})",
            advice="Free some disk space, or give its account the right to write there.",
        ) from error
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


async def _main(settings: AgentSettings, roles_folder: Path, environ: Mapping[str, str], build_id: str) -> None:
    try:
        async with Supervisor() as tasks:
            agent = Agent(
                settings, roles_folder=roles_folder, environ=environ, build_id=build_id, tasks=tasks, watched=True
            )
            await agent.run()
    except BaseExceptionGroup as group:
        # A supervisor gathers what went wrong below it; here it is one thing, or the first of several.
        raise _first_of(group) from group


def _first_of(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()
