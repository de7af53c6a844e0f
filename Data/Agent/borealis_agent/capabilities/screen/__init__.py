"""Pictures of the signed-in user's screen: one, or many of what changes. Knows nothing of roles.

The looking is done in a child process (``eye``): libraries for pictures and X stay out of the agent's memory, and a
display that dies takes the child with it and nothing else. ``child`` starts it, ``live`` paces it, ``display`` finds
the session's screen, ``tiles`` and ``pace`` decide without I/O.
"""
