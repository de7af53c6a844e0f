"""Remote desktop (RDP) of this machine: whether somebody could use it, making it so, and taking that back.

Owns ``changes.json`` in the role's state folder. May be called by the role ``RDP``. ``look`` changes nothing and starts
next to nothing; ``prepare`` writes down each change, with what was before, ahead of making it; ``undo`` restores that.
Nothing that was closed to the network is opened unless the order says so.
"""
