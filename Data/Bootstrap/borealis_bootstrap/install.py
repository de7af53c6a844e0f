"""``install`` and ``uninstall``: prepared runtimes become services, and are taken away again.

Owns the order of the steps. May be called by app.
"""

import getpass
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from borealis_bootstrap import watch
from borealis_bootstrap.arguments import Command
from borealis_bootstrap.begin import starting, windows_entry
from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.invitation import Invitation, check_invitation, hand_over, with_environment
from borealis_bootstrap.launch import engine_address
from borealis_bootstrap.layout import Layout
from borealis_bootstrap.prepare import Prepared, at_work, prepare
from borealis_bootstrap.progress import Progress
from borealis_bootstrap.services import (
    Systemd,
    check_systemd,
    install_autostart,
    install_units,
    owner_of,
    personal_systemd,
    remove_runtimes,
    remove_units,
    settings_to_keep,
)
from borealis_bootstrap.supervision import Supervision, is_root
from borealis_bootstrap.units import agent_autostart, agent_unit, agent_user_unit, engine_unit
from borealis_bootstrap.up import read_guid


def install(
    layout: Layout, progress: Progress, environ: Mapping[str, str], command: Command, systemd: Systemd | None = None
) -> int:
    """Make one program a service.

    Raises:
        CannotGoOn: no systemd, not root, or a sentence of the preparation. An ordinary user may install the agent for
            the user's own sessions.
        OSError: disk full, read-only, no right.
    """
    if sys.platform == "win32":
        if command.what == "engine":
            raise CannotGoOn("On Windows the Engine runs in the foreground: Borealis.ps1 -EngineProduction.", status=2)
        return install_agent_on_windows(layout, progress, environ, command)
    if command.what == "agent" and not is_root():
        personal = systemd or personal_systemd(environ, Path.home())
        return _install_for_oneself(layout, progress, environ, command, personal)
    systemd = systemd or Systemd()
    check_systemd(systemd, root=is_root())
    runtime = layout.engine if command.what == "engine" else layout.agent
    supervision = Supervision(runtime)
    invitation = _invitation(layout, environ, command) if command.what == "agent" else Invitation()
    progress.say(f"Borealis in {layout.root}")
    with at_work(layout, f"install {command.what}"):
        (ready,) = prepare(layout, (runtime,), progress, environ)
        if supervision.state().is_up:
            supervision.stop()
        ready.use()
        if command.what == "engine":
            address = engine_address(layout, supervision.started())
            owner = owner_of(layout.engine_folder)
            units = [engine_unit(layout, owner=owner, port=address.port, extra=settings_to_keep(environ))]
        else:
            if invitation.code:
                hand_over(layout, environ, invitation.code)
            units = [
                agent_unit(layout, server_url=invitation.server_url, trust_on_first_use=invitation.trust_on_first_use),
                agent_user_unit(layout, server_url=invitation.server_url),
            ]
        install_units(units, systemd, progress)
        if command.what == "agent":
            install_autostart(agent_autostart(layout, server_url=invitation.server_url), systemd, progress)
    progress.say(f"  It starts with the machine: systemctl status {units[0].name}")
    return 0


def _install_for_oneself(
    layout: Layout, progress: Progress, environ: Mapping[str, str], command: Command, systemd: Systemd
) -> int:
    """An ordinary user has no SYSTEM agent to install: the user's own one starts with the user's own sessions."""
    invitation = _invitation(layout, environ, command)
    progress.say(f"Borealis in {layout.root}, for {getpass.getuser()} alone: the SYSTEM agent is root's to install")
    with at_work(layout, "install agent"):
        (ready,) = prepare(layout, (layout.agent,), progress, environ)
        ready.use()
        if invitation.code:
            hand_over(layout, environ, invitation.code, scope="CURRENTUSER")
        install_autostart(agent_autostart(layout, server_url=invitation.server_url), systemd, progress)
        if systemd.is_there:
            install_units([agent_user_unit(layout, server_url=invitation.server_url)], systemd, progress)
    progress.say(
        "  It starts at your next sign-in." if not systemd.is_there else "  It runs, and starts at each sign-in."
    )
    return 0


def uninstall(layout: Layout, progress: Progress, *, purge: bool, systemd: Systemd | None = None) -> int:
    """Take services and runtimes away; the data only with ``purge``.

    Raises:
        CannotGoOn: not root although there are services, or something runs as another user.
        OSError: no right.
    """
    if sys.platform == "win32":
        from borealis_bootstrap import windows_tasks

        windows_tasks.remove()
    else:
        watch.stop_all([Supervision(layout.agent), Supervision(layout.engine)], progress)
        remove_units(layout, systemd or Systemd(), progress)
        if systemd is None and not is_root():
            remove_units(layout, personal_systemd(os.environ, Path.home()), progress)
    remove_runtimes(layout, progress, purge=purge)
    if not purge:
        progress.say(f"  The data stays in {layout.root}; --purge removes it too.")
    return 0


def _invitation(layout: Layout, environ: Mapping[str, str], command: Command) -> Invitation:
    given = Invitation(command.enrolment_code, command.server_url, command.trust_on_first_use)
    invitation = check_invitation(with_environment(given, environ))
    if not invitation.code and not read_guid(layout):
        raise CannotGoOn("This machine is not enrolled: add --enrollment-code TOKEN.", status=2)
    return invitation


def install_agent_on_windows(layout: Layout, progress: Progress, environ: Mapping[str, str], command: Command) -> int:
    """The agent as scheduled tasks: as SYSTEM at start, as the user at log-on.

    Raises:
        CannotGoOn: a wrong invitation, or the right to create the SYSTEM agent's task is missing. Where it is that of
            the users' agents, the rest stands, and operators are told by the SYSTEM agent.
        OSError: disk full, read-only, no right.
    """
    from borealis_bootstrap import windows_tasks

    invitation = _invitation(layout, environ, command)
    with at_work(layout, "install agent"):
        (ready,) = prepare(layout, (layout.agent,), progress, environ)
        ready.use()
        windows_entry(layout.agent)
        if invitation.code:
            hand_over(layout, environ, invitation.code)
        with progress.step("Scheduled tasks"):
            windows_tasks.register(windows_tasks.SYSTEM_TASK, _task(layout, ready, system=True), layout.agent.run)
            windows_tasks.register_for_users(_task(layout, ready, system=False), layout.agent.run, progress.say)
    return 0


def _task(layout: Layout, ready: Prepared, *, system: bool) -> str:
    from borealis_bootstrap import windows_tasks

    # The SYSTEM agent may replace itself, so it is started by the pointers. That of a user has no right to, and takes
    # what was there when the task was made until -Agent is run again.
    started = starting(layout.agent, ["--system-service"]) if system else [*ready.command, "--config", "user"]
    command, *arguments = started
    return windows_tasks.task_xml(command=command, arguments=arguments, folder=str(layout.agent.folder), system=system)
