"""Decisions of an update, as functions of what is known; pure."""

from collections.abc import Mapping
from typing import Any, Final

from borealis_base.trial import Build, Update
from borealis_wire.events import RefusalCode
from borealis_wire.refusal import Refused
from borealis_wire.updates import UpdateOrder, UpdateStatus, is_older

WELL: Final = frozenset({"running"})
_TOLD: Final[Mapping[str, UpdateStatus]] = {
    "installed": UpdateStatus.INSTALLED,
    "rolled_back": UpdateStatus.ROLLED_BACK,
    "failed": UpdateStatus.ERROR,
}


def check_order(order: UpdateOrder, *, running: str, release: str, starter: str, update: Update | None) -> None:
    """Whether this agent may follow an order that was verified.

    Args:
        order: what it says.
        running: the build that runs.
        release: that build's.
        starter: the interpreter that starts us by the pointers; empty where something else did.
        update: one that is not told to its end yet.

    Raises:
        Refused: ``not_updatable``, ``busy`` or ``older_release``.
    """
    if not starter or not running or running == "source":
        raise Refused(RefusalCode.NOT_UPDATABLE, "this agent was not started by Borealis.sh or a service of ours")
    if update is not None:
        raise Refused(RefusalCode.BUSY, f"the update {update.request_id} is {update.state} and not told to its end yet")
    if not order.allow_older and is_older(order.release, release):
        raise Refused(RefusalCode.OLDER_RELEASE, f"release {order.release} is older than {release}, which runs")


def well_roles(health: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Roles that do what they should, and their files: a file that cannot even be read tells no name."""
    well = {name: said for name, said in health.items() if said.get("state") in WELL}
    return tuple(sorted({*well, *(str(said["file"]) for said in well.values() if said.get("file"))}))


def worse_roles(before: tuple[str, ...], health: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Roles that were well and are not any more, and why. One that the new version does not have counts as meant."""
    return {
        name: str(said.get("reason") or said.get("state"))
        for name, said in health.items()
        if said.get("state") == "rejected" and (name in before or said.get("file") in before)
    }


def status_of(update: Update) -> UpdateStatus | None:
    """What the Engine is told of an update that has ended; None for one that has not."""
    return _TOLD.get(update.state)


def is_ours_on_trial(update: Update | None, *, running: str) -> bool:
    """Whether we are the new version that has to prove itself."""
    return update is not None and update.state == "trial" and update.new.version == running and not update.reason


def cut_off(update: Update) -> Update:
    """What becomes of an update that was being prepared when the agent ended."""
    return update.ended("failed", "The agent ended while it prepared the update. Nothing was changed.")


def begun(order: UpdateOrder, *, running: Build, roles: tuple[str, ...], seconds: float) -> Update:
    """An order that is being followed."""
    return Update(order.request_id, "preparing", running, Build(order.build_id), roles=roles, seconds=seconds)
