"""Stage the agent's package that this module lies in, beside what runs; nothing in use changes.

Run by the agent from a package whose signature and digest it has verified. May be called by begin.
"""

import os
import sys
from pathlib import Path

from borealis_base.trial import Build
from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.layout import Layout, Runtime
from borealis_bootstrap.prepare import at_work, prepare
from borealis_bootstrap.progress import Progress
from borealis_bootstrap.staging import version_of


def adopt(runtime: Runtime, build: str, *, checkout: Path) -> Build:
    """Make environment and version of the package ready.

    Args:
        runtime: where the agent lives.
        build: what the order calls the package; it has to be what its content is called.
        checkout: the unpacked package.

    Raises:
        CannotGoOn: it is another build, the packages it needs cannot be had, or another command is at work.
        OSError: disk full, read-only, no right.
    """
    layout = Layout(checkout, runtime.folder.parent, runtime.folder.parent / "Engine")
    agent = Runtime("agent", runtime.folder, checkout)
    found = version_of(agent.sources)
    if found != build:
        raise CannotGoOn(f"The package holds build {found}, and the order is for {build}.")
    with at_work(layout, "update"):
        (ready,) = prepare(layout, (agent,), Progress(sys.stderr), os.environ)
    return Build(ready.version, ready.environment)
