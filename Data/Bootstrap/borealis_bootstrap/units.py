"""The text of the systemd units, and of the entry that starts an agent in a session without systemd. Pure.

Owns what the services may do. May be called by services.
"""

from dataclasses import dataclass
from typing import Final, Literal

from borealis_bootstrap.begin import starting
from borealis_bootstrap.layout import SMALL_AT_REST, Layout

UnitName = Literal["borealis-engine.service", "borealis-agent.service", "borealis-agent-user.service"]
ENGINE_UNIT: Final[UnitName] = "borealis-engine.service"
AGENT_UNIT: Final[UnitName] = "borealis-agent.service"
USER_UNIT: Final[UnitName] = "borealis-agent-user.service"
AUTOSTART: Final = "borealis-agent.desktop"

# Tried again for ever (StartLimitIntervalSec=0 above it), but an end that only a person can mend (status 3) is not
# hammered at: systemd 254 and later lengthen the pauses, earlier ones keep to five seconds.
_RESTART: Final = """\
Restart=always
RestartSec=5s
RestartSteps=8
RestartMaxDelaySec=300s
"""


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit file."""

    name: UnitName
    text: str


def root_mark(layout: Layout) -> str:
    """The line that tells whose unit this is: installations side by side leave each other's alone."""
    return f"Environment={_quoted(f'BOREALIS_ROOT={layout.root}')}\n"


def engine_unit(layout: Layout, *, owner: str, port: int, extra: dict[str, str]) -> Unit:
    """The Engine: may write its own folder and nothing else.

    Args:
        layout: the installation.
        owner: the account that owns the Engine's folder; the service runs as it.
        port: where it listens.
        extra: further settings from the environment of ``install`` (``BOREALIS_…``).
    """
    runtime = layout.engine
    command = [str(runtime.venv / "bin" / "python"), str(runtime.code / "current" / runtime.entry)]
    environment = {
        **extra,
        "BOREALIS_ROOT": str(layout.root),
        "BOREALIS_ENGINE_ROOT": str(layout.engine_folder),
        "BOREALIS_ENGINE_PORT": str(port),
        "PYTHONNOUSERSITE": "1",
    }
    low_port = "CAP_NET_BIND_SERVICE" if port < 1024 else ""
    return Unit(
        ENGINE_UNIT,
        _header("Borealis Engine", "After=network-online.target\nWants=network-online.target\n")
        + f"""
[Service]
Type=exec
User={_value(owner)}
ExecStart={_command(command)}
{_environment(environment)}{_RESTART}\
TimeoutStopSec=40s
LimitNOFILE=65536
UMask=0077
WorkingDirectory=/
# What the Engine holds can run anything on every device: it gets its own folder and the network, nothing else.
ProtectSystem=strict
ReadWritePaths={_quoted(str(layout.engine_folder))}
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
NoNewPrivileges=yes
CapabilityBoundingSet={low_port}
AmbientCapabilities={low_port}
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
""",
    )


def agent_unit(layout: Layout, *, server_url: str, trust_on_first_use: bool) -> Unit:
    """The SYSTEM agent. It is there to run operators' scripts with all rights, and those inherit what it may not do:
    so it is confined in nothing that a script could need.

    It is started by the pointers through ``begin``, which becomes the agent: the main process stays the same one.
    """
    environment = _agent_environment(layout, server_url)
    environment["BOREALIS_AGENT_MODE"] = "system"
    flags = ["--system-service", *(["--trust-on-first-use"] if trust_on_first_use else [])]
    return Unit(
        AGENT_UNIT,
        _header("Borealis agent (SYSTEM)", "After=network-online.target\nWants=network-online.target\n")
        + f"""
[Service]
Type=notify
NotifyAccess=main
ExecStart={_command(starting(layout.agent, flags))}
{_environment(environment)}{_RESTART}\
# The agent ends itself when its loop stands still for two minutes (hang_seconds), and tells where. This sees what it
# cannot see itself: a process that is stopped as a whole.
WatchdogSec=240s
TimeoutAbortSec=10s
# Of agent and scripts together, so that no script takes the machine with it; the agent alone has memory_limit_mb. What
# the kernel ends for want of memory is a script, as a rule: that is no reason to end the others.
MemoryMax=80%
OOMPolicy=continue
# A script's own processes end with their run, by the agent; those of a run that goes on are not left behind either.
KillMode=mixed
TimeoutStopSec=40s
UMask=0077
WorkingDirectory=/

[Install]
WantedBy=multi-user.target
""",
    )


