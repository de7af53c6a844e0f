"""The Engine as a child in the foreground, started again when it crashes: for machines without our supervisor.

Owns nothing. May be called by app.
"""

import random
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from borealis_base.backoff import Backoff
from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.launch import check_port, engine_address
from borealis_bootstrap.layout import Layout
from borealis_bootstrap.prepare import at_work, prepare
from borealis_bootstrap.progress import Progress
from borealis_bootstrap.supervision import PERSON_MUST_ACT, program_environ

_LASTED: int = 60

Run = Callable[[Sequence[str], Mapping[str, str]], int]


def _run(command: Sequence[str], environ: Mapping[str, str]) -> int:
    return subprocess.run(list(command), check=False, env=dict(environ)).returncode


def engine(layout: Layout, progress: Progress, environ: Mapping[str, str]) -> int:
    """Prepare the Engine and run it until it is told to stop.

    Raises:
        CannotGoOn: a sentence for the person.
        OSError: disk full, read-only, no right.
    """
    with at_work(layout, "engine"):
        (ready,) = prepare(layout, (layout.engine,), progress, environ)
        address = engine_address(layout, None)
        check_port(address)
        ready.use()
    extra = {"BOREALIS_ROOT": str(layout.root), "BOREALIS_ENGINE_PORT": str(address.port)}
    progress.say(f"  Engine at {environ.get('BOREALIS_PUBLIC_URL') or address.url}; Ctrl-C stops it.")
    return keep_running(ready.command, program_environ(environ, extra), progress)


def keep_running(
    command: Sequence[str],
    environ: Mapping[str, str],
    progress: Progress,
    *,
    run: Run = _run,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
    rng: random.Random | None = None,
) -> int:
    """Run a program, again with back-off when it crashes, until it ends by itself.

    Raises:
        CannotGoOn: it says that a person has to act.
    """
    backoff = Backoff()
    rng = rng or random.SystemRandom()
    while True:
        began = monotonic()
        status = run(command, environ)
        if status == 0:
            return 0
        if status == PERSON_MUST_ACT:
            raise CannotGoOn("The Engine cannot go on; what to do stands above.")
        if monotonic() - began >= _LASTED:
            backoff.reset()
        pause = backoff.next_delay(rng)
        progress.say(f"  The Engine ended with status {status}; it starts again in {pause:.1f} s.")
        sleep(pause)
