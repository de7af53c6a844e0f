"""``cli``: hand over to the operator's command line ``borealis`` in the Engine's runtime.

Owns nothing. May be called by app.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from borealis_bootstrap.launch import engine_address
from borealis_bootstrap.layout import Layout
from borealis_bootstrap.prepare import Prepared, at_work, prepare
from borealis_bootstrap.processes import become
from borealis_bootstrap.progress import Progress
from borealis_bootstrap.staging import code_shelf, environment_shelf
from borealis_bootstrap.supervision import Supervision


def run_cli(layout: Layout, environ: Mapping[str, str], arguments: Sequence[str]) -> NoReturn:
    """Become ``borealis`` with these arguments.

    Raises:
        CannotGoOn: the runtime is not there yet and cannot be made.
        OSError: disk full, read-only, no right.
    """
    ready = _in_use(layout) or _make(layout, environ)
    address = engine_address(layout, Supervision(layout.engine).started())
    paths = [ready.code / "Program" / "cli", ready.code / "Program", ready.code / "Shared"]
    child = {
        **environ,
        "BOREALIS_ROOT": str(layout.root),
        "BOREALIS_ENGINE_ROOT": str(layout.engine_folder),
        "BOREALIS_ENGINE_PORT": str(address.port),
        "PYTHONPATH": os.pathsep.join(str(path) for path in paths),
        "PYTHONNOUSERSITE": "1",
    }
    child.pop("PYTHONHOME", None)
    become([str(ready.python), "-m", "borealis_cli", *arguments], child)


def _in_use(layout: Layout) -> Prepared | None:
    code, environments = code_shelf(layout.engine), environment_shelf(layout.engine)
    version, key = code.current(), environments.current()
    if version and key and code.is_complete(version) and environments.is_complete(key):
        return Prepared(layout.engine, version, key)
    return None


def _make(layout: Layout, environ: Mapping[str, str]) -> Prepared:
    """A machine from which an operator works, without an Engine of its own: only the runtime is made."""
    progress = Progress(sys.stderr)
    progress.say("Preparing the command line, once.")
    with at_work(layout, "cli"):
        (ready,) = prepare(layout, (layout.engine,), progress, environ, page=False)
        ready.use()
    return ready
