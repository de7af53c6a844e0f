"""What a device is: hardware, storage, network, software, users.

Two halves. ``auditor`` and ``child`` run in the agent: they start the other half, judge by its answer whether
something changed, and send. Everything else runs in a process of its own
(``python -m borealis_agent.capabilities.inventory``, JSON on standard output) that imports the standard library
alone and ends, so that parsing package databases never stays in the agent's memory.

Owns: nothing on disk. May be called by: ``role_DeviceAudit``. Does not: write anything, load kernel modules,
start a process other than ``rpm``, or touch the network unless an external address service is configured.
"""
