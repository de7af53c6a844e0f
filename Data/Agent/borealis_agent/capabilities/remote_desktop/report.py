"""What is said of a machine's remote desktop, in the form that travels to the Engine."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

SECTION: Final = "remote_desktop"
"""Its place in the device's details."""
RDP_PORT: Final = 3389

Reach = Literal["nobody", "this machine", "network"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Remote desktop of one machine.

    ``reach``: who could connect as far as the addresses it listens on go; a firewall may say less. ``session``: what a
    user sees who signs in. ``starts_with_system`` and ``firewall_open`` are None where nobody can tell.
    """

    system: Literal["linux", "windows", "other"]
    server: str = ""
    installed: bool = False
    version: str = ""
    running: bool = False
    starts_with_system: bool | None = None
    port: int = RDP_PORT
    listening: tuple[str, ...] = ()
    reach: Reach = "nobody"
    encryption: str = ""
    certificate: str = ""
    session: str = ""
    sessions: tuple[str, ...] = ()
    firewall: str = ""
    firewall_open: bool | None = None
    problems: tuple[str, ...] = ()
    can_prepare: bool = False
    cannot_prepare: str = ""
    changes: tuple[str, ...] = field(default=())

    @property
    def ready(self) -> bool:
        """Whether somebody could use it now, at least from this machine."""
        return self.installed and self.running and self.reach != "nobody" and not self.problems

    def to_details(self) -> dict[str, Any]:
        """Plain JSON."""
        lists = {name: list(value) for name, value in asdict(self).items() if isinstance(value, tuple)}
        return {"ready": self.ready, **asdict(self), **lists}


def reach_of(addresses: Sequence[str]) -> Reach:
    """How far the addresses that somebody listens on can be reached from."""
    if not addresses:
        return "nobody"
    return "this machine" if all(text.startswith("127.") or text == "::1" for text in addresses) else "network"
