"""Drop-in roles: found, looked at, loaded, bound, supervised, and kept from taking each other down.

May be called by: ``app``, ``role_manager`` (the door with upstream's name). Fulfils ``intake.ports.Router``. A role
file lives through: inspect (read as text, not run) → load → bind (``Role(ctx)``) → ``register_events`` → running →
``on_config`` … → ``stop_all``. What fails is rejected with file, stage and reason; the next role still starts.
"""

from borealis_agent.roles.health import HealthBoard, RoleRejected
from borealis_agent.roles.supervisor import RoleSupervisor, RoleWorld

__all__ = ["HealthBoard", "RoleRejected", "RoleSupervisor", "RoleWorld"]
