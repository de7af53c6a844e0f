"""Start Engine and agent from prepared runtimes, and see whether they came up.

Owns the decision whether what runs may go on as it is. May be called by up and side.
"""

import errno
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from borealis_bootstrap.begin import starting
from borealis_bootstrap.engine_client import EngineClient
from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.invitation import hand_over
from borealis_bootstrap.layout import DEFAULT_PORT, SMALL_AT_REST, Layout
from borealis_bootstrap.prepare import Prepared
from borealis_bootstrap.supervision import (
    PERSON_MUST_ACT,
    ProgramState,
    Started,
    Supervision,
    last_words,
    program_environ,
)

ENGINE_SECONDS: Final = 90.0
_POLL: Final = 0.05
_REACHED_AS_LOCALHOST: Final = frozenset({"", "0.0.0.0", "::", "127.0.0.1", "::1"})  # noqa: S104  compared, not bound

Decision = Literal["keep", "restart", "start"]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the Engine listens, and how programs on this machine reach it."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """For programs on this machine."""
        name = "localhost" if self.host in _REACHED_AS_LOCALHOST else self.host
        return f"https://[{name}]:{self.port}" if ":" in name else f"https://{name}:{self.port}"


def decide(state: ProgramState, wanted: Started) -> Decision:
    """Whether what runs is what is wanted: same code, same environment, same port, under its supervisor."""
    if state.state == "stopped":
        return "start"
    same = state.started is not None and (state.started.version, state.started.environment) == (
        wanted.version,
        wanted.environment,
    )
    return "keep" if state.state == "running" and same else "restart"


def engine_address(layout: Layout, started: Started | None) -> Address:
    """The port that the environment names, else the one of the last start, else the default."""
    return Address(layout.host, layout.port or (started.port if started and started.port else DEFAULT_PORT))


def check_port(address: Address) -> None:
    """See that the Engine can listen.

    Raises:
        CannotGoOn: taken, not allowed, or no such address.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
            probe.listen(1)
        except OSError as error:
            raise CannotGoOn(_port_sentence(error, address)) from error


def _port_sentence(error: OSError, address: Address) -> str:
    other = address.port + 1 if address.port < 65535 else DEFAULT_PORT
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {address.port} is in use by another program: stop it, or choose another port with"
            f" BOREALIS_ENGINE_PORT={other}."
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"Port {address.port} may be used by root only: choose one above 1023 with BOREALIS_ENGINE_PORT."
    return f"The Engine cannot listen on {address.host}:{address.port} ({error.strerror}): check BOREALIS_ENGINE_HOST."


def start_engine(
    layout: Layout, prepared: Prepared, supervision: Supervision, environ: Mapping[str, str]
) -> tuple[EngineClient, Decision]:
    """Have the wanted Engine running; not yet waited for.

    Raises:
        CannotGoOn: port in use, running elsewhere, or it did not start.
        OSError: disk full, read-only, no right.
    """
    state = supervision.state()
    address = engine_address(layout, state.started)
    if state.is_up and state.started and layout.port not in {None, state.started.port}:
        raise CannotGoOn(
            f"The Engine runs on port {state.started.port} already: ./Borealis.sh down first, or leave"
            " BOREALIS_ENGINE_PORT unset."
        )
    wanted = Started(prepared.version, prepared.environment, address.url, address.port)
    decision = decide(state, wanted)
    if decision != "keep":
        if decision == "restart":
            supervision.stop()
        check_port(address)
        extra = {
            "BOREALIS_ROOT": str(layout.root),
            "BOREALIS_ENGINE_ROOT": str(layout.engine_folder),
            "BOREALIS_ENGINE_PORT": str(address.port),
        }
        script = prepared.code / "supervise.sh"
        supervision.start(prepared.command, program_environ(environ, extra), wanted, script=script)
    prepared.use()
    return EngineClient(layout, address.url), decision


def wait_engine(client: EngineClient, supervision: Supervision, *, seconds: float = ENGINE_SECONDS) -> dict[str, Any]:
    """Wait until the Engine is healthy; gives what it says of itself.

    Raises:
        CannotGoOn: it ended, or took too long.
    """
    return wait_for("the Engine to answer", client.healthy, supervision, seconds=seconds)


def start_agent(
    layout: Layout,
    prepared: Prepared,
    supervision: Supervision,
    environ: Mapping[str, str],
    *,
    server_url: str,
    flags: tuple[str, ...] = (),
    code: str = "",
) -> Decision:
    """Have the wanted agent running in the SYSTEM context.

    Args:
        layout: the installation.
        prepared: what to run.
        supervision: its watcher.
        environ: the environment to pass on.
        server_url: where its Engine is; empty to leave that to its own settings.
        flags: further arguments of the program.
        code: an enrolment token or code to enrol with; the agent is then started anew.

    Raises:
        CannotGoOn: it did not start.
        OSError: disk full, read-only, no right.
    """
    wanted = Started(prepared.version, prepared.environment, server_url)
    state = supervision.state()
    decision = decide(state, wanted)
    moved = state.started is not None and bool(server_url) and state.started.url != server_url
    if decision == "keep" and (code or moved):
        decision = "restart"
    if decision != "keep":
        if decision == "restart":
            supervision.stop()
        if code:
            hand_over(layout, environ, code)
        extra = {"BOREALIS_ROOT": str(layout.root), "BOREALIS_AGENT_MODE": "system", **SMALL_AT_REST}
        if server_url:
            extra["BOREALIS_SERVER_URL"] = server_url
        prepared.use()  # it is started by the pointers, and again by them after each update of its own
        command = starting(prepared.runtime, ["--system-service", *flags])
        script = prepared.code / "supervise.sh"
        supervision.start(command, program_environ(environ, extra), wanted, script=script)
    else:
        prepared.use()
    return decision


def wait_for(
    what: str,
    probe: Callable[[], Value | None],
    supervision: Supervision,
    *,
    seconds: float,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Value:
    """Ask ``probe`` until it gives something, as long as the program lives.

    Raises:
        CannotGoOn: the program ended, or ``seconds`` went by.
    """
    deadline = monotonic() + seconds
    while True:
        value = probe()
        if value is not None:
            return value
        check_alive(supervision)
        if monotonic() >= deadline:
            name = supervision.runtime.name
            raise CannotGoOn(
                f"Waited {seconds:.0f} s for {what} in vain.", log=supervision.runtime.logs / f"{name}.log"
            )
        sleep(_POLL)


def check_alive(supervision: Supervision) -> None:
    """See that a program has not ended since it was started.

    Raises:
        CannotGoOn: it has; with its last words where a person has to act.
    """
    state = supervision.state()
    name = "Engine" if supervision.runtime.name == "engine" else "agent"
    if state.exits and state.exits[-1].status == PERSON_MUST_ACT:
        raise CannotGoOn(f"The {name} cannot go on: {last_words(supervision.runtime)}")
    if state.exits:
        raise CannotGoOn(f"The {name} ended with status {state.exits[-1].status}.", log=supervision.runtime.output)
    if state.state == "stopped":
        raise CannotGoOn(f"The {name} was stopped by somebody else.")
