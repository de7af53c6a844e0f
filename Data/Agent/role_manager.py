"""``RoleManager``: the door to the roles under upstream's name; all of it is in ``borealis_agent.roles``."""

from borealis_agent.roles import RoleRejected, RoleSupervisor, RoleWorld


class RoleManager(RoleSupervisor):
    """Loads the role files of a folder, tells them of configuration, stops them."""

    async def on_config(self, roles: list[dict[str, object]]) -> None:
        """Upstream's name for a configuration that arrived."""
        await self.config_arrived(roles)


__all__ = ["RoleManager", "RoleRejected", "RoleWorld"]
