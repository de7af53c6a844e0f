"""What this room needs from the rooms above it."""

from typing import Any, Protocol


class Inbox(Protocol):
    """Where everything goes that comes from the Engine; ``intake.Intake`` fulfils it. No method raises."""

    async def job_arrived(self, payload: Any, *, polled: bool = False) -> dict[str, Any]:
        """``quick_job_run``; gives the acknowledgement. ``polled``: nobody hears an acknowledgement."""

    async def cancel_arrived(self, payload: Any) -> None:
        """``quick_job_cancel``."""

    async def keys_arrived(self, payload: Any) -> None:
        """``signing_keys_changed``."""

    async def event_arrived(self, event: str, payload: Any) -> Any:
        """Any other event; gives the acknowledgement, None for none."""

    def running_ids(self) -> list[str]:
        """Runs in journal or outbox, which the Engine need not send again."""

    def session_began(self) -> None:
        """The Engine hears us again: what waits can be sent."""
