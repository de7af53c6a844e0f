"""What differs between systems, behind one API per concern.

``machine``: who and where we are, and how the machine is. ``protection``: what guards secrets at rest beyond
file modes. Owns: every ``sys.platform`` branch of its concerns. May be called by: every room above.
"""
