"""Inventory: sends what this device is to the Engine, whole at first, then only when something changed."""

import os
import random
from collections.abc import Mapping
from typing import Any

from borealis_agent.capabilities.inventory.auditor import Auditor, interval_seconds
from borealis_agent.capabilities.inventory.child import Report, collect_in_child
from borealis_agent.role_api import BaseRole, RoleContext
from borealis_base.clock import SystemClock
from borealis_wire.events import Rest

ROLE_NAME = "device_audit"
ROLE_CONTEXTS = ["system"]

EXTERNAL_IP_URL = "BOREALIS_EXTERNAL_IP_URL"
"""Environment variable: a service that answers with the caller's address as text. Unset, nothing is asked."""


class Role(BaseRole):
    """Posts ``/api/agent/details``; the looking is done by ``capabilities.inventory`` in a process of its own."""

    def __init__(self, ctx: RoleContext) -> None:
        super().__init__(ctx)
        self._auditor = Auditor(
            collect=collect_in_child,
            send=self._send,
            clock=SystemClock(),
            rng=random.Random(),  # noqa: S311  (jitter)
            interval=lambda: interval_seconds(ctx.config.data.get("audit_interval_minutes")),
            log=ctx.log,
            external_ip_url=os.environ.get(EXTERNAL_IP_URL, "").strip(),
        )

    def register_events(self) -> None:
        """Begin. Not ended by an empty ``agent_config``: a device without configured roles has an inventory too."""
        self.ctx.start_task("device audit", self._auditor.run())

    def health_report(self) -> Mapping[str, Any]:
        """Whether the last inventory reached the Engine, and which parts of it could not be read."""
        return self._auditor.health()

    async def _send(self, report: Report) -> None:
        await self.ctx.post_json(
            Rest.DETAILS,
            {
                "agent_id": self.ctx.agent_id,
                "hostname": report.hostname,
                "agent_build_id": str(self.ctx.extra.get("agent_build_id", "")),
                "details": report.details,
                "complete": report.complete,
            },
        )
