"""The life of the program: settings, lock, start, serve, end; and one sentence where a person has to act."""

import asyncio
import contextlib
import errno
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from borealis_base.clock import Clock, SystemClock
from borealis_base.files import exclusive_lock
from borealis_base.tasks import Supervisor
from borealis_engine.app import state_files
from borealis_engine.app.listening import bind
from borealis_engine.core import log as logs
from borealis_engine.core.errors import Fatal
from borealis_engine.core.ids import SystemRandomness
from borealis_engine.core.settings import EngineSettings, load_settings

if TYPE_CHECKING:
    from borealis_engine.app.composition import Engine

STATUS_OK: Final = 0
STATUS_FAULT: Final = 1
STATUS_ACT: Final = 3
LOCK_SECONDS: Final = 5.0
"""An Engine that is ending is waited for."""
RESTART_SECONDS: Final = 5.0

log = logs.get_logger("server")


def run(*, source_root: Path) -> int:
    """Run an Engine until it is told to stop.

    Args:
        source_root: the checkout, used where ``BOREALIS_ROOT`` is not set.

    Returns:
        The exit status: 0 stopped, 1 a fault of its own, 3 a person has to act.
    """
    os.umask(0o077)  # database, logs and output of runs are nobody else's business
    try:
        settings = load_settings(os.environ, source_root=source_root)
        logs.configure(settings.paths.logs, console=sys.stderr.isatty())
        with exclusive_lock(state_files.lock_path(settings.paths), timeout=LOCK_SECONDS):
            return _run_loop(Program(settings, SystemClock()))
    except TimeoutError:
        return _say(_already_runs(settings))
    except Fatal as error:
        return _say(error.detail)
    except OSError as error:
        return _say(explain(error))
    except KeyboardInterrupt:
        return STATUS_OK
    except Exception:
        log.exception("the Engine ends because of a fault of its own")
        print("The Engine met a fault of its own and ended; error.log has the reason.", file=sys.stderr)
        return STATUS_FAULT


def _settle_interpreter() -> None:
    """Tune the interpreter for a program that lives long and has three busy threads."""
    # The event loop and the database's threads hand work to each other; the default of 5 ms is a whole dispatch.
    sys.setswitchinterval(0.0005)
    # What start-up made stays for ever: never look through it again for cycles.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


class Program:
    """One run of the Engine."""

    def __init__(self, settings: EngineSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._stop: Callable[[], None] | None = None

    async def main(self) -> None:
        """Start, serve until told to stop, and end in good order.

        Raises:
            Fatal, OSError: it cannot start.
        """
        task = asyncio.current_task()
        assert task is not None
        self._stop = lambda: _cancel(task)  # told to stop while it starts: that is all there is to end
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                loop.add_signal_handler(number, self._told_to_stop)
            except NotImplementedError:
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(self._told_to_stop))
        sockets = bind(self._settings)
        try:
            from borealis_engine.app.composition import build  # after what may refuse to start: it takes a second

            engine = await build(self._settings, clock=self._clock, randomness=SystemRandomness())
        except BaseException:
            for listener in sockets:
                listener.close()
            raise
        try:
            engine.services.operators.ensure_owner_token()
            link = await self._setup_link(engine)
            from borealis_engine.app.serving import make_server

            server = make_server(engine.asgi, engine.services.certificates, lambda: self._started(engine, link))
            self._stop = lambda: setattr(server, "should_exit", True)
            _settle_interpreter()
            async with Supervisor() as tasks:
                for name, loop_of in loops(engine, self._settings).items():
                    tasks.start(name, keep_running(name, loop_of, self._clock))
                await server.serve(sockets)
                engine.entries.end_all()
                await engine.gateway.close()
                await engine.services.screens.close()
                await engine.services.tunnels.close()
                await engine.services.shells.close()
        finally:
            engine.close()
            state_files.remove_state(self._settings.paths)
            log.info("the Engine has ended")

    def _told_to_stop(self) -> None:
        log.info("told to stop")
        if self._stop is not None:
            self._stop()

    async def _setup_link(self, engine: "Engine") -> str | None:
        operators = engine.services.operators
        link = await operators.create_setup_link() if await operators.needs_setup() else None
        state_files.write_setup_link(self._settings.paths, link)
        return link

    def _started(self, engine: "Engine", link: str | None) -> None:
        certificates = engine.services.certificates
        state_files.write_state(self._settings, ca_pin=certificates.ca_pin, started_at=engine.started_at)
        log.info("the Engine is ready", url=self._settings.url, ca_pin=certificates.ca_pin)
        _tell(f"Borealis Engine is ready at {self._settings.url}")
        if link is not None:
            path = self._settings.paths.secrets / state_files.SETUP_FILE
            # Standard output that is no terminal is a log file of somebody's, and the link opens the Engine.
            told = link if sys.stdout.isatty() else f"the one-time link in {path}"
            _tell(f"Make the first operator with {told}")


def loops(engine: "Engine", settings: EngineSettings) -> dict[str, Callable[[], Awaitable[None]]]:
    """Everything that runs as long as the Engine, by name."""
    services = engine.services
    return {
        "gateway": engine.gateway.run_loop,
        "dispatch": services.dispatcher.run_loop,
        "activity": services.activity.run_loop,
        "activity history": lambda: services.activity.prune_loop(days=settings.job_history_days),
        "devices": services.devices.run_loop,
        "enrolment": services.enrolment.prune_loop,
        "screens": services.screens.run_loop,
        "updates": services.updates.run_loop,
        "controller": services.controller.run_loop,
        "tunnels": services.tunnels.run_loop,
        **engine.entries.loops(),
        "operators": services.operators.prune_loop,
        "overview": services.overview.sample_loop,
        "certificates": services.certificates.renew_loop,
    }


async def keep_running(name: str, work: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Run a loop for ever; one that fails is logged and begun again, because the others need it."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("a loop failed and is started again", loop=name)
        await clock.sleep(RESTART_SECONDS)


def explain(error: OSError) -> str:
    """One sentence for a person about a disk that does not let the Engine start."""
    where = f" {error.filename}" if error.filename else ""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"The disk is full: the Engine cannot write{where}. Make room and start again."
        case errno.EROFS:
            return f"The Engine cannot write{where}: the file system is read-only. Set BOREALIS_ROOT to another folder."
        case errno.EACCES | errno.EPERM:
            return f"This user may not write{where}. Give it the right, or set BOREALIS_ROOT to another folder."
    return f"The Engine cannot start:{where} {error.strerror or error}."


def _already_runs(settings: EngineSettings) -> str:
    state = state_files.read_state(settings.paths)
    who = f" (pid {state['pid']}, {state['url']})" if {"pid", "url"} <= state.keys() else ""
    return (
        f"Another Engine{who} already runs on {settings.paths.root}. Stop it first, or give this one a folder of its "
        "own with BOREALIS_ROOT."
    )


def _tell(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # whoever started us may have stopped to listen
        print(line, flush=True)


def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()


def _run_loop(program: Program) -> int:
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(program.main())
    except asyncio.CancelledError:
        return STATUS_OK
    return STATUS_OK


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # Windows has none
        return None
    return uvloop.new_event_loop


def _say(sentence: str) -> int:
    log.error("the Engine cannot run", reason=sentence)
    print(sentence, file=sys.stderr)
    return STATUS_ACT