def agent_user_unit(layout: Layout, *, server_url: str) -> Unit:
    """The CURRENTUSER agent: one in the session of each user who is signed in, with that user's rights."""
    return Unit(
        USER_UNIT,
        _header("Borealis agent (CURRENTUSER)", "")
        + f"""\
# Root works in the SYSTEM agent; a second one in root's own session would be no user's. The login screen, too, has a
# session, of a system account.
ConditionUser=!root
ConditionUser=!@system

[Service]
Type=exec
ExecStart={_command([*_agent_command(layout), "--config", "user"])}
{_environment(_agent_environment(layout, server_url))}{_RESTART}\
TimeoutStopSec=20s

[Install]
WantedBy=default.target
""",
    )


def autostart_mark(layout: Layout) -> str:
    """The line that tells whose entry this is."""
    return f"X-Borealis-Root={_entry_text(str(layout.root))}\n"


def agent_autostart(layout: Layout, *, server_url: str) -> str:
    """The CURRENTUSER agent for desktops that start no systemd for their users (freedesktop.org, Autostart 0.5).

    With ``--autostart`` it ends at once where the user unit does it, or another one is there already.
    """
    environment = [f"{name}={value}" for name, value in sorted(_agent_environment(layout, server_url).items())]
    command = ["/usr/bin/env", *environment, *_agent_command(layout), "--config", "user", "--autostart"]
    return (
        "[Desktop Entry]\nType=Application\nVersion=1.0\nName=Borealis agent (CURRENTUSER)\n"
        "Comment=Runs what this machine's administrators sign, with this user's rights\n"
        f"Exec={_entry_text(' '.join(map(_exec_word, command)))}\n"
        f"Terminal=false\nNoDisplay=true\nX-systemd-skip=true\n{autostart_mark(layout)}"
    )


def _exec_word(word: str) -> str:
    """One argument of ``Exec`` (Desktop Entry 1.5, "The Exec key")."""
    escaped = "".join(f"\\{char}" if char in '"`$\\' else char for char in word.replace("%", "%%"))
    return f'"{escaped}"'


def _entry_text(text: str) -> str:
    """A value of type string."""
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _agent_command(layout: Layout) -> list[str]:
    runtime = layout.agent
    entry = runtime.code / "current" / runtime.entry
    return [str(runtime.venv / "bin" / "python"), *runtime.python_flags, str(entry)]


def _agent_environment(layout: Layout, server_url: str) -> dict[str, str]:
    environment = {"BOREALIS_ROOT": str(layout.root), "PYTHONNOUSERSITE": "1", **SMALL_AT_REST}
    return {**environment, "BOREALIS_SERVER_URL": server_url} if server_url else environment


def _header(description: str, order: str) -> str:
    return f"[Unit]\nDescription={description}\n{order}StartLimitIntervalSec=0\n"


def _environment(values: dict[str, str]) -> str:
    return "".join(f"Environment={_quoted(f'{name}={value}')}\n" for name, value in sorted(values.items()))


def _command(words: list[str]) -> str:
    # In a command line, and only there, a dollar sign would name a variable.
    return " ".join(_quoted(word).replace("$", "$$") for word in words)


def _quoted(text: str) -> str:
    """One word of a unit file, whatever it holds."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{escaped}"'


def _value(text: str) -> str:
    return text.replace("%", "%%")
