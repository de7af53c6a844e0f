"""What the controller needs of dispatch, as a device has it."""

from typing import Protocol

from borealis_wire.events import RunContext
from borealis_wire.messages import JobOutput, JobResult


class Reports(Protocol):
    """Who hears what becomes of runs; implemented by ``dispatch.Dispatcher``."""

    async def device_ready(self, guid: str, context: RunContext, running: set[str]) -> None:
        """There is room for more; ``running`` are the runs of this machine that are under way."""

    async def device_result(self, guid: str, context: RunContext, result: JobResult) -> dict[str, str]:
        """The end of a run. Raises ``Unavailable`` where it was not recorded."""

    async def device_output(self, guid: str, context: RunContext, output: JobOutput) -> None:
        """A piece of live output."""
