"""Ansible as the playbook role installs it, in a folder that later runs find again."""

from pathlib import Path

from tests.programs.programs import REPOSITORY

from borealis_playbooks.environment import ensure_environment, lock_file

KEPT = REPOSITORY / ".borealis" / "ansible-tests"


def ansible_environment() -> Path:
    """The environment, installed by the role's own code if no earlier run did."""
    return ensure_environment(KEPT, lock_file(), say=print)


def lend_ansible(agent_root: Path) -> Path:
    """Put it where an agent's role looks for it; gives the environment."""
    environment = ansible_environment()
    folder = agent_root / "Agent" / "Borealis" / "Settings" / "Roles" / "playbook_exec_system"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "ansible").symlink_to(KEPT)
    return environment
