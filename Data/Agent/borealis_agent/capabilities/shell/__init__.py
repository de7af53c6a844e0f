"""Remote shells: a real terminal for an operator whom the Engine lets in, on an entry that only the tunnel reaches.

Owns: the keepers of terminals (one child process for each shell) and what they start. Called by
the role ``RemotePowershell``. Believes nobody's word about who may open a shell: the order that comes with each
connection goes to the agent's trust first.
"""
