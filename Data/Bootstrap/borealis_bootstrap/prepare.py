"""Make runtimes ready: Python environments, staged code, the web page; then decide what is in use.

Owns the order of these steps. May be called by up, side, services and app.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from borealis_base.files import exclusive_lock
from borealis_base.trial import FILE, Build, read_update, write_update
from borealis_bootstrap.environments import ensure_environment
from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.layout import Layout, Runtime, python_in
from borealis_bootstrap.progress import Progress
from borealis_bootstrap.staging import code_shelf, environment_shelf, name_agent_build, stage


@dataclass(frozen=True, slots=True)
class Prepared:
    """A runtime that can be started: which code, which environment."""

    runtime: Runtime
    version: str
    environment: str

    @property
    def code(self) -> Path:
        """The staged version."""
        return code_shelf(self.runtime).path(self.version)

    @property
    def python(self) -> Path:
        """The interpreter with the dependencies."""
        return python_in(environment_shelf(self.runtime).path(self.environment))

    @property
    def command(self) -> list[str]:
        """How the program is started, without its own arguments."""
        return [str(self.python), *self.runtime.python_flags, str(self.code / self.runtime.entry)]

    def use(self) -> None:
        """Point to this version and environment, and delete what neither this nor the one before needs.

        An update of the agent by itself that is on trial is over with that: a person has said what is to run.

        Raises:
            OSError: no right.
        """
        code, environments = code_shelf(self.runtime), environment_shelf(self.runtime)
        before = {code.current(), environments.current()}
        self._decide_trial()
        environments.point(self.environment)
        code.point(self.version)
        if self.runtime.name == "engine":
            name_agent_build(self.runtime)
        code.prune({self.version, *before})
        environments.prune({self.environment, *before})

    def _decide_trial(self) -> None:
        path = self.runtime.run / FILE
        update = read_update(path) if self.runtime.name == "agent" else None
        if update is None or update.state not in {"trial", "confirmed"}:
            return
        if update.new == Build(self.version, self.environment):
            write_update(path, update.ended("installed"))
        else:
            write_update(path, update.ended("rolled_back", "A person started another version by hand."))


@contextlib.contextmanager
def at_work(layout: Layout, what: str) -> Iterator[None]:
    """Hold the installation against other commands that change it.

    Raises:
        CannotGoOn: another one is at work.
        OSError: read-only root, no right.
    """
    path = layout.scratch / "bootstrap.lock"
    note = layout.scratch / "bootstrap.at-work"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(exclusive_lock(path, timeout=0.3))
        except TimeoutError as error:
            other = note.read_text(encoding="utf-8", errors="replace").strip() if note.exists() else "command"
            raise CannotGoOn(
                f"Another ./Borealis.sh {other} is at work in {layout.root}: wait until it has ended, or use a root"
                " of its own (BOREALIS_ROOT)."
            ) from error
        note.write_text(what, encoding="utf-8")
        stack.callback(note.unlink, missing_ok=True)
        yield


def prepare(
    layout: Layout, runtimes: Sequence[Runtime], progress: Progress, environ: Mapping[str, str], *, page: bool = True
) -> list[Prepared]:
    """Bring the runtimes up to the checkout; what is there already is reused. Nothing in use changes yet.

    Raises:
        CannotGoOn: a sentence for the person.
        OSError: disk full, read-only, no right.
    """
    for runtime in runtimes:
        runtime.logs.mkdir(parents=True, exist_ok=True)
    progress.log_to(*(runtime.install_log for runtime in runtimes))

    def environment(runtime: Runtime) -> str:
        return ensure_environment(
            environment_shelf(runtime),
            runtime.requirements,
            log=runtime.install_log,
            cache=package_cache(layout),
            optimised="-OO" in runtime.python_flags,
            environ=environ,
        )

    with progress.step("Python environments"), ThreadPoolExecutor(len(runtimes)) as pool:
        keys = list(pool.map(environment, runtimes))
    prepared = []
    with progress.step("Code") as notes:
        for runtime, key in zip(runtimes, keys, strict=True):
            version = stage(runtime, python_in(environment_shelf(runtime).path(key)))
            prepared.append(Prepared(runtime, version, key))
            notes.append(f"{runtime.name} {version}")
    if (
        page
        and any(runtime.name == "engine" for runtime in runtimes)
        and (layout.page_source / "package.json").exists()
    ):
        from borealis_bootstrap.page import build_page

        with progress.step("Web page") as notes:
            notes.append(build_page(layout, environ))
    return prepared


def package_cache(layout: Layout) -> Path:
    """Where downloads are kept: inside the root, for ``up`` changes nothing outside."""
    return layout.scratch / "packages"
