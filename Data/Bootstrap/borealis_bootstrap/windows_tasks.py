"""The scheduled tasks that start the agent on Windows: at start as SYSTEM, at log-on as the user.

Owns their names and XML (Task Scheduler 1.2). The text is pure; ``register`` and ``remove`` call ``schtasks``. May be
called by app.
"""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from borealis_base.user_task import forget_failure, note_failure
from borealis_bootstrap.errors import CannotGoOn

SYSTEM_TASK: Final = "Borealis Agent"
USER_TASK: Final = "Borealis Agent (UserHelper)"
# Of earlier versions; two agents of one device would fight for its session.
LEGACY_TASKS: Final = ("Borealis Agent - Supervisor", "Borealis Agent - Watchdog")

Run = Callable[[Sequence[str]], subprocess.CompletedProcess[str]]


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(command), check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def task_xml(*, command: str, arguments: Sequence[str], folder: str, system: bool) -> str:
    """One task. Restarted a minute after it failed, without limit of time, on battery too.

    Args:
        command: the interpreter.
        arguments: its arguments.
        folder: working folder.
        system: at start as SYSTEM with highest rights; else at each log-on, with the user's own, one for each user.
    """
    trigger = "BootTrigger" if system else "LogonTrigger"
    # S-1-5-18 is SYSTEM, S-1-5-32-545 the group Users: names would differ with the language of the machine.
    principal = (
        "<UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel>"
        if system
        else "<GroupId>S-1-5-32-545</GroupId><RunLevel>LeastPrivilege</RunLevel>"
    )
    return f"""<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <Triggers><{trigger}><Enabled>true</Enabled></{trigger}></Triggers>
  <Principals><Principal id="Author">{principal}</Principal></Principals>
  <Settings>
    <MultipleInstancesPolicy>{"IgnoreNew" if system else "Parallel"}</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
    <Priority>7</Priority>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{escape(command)}</Command>
      <Arguments>{escape(command_line(arguments))}</Arguments>
      <WorkingDirectory>{escape(folder)}</WorkingDirectory>
    </Exec>
  </Actions>
</Task>
"""


def command_line(arguments: Sequence[str]) -> str:
    """Arguments as one Windows command line."""
    return subprocess.list2cmdline(list(arguments))


def register(name: str, xml: str, folder: Path, run: Run = _run) -> None:
    """Create or replace a task and, for the SYSTEM one, start it.

    Raises:
        CannotGoOn: the right to create it is missing.
        OSError: the file cannot be written.
    """
    file = folder / "task.xml"
    file.write_text(xml, encoding="utf-16")
    try:
        done = run(["schtasks", "/Create", "/TN", name, "/XML", str(file), "/F"])
        if done.returncode != 0:
            raise CannotGoOn(
                f"The scheduled task '{name}' could not be created ({(done.stderr or done.stdout).strip()}): run"
                " PowerShell as Administrator and try again."
            )
        if name == SYSTEM_TASK:
            run(["schtasks", "/Run", "/TN", name])
    finally:
        file.unlink(missing_ok=True)


def register_for_users(xml: str, folder: Path, say: Callable[[str], None], run: Run = _run) -> None:
    """The same for the task of the users' agents, without which the agent is still of use: told, here and to operators.

    Raises:
        OSError: a file cannot be written.
    """
    try:
        register(USER_TASK, xml, folder, run)
    except CannotGoOn as error:
        note_failure(folder, error.sentence)
        say(f"  {error.sentence} Until then signed-in users have no agent.")
    else:
        forget_failure(folder)


def remove(run: Run = _run) -> list[str]:
    """End and delete our tasks and those of earlier versions; gives the names that were there."""
    found = []
    for name in (SYSTEM_TASK, USER_TASK, *LEGACY_TASKS):
        run(["schtasks", "/End", "/TN", name])
        if run(["schtasks", "/Delete", "/TN", name, "/F"]).returncode == 0:
            found.append(name)
    return found
