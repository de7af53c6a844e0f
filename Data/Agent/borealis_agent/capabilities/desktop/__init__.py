"""Desktops for operators whom the Engine lets in through the tunnel, in the Remote Framebuffer Protocol.

A desktop is the screen of who is signed in (shown by ``x11vnc``, as that user), or one of its own, begun for an
account (``Xvnc``). Neither listens on any port: the entry accepts the connection, and what serves it stands behind a
socket that nobody else reaches. ``finding`` and ``commands`` decide what is started; ``keeper`` is the process beside
the agent that starts it, asks the user, shows that somebody watches, carries the bytes and ends it all; ``desktops`` is
what the role ``VNC`` calls. Knows nothing of roles, and believes nobody's word about who may watch.
"""
