"""Making a package of our own code ready: unpacking it with care, and having it stage itself; each in a child process.

Knows nothing of roles, orders or the Engine: what comes here was verified. May be called by ``updating``.
"""
