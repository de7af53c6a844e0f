"""The machine as heartbeats and enrolment see it: names, load, up-time, rights.

Reads the system's own figures; psutil alone would cost the agent 4 MB at rest.
"""

import socket
import sys

from borealis_wire.limits import HOSTNAME_MAX

if sys.platform == "win32":
    from borealis_agent.platform.windows import (
        CpuMeter,
        active_user,
        current_user,
        is_privileged,
        memory_percent,
        operating_system,
        own_memory,
        process_exists,
        uptime_seconds,
    )
else:
    from borealis_agent.platform.linux import (
        CpuMeter,
        active_user,
        current_user,
        is_privileged,
        memory_percent,
        operating_system,
        own_memory,
        process_exists,
        uptime_seconds,
    )

__all__ = [
    "CpuMeter",
    "active_user",
    "current_user",
    "hostname",
    "is_privileged",
    "memory_percent",
    "operating_system",
    "own_memory",
    "process_exists",
    "uptime_seconds",
]


def hostname() -> str:
    """The machine's name, at most 253 characters; ``unknown`` where it has none."""
    return socket.gethostname().strip()[:HOSTNAME_MAX] or "unknown"
