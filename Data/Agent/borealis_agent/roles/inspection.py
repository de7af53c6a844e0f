"""A look at a role file before anything of it runs: its syntax tree, and whose file it is."""

import ast
import logging
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from borealis_agent.roles.health import RoleRejected, Stage
from borealis_wire.events import RunContext

MAX_FILE_BYTES: Final = 2 * 1024 * 1024
MAX_NAME: Final = 64
ALL_CONTEXTS: Final = frozenset(RunContext)
_CLOSED_ROOMS: Final = frozenset(
    f"borealis_agent.{room}"
    for room in (
        "identity",
        "trust",
        "execution",
        "outbox",
        "http",
        "enrolment",
        "link",
        "roles",
        "intake",
        "platform",
        "core",
        "app",
    )
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """What the text says. ``name`` is empty and ``contexts`` are all where only running the file would tell."""

    file: str
    name: str
    contexts: frozenset[RunContext]


def role_files(folder: Path) -> list[Path]:
    """The role files of a folder in name order: ``role_*.py``, whatever the case."""
    try:
        found = [path for path in folder.iterdir() if _is_role(path.name)]
    except OSError as error:
        log.error("the roles in %s cannot be listed: %s", folder, error)
        return []
    return sorted(found, key=lambda path: path.name)


def inspect_role(path: Path, *, trusted_owners: frozenset[int]) -> RoleFacts:
    """Read a role file as text.

    Args:
        path: the file.
        trusted_owners: user ids whose files may steer this agent; ignored on Windows.

    Raises:
        RoleRejected: not readable, foreign, not Python, or without what a role needs.
    """
    try:
        _check_owner(path, trusted_owners)
        text = path.read_bytes()
    except OSError as error:
        raise RoleRejected(path.name, "inspect", f"it cannot be read ({error})") from error
    if len(text) > MAX_FILE_BYTES:
        raise RoleRejected(path.name, "inspect", "it is larger than 2 MB")
    try:
        tree = ast.parse(text, filename=str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise RoleRejected(path.name, "inspect", f"it is not Python that this agent reads ({error})") from error
    for module in _imports(tree):
        if any(module == room or module.startswith(f"{room}.") for room in _CLOSED_ROOMS):
            log.warning("role %s imports %s, which may change any day; use borealis_agent.role_api", path.name, module)
    return _facts(path, tree)


def name_of(file: str, value: object, stage: Stage = "inspect") -> str:
    """Parse ``ROLE_NAME``: it names a folder, a log file, and a row that operators read.

    Raises:
        RoleRejected: not a text, or none that can name those.
    """
    if not isinstance(value, str) or not value.strip():
        raise RoleRejected(file, stage, "ROLE_NAME is a text")
    name = value.strip()
    if len(name) > MAX_NAME or not name.isprintable() or not any(char.isalnum() for char in name):
        raise RoleRejected(file, stage, f"ROLE_NAME has at most {MAX_NAME} printable characters, one a letter or digit")
    return name


def contexts_of(path: str, value: object) -> frozenset[RunContext]:
    """Parse ``ROLE_CONTEXTS``; empty or missing means both.

    Raises:
        RoleRejected: an unknown context, or not a list of them.
    """
    if value is None:
        return ALL_CONTEXTS
    if not isinstance(value, list | tuple | set | frozenset):
        raise RoleRejected(path, "inspect", "ROLE_CONTEXTS is a list of 'system' and 'interactive'")
    try:
        return frozenset(RunContext(str(item).strip().lower()) for item in value) or ALL_CONTEXTS
    except ValueError as error:
        raise RoleRejected(path, "inspect", f"ROLE_CONTEXTS knows 'system' and 'interactive': {error}") from error


def _facts(path: Path, tree: ast.Module) -> RoleFacts:
    constants: dict[str, object] = {}
    bound: set[str] = set()
    for node in _top_level(tree.body):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    if isinstance(target, ast.Name):
                        bound.add(target.id)
                        _keep_constant(constants, target.id, value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                bound.add(name)
                _keep_constant(constants, name, value)
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                bound.add(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                bound.update((alias.asname or alias.name).split(".", 1)[0] for alias in names)
    for name in ("ROLE_NAME", "Role"):
        if name not in bound and "*" not in bound:
            raise RoleRejected(path.name, "inspect", f"it defines no {name}")
    role_name = name_of(path.name, constants["ROLE_NAME"]) if "ROLE_NAME" in constants else ""
    return RoleFacts(path.name, role_name, contexts_of(path.name, constants.get("ROLE_CONTEXTS")))


def _keep_constant(constants: dict[str, object], name: str, value: ast.expr) -> None:
    if name in {"ROLE_NAME", "ROLE_CONTEXTS"}:
        try:
            constants[name] = ast.literal_eval(value)
        except ValueError:
            constants.pop(name, None)  # only running it tells; checked once it is loaded


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of the module, also those inside ``if`` and ``try``."""
    for node in body:
        yield node
        for inner in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.With):
                yield from _top_level(getattr(node, inner, []))
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                yield from _top_level(handler.body)


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _check_owner(path: Path, trusted_owners: frozenset[int]) -> None:
    """A file is as safe as whoever may write it or put another in its place, behind every link."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise RoleRejected(path.name, "inspect", "it is not a plain file")
    if sys.platform == "win32":
        return
    target = path.resolve()
    trusted_groups = frozenset({0, os.getegid(), Path(__file__).stat().st_gid})
    for item in dict.fromkeys((path, path.parent, target, target.parent)):
        found = item.lstat()
        if found.st_uid not in trusted_owners:
            raise RoleRejected(path.name, "inspect", f"{item} belongs to another account (uid {found.st_uid})")
        if stat.S_ISLNK(found.st_mode):
            continue  # its own mode says nothing
        if found.st_mode & 0o002:
            raise RoleRejected(path.name, "inspect", f"everybody may write {item}; run: chmod o-w '{item}'")
        if found.st_mode & 0o020 and found.st_gid not in trusted_groups:
            reason = f"the group {found.st_gid} may write {item}; run: chmod g-w '{item}'"
            raise RoleRejected(path.name, "inspect", reason)


def _is_role(name: str) -> bool:
    lowered = name.lower()
    return lowered.startswith("role_") and lowered.endswith(".py")
