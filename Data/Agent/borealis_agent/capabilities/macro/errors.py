"""What ends a macro before its time."""


class CannotType(Exception):
    """Nothing more is typed; the text tells a person why."""


class Stopped(Exception):
    """Whoever asked wants it to end."""
