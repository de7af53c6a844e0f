"""The scheduled tasks of Windows, as far as they can be told without Windows."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from borealis_base.user_task import failure_in
from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.windows_tasks import (
    SYSTEM_TASK,
    USER_TASK,
    register,
    register_for_users,
    remove,
    task_xml,
)

SPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"


def xml(*, system: bool) -> str:
    return task_xml(
        command=r"C:\Program Files\B & B\python.exe",
        arguments=["-OO", r"C:\Program Files\B & B\agent.py", "--system-service"],
        folder=r"C:\B & B",
        system=system,
    )


def text(root: ElementTree.Element, path: str) -> str | None:
    found = root.find("/".join(f"{SPACE}{part}" for part in path.split("/")))
    return None if found is None else found.text


def test_the_system_task_starts_with_the_machine_with_highest_rights() -> None:
    root = ElementTree.fromstring(xml(system=True).partition("\n")[2])
    assert root.find(f"{SPACE}Triggers/{SPACE}BootTrigger") is not None
    assert text(root, "Principals/Principal/UserId") == "S-1-5-18"
    assert text(root, "Settings/ExecutionTimeLimit") == "PT0S"
    assert text(root, "Actions/Exec/Command") == r"C:\Program Files\B & B\python.exe"
    assert text(root, "Actions/Exec/Arguments") == '-OO "C:\\Program Files\\B & B\\agent.py" --system-service'


def test_the_user_task_starts_at_log_on_with_the_users_own_rights() -> None:
    root = ElementTree.fromstring(xml(system=False).partition("\n")[2])
    assert root.find(f"{SPACE}Triggers/{SPACE}LogonTrigger") is not None
    assert text(root, "Principals/Principal/RunLevel") == "LeastPrivilege"
    assert text(root, "Principals/Principal/UserId") is None


def test_a_task_is_registered_from_a_file_that_is_gone_afterwards(tmp_path: Path) -> None:
    told: list[list[str]] = []

    def run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        told.append(list(command))
        if "/XML" in command:
            assert Path(command[command.index("/XML") + 1]).read_text(encoding="utf-16") == xml(system=True)
        return subprocess.CompletedProcess(list(command), 0, "", "")

    register(SYSTEM_TASK, xml(system=True), tmp_path, run)
    assert [line[1] for line in told] == ["/Create", "/Run"]
    assert list(tmp_path.iterdir()) == []


def test_a_missing_right_is_one_sentence(tmp_path: Path) -> None:
    def run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess(list(command), 1, "", "ERROR: Access is denied.\r\n")

    with pytest.raises(CannotGoOn, match=r"Access is denied.*Administrator"):
        register(USER_TASK, xml(system=False), tmp_path, run)
    assert remove(run) == []


def test_a_missing_right_for_the_users_task_leaves_the_rest_and_is_told_until_it_is_there(tmp_path: Path) -> None:
    said: list[str] = []
    status = 1

    def run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess(list(command), status, "", "ERROR: Access is denied.\r\n")

    register_for_users(xml(system=False), tmp_path, said.append, run)
    assert "Access is denied" in failure_in(tmp_path)
    assert "no agent" in said[0]
    status = 0
    register_for_users(xml(system=False), tmp_path, said.append, run)
    assert (failure_in(tmp_path), len(said)) == ("", 1)


def test_uninstalling_ends_and_deletes_both_tasks_and_those_of_earlier_versions() -> None:
    told: list[list[str]] = []

    def run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        told.append(list(command[1:4]))
        there = command[3] in {SYSTEM_TASK, USER_TASK}
        return subprocess.CompletedProcess(list(command), 0 if there else 1, "", "")

    assert remove(run) == [SYSTEM_TASK, USER_TASK]
    for name in (SYSTEM_TASK, USER_TASK, "Borealis Agent - Supervisor", "Borealis Agent - Watchdog"):
        assert told.index(["/End", "/TN", name]) < told.index(["/Delete", "/TN", name])
