"""``test`` and ``bench``: an environment with everything that tests need, then pytest or the benchmarks.

Owns the list of what the machine must have. May be called by app.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from borealis_bootstrap.environments import ensure_environment
from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.layout import Layout, python_in
from borealis_bootstrap.processes import become
from borealis_bootstrap.progress import Progress
from borealis_bootstrap.shelf import Shelf
from borealis_bootstrap.supervision import is_root

SOURCE_FOLDERS: Final = ("Data/Shared", "Data/Agent", "Data/Engine", "Data/Engine/cli", "Data/Bootstrap", "tools", ".")
POLICY: Final = Path("/usr/sbin/policy-rc.d")
WHOLE_TREE: Final = ("--numprocesses=3", "--dist=loadfile", "--no-loadscope-reorder")


@dataclass(frozen=True, slots=True)
class MachineNeed:
    """A program that tests use, the Debian packages that bring it, and what for."""

    program: str
    package: str
    reason: str
    root_only: bool = False
    bare: bool = False
    """Without what Debian recommends beside it."""


NEEDS: Final = (
    MachineNeed("bash", "bash", "scripts of type bash"),
    MachineNeed("git", "git", "tests that work on a fresh clone"),
    MachineNeed("ps", "procps", "tests that look for left-over processes"),
    MachineNeed("/usr/sbin/sshd", "openssh-server", "a machine without an agent; apt starts nothing of it here"),
    MachineNeed("chromium", "chromium", "the page in a real browser"),
    MachineNeed("top", "procps", "a program that uses the whole screen of a shell"),
    MachineNeed("vim.tiny", "vim-tiny", "an editor in a shell of the page"),
    MachineNeed("ip", "iproute2", "an enrolment between two network namespaces", root_only=True),
    MachineNeed("wg", "wireguard-tools", "tunnels", root_only=True),
    MachineNeed("wireguard-go", "wireguard-go", "tunnels where the kernel has no WireGuard", root_only=True),
    MachineNeed("nft", "nftables", "the ports that a tunnel lets through", root_only=True),
    MachineNeed("Xvfb", "xvfb", "a screen to take pictures of", root_only=True),
    MachineNeed("x11vnc", "x11vnc", "a screen that an operator sees", root_only=True, bare=True),
    MachineNeed("Xvnc", "tigervnc-standalone-server", "desktops of their own", root_only=True, bare=True),
    MachineNeed("openbox", "openbox", "a window manager on such desktops", root_only=True, bare=True),
    MachineNeed("xterm", "xterm", "a program to type into on such desktops", root_only=True, bare=True),
    MachineNeed("xrandr", "x11-xserver-utils", "a screen that changes its size", root_only=True, bare=True),
    MachineNeed("xfreerdp", "freerdp2-x11", "remote desktops by RDP", root_only=True, bare=True),
    MachineNeed("xrdp", "xrdp xorgxrdp", "a device that speaks RDP", root_only=True, bare=True),
    MachineNeed("freerdp-shadow-cli", "freerdp2-shadow-x11", "a device with NLA", root_only=True, bare=True),
    MachineNeed("winpr-hash", "winpr-utils", "the account of one", root_only=True, bare=True),
    MachineNeed("dbus-daemon", "dbus-daemon", "the bus of a desktop session", root_only=True),
    MachineNeed("wine", "wine wine64", "the agent in a real Windows Python", root_only=True, bare=True),
    MachineNeed("setpriv", "util-linux", "tests of what another user may do", root_only=True),
)


def missing_needs(*, root: bool, which: Callable[[str], str | None] = shutil.which) -> list[MachineNeed]:
    """What the machine lacks; without root, tests that need it do not run either."""
    return [need for need in NEEDS if (root or not need.root_only) and which(need.program) is None]


def install_needs(missing: Sequence[MachineNeed], progress: Progress, *, root: bool) -> None:
    """Install Debian packages where we may.

    Raises:
        CannotGoOn: no right or no apt; names what is missing.
    """
    if not missing:
        return
    packages = sorted({package for need in missing for package in need.package.split()})
    if not root or shutil.which("apt-get") is None:
        listed = ", ".join(f"{need.program} ({need.reason})" for need in missing)
        raise CannotGoOn(f"The tests need {listed}: apt-get install {' '.join(packages)}")
    with progress.step(f"apt-get install {' '.join(packages)}"), _services_held(POLICY):
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "-q", "-y"]
        bare = sorted({package for need in missing if need.bare for package in need.package.split()})
        full = [package for package in packages if package not in bare]
        commands = [["apt-get", "update", "-q"], [*install, *full] if full else []]
        commands.append([*install, "--no-install-recommends", *bare] if bare else [])
        for command in filter(None, commands):
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, env=environ, stdin=subprocess.DEVNULL
            )
            if done.returncode != 0:
                raise CannotGoOn(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()[-500:]}")


@contextlib.contextmanager
def _services_held(policy: Path) -> Iterator[None]:
    """Servers that are installed now are not started: tests start what they need, and end it again.

    Debian's packages ask this program first (invoke-rc.d(8)). One that is there already is somebody's, and stays.
    """
    try:
        descriptor = os.open(policy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755)
    except OSError:
        yield
        return
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        yield
    finally:
        policy.unlink(missing_ok=True)


def test_python(layout: Layout, progress: Progress, environ: Mapping[str, str]) -> Path:
    """The interpreter with everything that tests need; made on first use, kept in ``.borealis/`` of the checkout.

    Raises:
        CannotGoOn: a sentence for the person.
        OSError: disk full, read-only, no right.
    """
    home = layout.checkout / ".borealis"
    shelf = Shelf(home / "test-environments", home / "test-venv")
    log = home / "test-install.log"
    with progress.step("Test environment"):
        key = ensure_environment(
            shelf,
            layout.checkout / "requirements" / "test.txt",
            log=log,
            cache=home / "packages",
            environ=environ,
        )
        shelf.point(key)
        shelf.prune({key})
    return python_in(shelf.path(key))


def run_tests(layout: Layout, progress: Progress, environ: Mapping[str, str], arguments: Sequence[str]) -> NoReturn:
    """Become pytest over the whole tree, or with the given arguments.

    Three files of tests at a time, meant for two processors: they start whole Engines, browsers, builds and an emulated
    Windows, and wait for those more than they compute. Linters and type checks are tests too (tests/static), so that
    pytest's closing line tells all of it.

    Raises:
        CannotGoOn: a sentence for the person.
        OSError: disk full, read-only, no right.
    """
    root = is_root()
    install_needs(missing_needs(root=root), progress, root=root)
    python = test_python(layout, progress, environ)
    become([str(python), "-m", "pytest", *(arguments or WHOLE_TREE)], _environ(layout, environ), folder=layout.checkout)


def run_bench(layout: Layout, progress: Progress, environ: Mapping[str, str], arguments: Sequence[str]) -> NoReturn:
    """Become the benchmarks. Files named on the command line start from the current folder.

    Raises:
        CannotGoOn: a sentence for the person.
        OSError: disk full, read-only, no right.
    """
    python = test_python(layout, progress, environ)
    become([str(python), "-m", "bench", *arguments], _environ(layout, environ))


def _environ(layout: Layout, environ: Mapping[str, str]) -> dict[str, str]:
    dropped = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    paths = os.pathsep.join(str(layout.checkout / name) for name in SOURCE_FOLDERS)
    kept = {name: value for name, value in environ.items() if name not in dropped}
    return {**kept, "PYTHONPATH": paths, "PYTHONNOUSERSITE": "1"}
