"""How each role is, as operators see it in the heartbeat, and the one exception for a role that cannot be had."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from borealis_agent.role_api import RoleHealth
from borealis_agent.roles.guard import FAULTS, time_limit, words

Stage = Literal["inspect", "load", "bind", "register_events", "on_config", "run", "shut_out", "stop_all"]
_MAX_REASON: Final = 300
_MAX_EXTRA_MEMBERS: Final = 20
_REPORT_SECONDS: Final = 2.0

log = logging.getLogger(__name__)


class RoleRejected(Exception):
    """A role file that is not used. ``stage`` says how far it came, ``reason`` what to mend."""

    def __init__(self, file: str, stage: Stage, reason: str) -> None:
        super().__init__(f"role {file} was rejected at {stage}: {reason}")
        self.file = file
        self.stage = stage
        self.reason = reason


class HealthBoard:
    """The health of all roles."""

    def __init__(self, *, seconds: float = _REPORT_SECONDS) -> None:
        self._seconds = min(seconds, _REPORT_SECONDS)
        self._roles: dict[str, RoleHealth] = {}
        self._reports: dict[str, Callable[[], Mapping[str, Any]]] = {}

    def running(self, name: str, file: str) -> None:
        """A role came up; what it did wrong on the way stays said."""
        known = self._roles.get(name)
        degraded = known is not None and known.state == "degraded"
        self._roles[name] = replace(known, file=file) if known and degraded else RoleHealth(name, "running", file)

    def rejected(self, name: str, error: RoleRejected) -> None:
        """A role is not used; said in ``agent.error.log`` too. One that runs under this name keeps its place."""
        log.error("%s", error)
        key = name if name not in self._roles else f"{name} ({error.file})"
        self._roles[key] = RoleHealth(key, "rejected", error.file, error.stage, error.reason[:_MAX_REASON])

    def degraded(self, name: str, stage: Stage, error: BaseException) -> None:
        """Something of a running role failed; it goes on with the rest."""
        log.error("role %s failed at %s: %r", name, stage, error, exc_info=error)
        reason = words(error)[:_MAX_REASON]
        current = self._roles.get(name, RoleHealth(name, "running"))
        self._roles[name] = replace(current, state="degraded", stage=stage, reason=reason)

    def stopped(self, name: str) -> None:
        """A role was stopped."""
        if name in self._roles:
            self._roles[name] = replace(self._roles[name], state="stopped")

    def reporter(self, name: str, report: Callable[[], Mapping[str, Any]]) -> None:
        """A role that tells more about itself."""
        self._reports[name] = report

    def state(self, name: str) -> RoleHealth | None:
        """One role."""
        return self._roles.get(name)

    def report(self) -> dict[str, dict[str, Any]]:
        """What the heartbeat carries: name to ``{"state", …}``, only members that say something."""
        return {name: self._one(health) for name, health in self._roles.items()}

    def _one(self, health: RoleHealth) -> dict[str, Any]:
        members = {"state": health.state, "file": health.file, "stage": health.stage, "reason": health.reason}
        said = {name: text for name, text in members.items() if text}
        report = self._reports.get(health.name)
        if report is None or health.state != "running":
            return said
        try:
            with time_limit(self._seconds):
                return {**said, **dict(list(report().items())[:_MAX_EXTRA_MEMBERS])}
        except FAULTS as error:  # a role's own report must not cost the heartbeat
            reason = f"health_report: {words(error)}"[:_MAX_REASON]
            return {**said, "state": "degraded", "stage": "run", "reason": reason}
