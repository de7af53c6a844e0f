"""Runs the code of a role file, under a name of its own, and checks what came of it."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

from borealis_agent.roles.guard import BLOCK_SECONDS, FAULTS, time_limit, words
from borealis_agent.roles.health import RoleRejected
from borealis_agent.roles.inspection import RoleFacts, contexts_of, name_of
from borealis_wire.events import RunContext

MODULE_PREFIX: Final = "borealis_role_files."


def load_role(path: Path, *, seconds: float = BLOCK_SECONDS) -> ModuleType:
    """Import a role file as ``borealis_role_files.<stem>``: no two files share a name, none hides a real module.

    Raises:
        RoleRejected: its code failed, took longer than ``seconds``, or tried to end the agent.
    """
    name = MODULE_PREFIX + path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RoleRejected(path.name, "load", "it cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: dataclasses and pickles look their module up
    try:
        with time_limit(seconds):
            spec.loader.exec_module(module)
    except FAULTS as error:
        sys.modules.pop(name, None)
        raise RoleRejected(path.name, "load", words(error)) from error
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def facts_of(path: Path, module: ModuleType) -> RoleFacts:
    """Name and contexts as the loaded module says them.

    Raises:
        RoleRejected: not what a role needs.
    """
    name = name_of(path.name, getattr(module, "ROLE_NAME", None), "load")
    if not callable(getattr(module, "Role", None)):
        raise RoleRejected(path.name, "load", "Role is a class")
    return RoleFacts(path.name, name, contexts_of(path.name, getattr(module, "ROLE_CONTEXTS", None)))


def forget_role(path: Path) -> None:
    """Let the module go, so that a later load runs the file again."""
    sys.modules.pop(MODULE_PREFIX + path.stem, None)


def serves(facts: RoleFacts, context: RunContext) -> bool:
    """Whether a role is for agents of this context."""
    return context in facts.contexts
