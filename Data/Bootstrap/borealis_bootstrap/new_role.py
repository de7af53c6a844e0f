"""``new-role NAME``: a role file that works, its page, its test, and its row in the table of roles.

Owns the templates beside it. May be called by app. Writes all of it or nothing, and overwrites nothing.
"""

import ast
import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from borealis_bootstrap.errors import CannotGoOn

TEMPLATES: Final = Path(__file__).resolve().parent / "templates"
MAX_NAME: Final = 32
CATALOGUE: Final = frozenset(
    {
        "device_audit",
        "macro",
        "playbook_exec_system",
        "rdp",
        "remote_powershell",
        "screenshot",
        "script_exec_currentuser",
        "script_exec_system",
        "wire_guard_tunnel",
    }
)
"""Names that existing installations know as something else; also where their file is not in this checkout."""
_ROW: Final = re.compile(r"^\| `role_.*$\n", re.MULTILINE)
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


@dataclass(frozen=True, slots=True)
class RoleNames:
    """``disk_space`` is the role, ``role_DiskSpace.py`` its file."""

    name: str
    file: str
    title: str

    @property
    def places(self) -> dict[str, str]:
        """Path in the checkout by template."""
        return {
            "role.txt": f"Data/Agent/Roles/{self.file}",
            "page.txt": f"Docs/roles/{self.name}.md",
            "test.txt": f"tests/unit/agent/roles/test_role_{self.name}.py",
        }

    def fill(self, template: str) -> str:
        """A template with these names in it."""
        for token, text in (("@NAME@", self.name), ("@FILE@", self.file), ("@TITLE@", self.title)):
            template = template.replace(token, text)
        return template


def names_of(given: str) -> RoleNames:
    """Read the name of a role to be, as ``DiskSpace`` or ``disk_space``; pure.

    Raises:
        CannotGoOn: none that a file, a folder and a Python name can all have; with status 2.
    """
    bare = given.removesuffix(".py").removeprefix("role_")
    words = [word.lower() for word in _WORD.findall(bare)]
    name = "_".join(words)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", bare) or not 2 <= len(name) <= MAX_NAME:
        raise CannotGoOn(
            f"A role's name has 2 to {MAX_NAME} letters, digits and _, a letter first, as DiskSpace or disk_space; "
            f"not {given[:60]!r}.",
            status=2,
        )
    if keyword.iskeyword(name):
        raise CannotGoOn(f"{name!r} is a word of Python; give the role another name.", status=2)
    return RoleNames(name, f"role_{''.join(word.capitalize() for word in words)}.py", " ".join(words).capitalize())


def new_role(checkout: Path, given: str) -> list[Path]:
    """Write the files; gives their paths, the table of roles last.

    Raises:
        CannotGoOn: a bad name, or one that is taken; nothing was written.
        OSError: disk full, read-only, no right; what had been written is gone again.
    """
    names = names_of(given)
    table = checkout / "Docs" / "roles" / "README.md"
    _refuse_taken(checkout, names)
    text = table.read_text("utf-8")
    rows = list(_ROW.finditer(text))
    if not rows:
        raise CannotGoOn(f"{table} has no table of roles; bring it back from the repository first.")
    row = f"| `{names.file}` | [`{names.name}`]({names.name}.md) | system | looks once a minute |\n"
    end = rows[-1].end()
    written: list[Path] = []
    try:
        for template, place in names.places.items():
            path = checkout / place
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as file:
                written.append(path)
                file.write(names.fill((TEMPLATES / template).read_text("utf-8")))
            path.chmod(0o644)  # the agent refuses a role that others may write
        _replace(table, text[:end] + row + text[end:])
    except FileExistsError as error:
        _take_back(written)
        raise CannotGoOn(f"{error.filename} is there already; nothing was written.") from error
    except BaseException:
        _take_back(written)
        raise
    return [*written, table]


def _refuse_taken(checkout: Path, names: RoleNames) -> None:
    if names.name in CATALOGUE:
        raise CannotGoOn(f"The name {names.name!r} is one of the catalogue's; give the role another.")
    for path in sorted((checkout / "Data" / "Agent" / "Roles").glob("*.py")):
        same = path.name.lower() == names.file.lower()
        if same or names.name in {_plain(said) for said in _said_names(path)}:
            raise CannotGoOn(f"The name {names.name!r} is taken by Data/Agent/Roles/{path.name}.")
    for place in names.places.values():
        if (checkout / place).exists():
            raise CannotGoOn(f"{place} is there already; nothing was written.")


def _said_names(path: Path) -> Iterator[str]:
    """``ROLE_NAME`` of a file, as far as its text tells."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="ROLE_NAME")], value=ast.Constant(value=str(name))):
                yield name


def _plain(name: str) -> str:
    """The name as ``names_of`` would spell it: no two roles differ by capitals alone."""
    return "_".join(word.lower() for word in _WORD.findall(name))


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_text(text, "utf-8", newline="\n")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _take_back(written: list[Path]) -> None:
    for path in written:
        path.unlink(missing_ok=True)
