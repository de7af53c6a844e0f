"""Looks at role files without running them, and says what the agent would refuse or an operator regret.

    PYTHONPATH=Data/Shared:Data/Agent python tools/rolecheck.py [--strict] [FILE OR FOLDER ...]

Without arguments it looks at Data/Agent/Roles. One line for each finding: ``file:line: error: …`` or ``advice: …``.
Exit status 1 where there is an error, with ``--strict`` where there is anything; 2 where there is nothing to look at.
An error: the agent rejects the file. Advice: it runs, but breaks when the agent changes, or is hard to keep.
"""

import ast
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from borealis_agent.roles.health import RoleRejected
from borealis_agent.roles.inspection import RoleFacts, inspect_role, role_files

ROLES: Final = Path(__file__).resolve().parents[1] / "Data" / "Agent" / "Roles"
OPEN_PACKAGES: Final = (
    "borealis_agent.role_api",
    "borealis_agent.capabilities",
    "borealis_wire",
    "borealis_base",
    "borealis_playbooks",
)
"""What of ours a role may import; everything else of ours may change any day."""
_OURS: Final = ("borealis_agent", "borealis_engine", "borealis_cli", "borealis_bootstrap", "Roles")
_HOOKS: Final = {"register_events": 0, "on_config": 1, "stop_all": 0, "health_report": 0}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    file: str
    line: int
    level: Literal["error", "advice"]
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.level}: {self.text}"


def check_roles(paths: Sequence[Path]) -> list[Finding]:
    """All findings over several role files, in their order."""
    findings: list[Finding] = []
    names: dict[str, str] = {}
    for path in paths:
        found, facts = check_role(path)
        findings += found
        if facts is None or not facts.name:
            continue
        first = names.setdefault(facts.name, path.name)
        if first != path.name:
            text = f"ROLE_NAME {facts.name!r} is taken by {first}; the agent uses that one"
            findings.append(Finding(str(path), 1, "error", text))
    return findings


def check_role(path: Path) -> tuple[list[Finding], RoleFacts | None]:
    """Findings over one file, and what it says of itself where it could be read."""
    try:
        # Whose file it is matters where it runs, not where it is written.
        owners = frozenset({path.stat().st_uid, path.parent.stat().st_uid, 0})
        facts = inspect_role(path, trusted_owners=owners)
        tree = ast.parse(path.read_bytes())
    except OSError as error:
        return [Finding(str(path), 1, "error", f"it cannot be read ({error})")], None
    except RoleRejected as error:
        return [Finding(str(path), 1, "error", error.reason)], None
    findings = [Finding(str(path), line, "advice", text) for line, text in _advice(tree, facts)]
    return findings, facts


def _advice(tree: ast.Module, facts: RoleFacts) -> Iterator[tuple[int, str]]:
    if not ast.get_docstring(tree):
        yield 1, "the file does not begin with a docstring that says what the role does"
    if not facts.name:
        yield 1, "ROLE_NAME is not written as a plain text, so nobody knows it without running the file"
    if not _assigns(tree, "ROLE_CONTEXTS"):
        yield 1, "ROLE_CONTEXTS is missing: the role runs in both contexts, as root too"
    yield from _imports(tree)
    yield from _role_class(tree)
    for node in tree.body:
        if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
            yield node.lineno, "this runs when the file is loaded; do it in register_events"
        if isinstance(node, ast.For | ast.While | ast.With | ast.AsyncFor | ast.AsyncWith):
            yield node.lineno, "this runs when the file is loaded; do it in register_events"


def _assigns(tree: ast.Module, name: str) -> bool:
    targets = [
        node.targets if isinstance(node, ast.Assign) else [node.target]
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign)
    ]
    return any(isinstance(target, ast.Name) and target.id == name for group in targets for target in group)


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # ``from borealis_agent import role_api`` names a package by its second half.
            base = node.module or ""
            modules = [f"{base}.{alias.name}" for alias in node.names] if base == "borealis_agent" else [base]
            if node.level:
                yield node.lineno, "a role stands alone: it has no package to import from"
                continue
        else:
            continue
        for module in modules:
            if module.split(".")[0] in _OURS and not _is_open(module):
                yield node.lineno, f"it imports {module}; a role may import {', '.join(OPEN_PACKAGES)} of ours"


def _is_open(module: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in OPEN_PACKAGES)


def _role_class(tree: ast.Module) -> Iterator[tuple[int, str]]:
    role = next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Role"), None)
    if role is None:
        return
    if not ast.get_docstring(role):
        yield role.lineno, "class Role has no docstring"
    for node in role.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name == "__init__" and not _takes(node, 1):
            yield node.lineno, "Role takes one argument, the context"
        if node.name in _HOOKS and not _takes(node, _HOOKS[node.name]):
            wanted = "the list of configured roles" if _HOOKS[node.name] else "nothing"
            yield node.lineno, f"{node.name} takes {wanted} beside self"


def _takes(node: ast.FunctionDef | ast.AsyncFunctionDef, count: int) -> bool:
    """Whether a method can be called with ``count`` positional arguments beside ``self``."""
    arguments = node.args
    positional = len(arguments.posonlyargs) + len(arguments.args) - 1
    needed = positional - len(arguments.defaults)
    keyword_only = sum(default is None for default in arguments.kw_defaults)
    return keyword_only == 0 and needed <= count and (count <= positional or arguments.vararg is not None)


def main(arguments: Sequence[str]) -> int:
    """The command. Gives the exit status."""
    strict = "--strict" in arguments
    places = [Path(argument) for argument in arguments if argument != "--strict"] or [ROLES]
    paths = [path for place in places for path in (role_files(place) if place.is_dir() else [place])]
    if not paths:
        sys.stderr.write("no role files (role_*.py) there\n")
        return 2
    findings = check_roles(paths)
    for finding in findings:
        sys.stdout.write(f"{finding}{os.linesep}")
    errors = [finding for finding in findings if strict or finding.level == "error"]
    sys.stdout.write(f"{len(paths)} role files, {len(findings)} findings\n")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
