"""Where everything lies: the checkout, the root, and the two runtimes in it.

Owns the names of folders (Docs/architecture.md, upstream-contract 11.5). Pure but for reading the environment it is
given. May be called by every module here.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from borealis_bootstrap.errors import CannotGoOn

DEFAULT_PORT: Final = 5000
# For the C library's allocator, measured on an enrolled agent at rest: 1.2 MB less, and what a peak took is given back.
# One arena, because it is mostly asleep; large pieces of their own, and free memory at the end returned early.
SMALL_AT_REST: Final = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "131072",
}
ProgramName = Literal["engine", "agent"]


@dataclass(frozen=True, slots=True)
class Runtime:
    """One regenerated runtime: code and Python environment beside data that is never regenerated."""

    name: ProgramName
    folder: Path
    checkout: Path

    @property
    def requirements(self) -> Path:
        """Its locked dependencies."""
        return self.checkout / "requirements" / f"{self.name}.txt"

    @property
    def sources(self) -> tuple[tuple[str, Path], ...]:
        """What is staged: name in the staged version, and where it comes from.

        Not named after ``Agent``: a program that looks for the folder of that name shall find the runtime.
        """
        data = self.checkout / "Data"
        return (
            ("Program", data / ("Engine" if self.name == "engine" else "Agent")),
            ("Shared", data / "Shared"),
            ("supervise.sh", data / "Bootstrap" / "supervise.sh"),
            *(self._sources_of_agent() if self.name == "agent" else ()),
            # What both install by themselves, once a playbook asks for it; Windows machines are the Engine's alone.
            ("ansible.txt", self.checkout / "requirements" / "ansible.txt"),
            *(
                [("ansible-windows.txt", self.checkout / "requirements" / "ansible-windows.txt")]
                if self.name == "engine"
                else []
            ),
        )

    def _sources_of_agent(self) -> tuple[tuple[str, Path], ...]:
        return (
            # What starts it, and stages the next version of it.
            ("Bootstrap", self.checkout / "Data" / "Bootstrap"),
            # Not read there: a version's name is to cover everything that an update brings.
            ("agent.txt", self.requirements),
        )

    @property
    def entry(self) -> str:
        """The program's entry inside a staged version."""
        return "Program/server.py" if self.name == "engine" else "Program/agent.py"

    @property
    def python_flags(self) -> tuple[str, ...]:
        """Flags of its interpreter: the agent drops docstrings and assertions to stay small."""
        return ("-OO",) if self.name == "agent" else ()

    @property
    def code(self) -> Path:
        """Staged versions."""
        return self.folder / "Code"

    @property
    def agent_build(self) -> Path:
        """The Engine's: the version that agents of this checkout have. It says of others that they are out of date."""
        return self.code / "agent-build"

    @property
    def environments(self) -> Path:
        """Python environments, one for each lock file and interpreter."""
        return self.folder / "Python"

    @property
    def venv(self) -> Path:
        """Pointer to the environment in use."""
        return self.folder / "venv"

    @property
    def run(self) -> Path:
        """Who runs, and how it was started."""
        return self.folder / "Run"

    @property
    def logs(self) -> Path:
        """All log files."""
        return self.folder / "Logs"

    @property
    def install_log(self) -> Path:
        """What preparing it did."""
        return self.logs / "install.log"

    @property
    def output(self) -> Path:
        """What the program wrote to its standard streams."""
        return self.logs / f"{self.name}.out"


@dataclass(frozen=True, slots=True)
class Layout:
    """One installation. ``port`` is None where the environment does not name one."""

    checkout: Path
    root: Path
    engine_folder: Path
    port: int | None = None
    host: str = ""

    @property
    def engine(self) -> Runtime:
        """The Engine's runtime."""
        return Runtime("engine", self.engine_folder, self.checkout)

    @property
    def agent(self) -> Runtime:
        """The agent's runtime."""
        return Runtime("agent", self.root / "Agent", self.checkout)

    @property
    def scratch(self) -> Path:
        """Caches and locks of the bootstrap; may be deleted at any time when nothing runs."""
        return self.root / ".borealis"

    @property
    def page_source(self) -> Path:
        """The web page's source."""
        return self.checkout / "Data" / "Engine" / "web-interface"

    @property
    def page(self) -> Path:
        """Pointer to the built page that the Engine serves."""
        return self.engine_folder / "web-interface"

    @property
    def owner_token(self) -> Path:
        """The token that lets the Engine's owner in (contract 6)."""
        return self.engine_folder / "Data" / "Secrets" / "cli.token"

    @property
    def setup_link(self) -> Path:
        """The one-time link for the first operator, as long as there is none."""
        return self.engine_folder / "Data" / "Secrets" / "setup.link"

    @property
    def engine_note(self) -> Path:
        """What the running Engine tells other programs of this machine."""
        return self.engine_folder / "Data" / "engine.json"

    @property
    def ca_bundle(self) -> Path:
        """What a client of the Engine trusts."""
        return self.engine_folder / "Certificates" / "borealis-server-bundle.pem"

    @property
    def agent_guid(self) -> Path:
        """The GUID that the local agent was given."""
        return self.agent.folder / "Borealis" / "Settings" / "Agent_GUID.txt"

    @property
    def agent_public_key(self) -> Path:
        """The local agent's public key: base64 of its SPKI."""
        return self.agent.folder / "Borealis" / "Certificates" / "Agent" / "Identity" / "agent_identity_public.ed25519"


def layout_from(environ: Mapping[str, str], *, checkout: Path, here: Path) -> Layout:
    """Read the installation from the environment.

    Args:
        environ: usually ``os.environ``.
        checkout: the folder of ``Borealis.sh``.
        here: the current folder, which relative paths start from.

    Raises:
        CannotGoOn: a port that is none.
    """
    root = (here / (environ.get("BOREALIS_ROOT") or environ.get("BOREALIS_PROJECT_ROOT") or checkout)).absolute()
    engine = here / (environ.get("BOREALIS_ENGINE_ROOT") or root / "Engine")
    return Layout(
        checkout=checkout,
        root=root,
        engine_folder=engine.absolute(),
        port=_port(environ.get("BOREALIS_ENGINE_PORT", "")),
        host=environ.get("BOREALIS_ENGINE_HOST", ""),
    )


def _port(text: str) -> int | None:
    if not text:
        return None
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 65535:
        return int(text)
    raise CannotGoOn(f"BOREALIS_ENGINE_PORT is a port from 1 to 65535, not {text!r}.", status=2)


def python_in(venv: Path) -> Path:
    """The interpreter of a virtual environment."""
    return venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
