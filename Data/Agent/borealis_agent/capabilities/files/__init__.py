"""Files to and from this device, and what is in its folders, for whom the Engine lets in through the tunnel.

Each order is carried out by a process of its own that has become the account that the order names before it looks at
any path: what that account may not do, the system refuses. ``carrier`` is in the agent and starts these processes;
``child`` and what it imports is what they run. Owns the folder of notes about files that did not arrive whole.
"""
