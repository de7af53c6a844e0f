"""Many devices in one process, for benchmarks and load tests: real sockets, real TLS, real signatures.

Built from the agent's own protocol code (``borealis_wire``, ``borealis_agent.trust``). What it leaves out is the
device's disk and the scripts: a simulated device answers an order without running anything.
"""

from fleet.device import SimulatedDevice
from fleet.fleet import Fleet
from fleet.seed import SeededDevice, seed_devices

__all__ = ["Fleet", "SeededDevice", "SimulatedDevice", "seed_devices"]
