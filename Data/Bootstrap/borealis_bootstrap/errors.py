"""The one error of the bootstrap: a sentence for the person at the keyboard.

Owns: turning what the system said into what a person can do. May be called by every module here.
"""

import errno
from pathlib import Path

_BY_NUMBER = {
    errno.ENOSPC: "The disk is full: free some space{where} and try again.",
    errno.EDQUOT: "Your disk quota is used up: free some space{where} and try again.",
    errno.EROFS: "The file system is read-only{where}: set BOREALIS_ROOT to a folder that can be written.",
    errno.EMFILE: "Too many files are open: raise the limit (ulimit -n) and try again.",
    errno.ENAMETOOLONG: "A path is too long{where}: set BOREALIS_ROOT to a folder with a shorter name.",
}


class CannotGoOn(Exception):
    """What happened and what to do next, as one sentence; no traceback is shown.

    Args:
        sentence: for the person.
        log: a file whose end explains more; shown below the sentence.
        keep_running: what was started so far is needed to mend it, so it is not stopped.
        status: exit status, 2 where the command line was wrong.
    """

    def __init__(self, sentence: str, *, log: Path | None = None, keep_running: bool = False, status: int = 1) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.log = log
        self.keep_running = keep_running
        self.status = status


def explain(error: OSError) -> str:
    """One sentence for an error of the operating system."""
    where = f" at {error.filename}" if error.filename else ""
    number = error.errno or 0
    if number in _BY_NUMBER:
        return _BY_NUMBER[number].format(where=where)
    if number in {errno.EACCES, errno.EPERM}:
        owner = _owner_of(error.filename)
        whose = f" It belongs to {owner}." if owner else ""
        return f"No right to use {error.filename or 'a file'}.{whose} Run as its owner, or set BOREALIS_ROOT elsewhere."
    return f"The system refused{where}: {error.strerror or error}."


def _owner_of(name: object) -> str:
    """Who owns the nearest existing folder of ``name``; empty where that cannot be told."""
    if not isinstance(name, str | bytes):
        return ""
    path = Path(name.decode(errors="replace") if isinstance(name, bytes) else name)
    for candidate in (path, *path.parents):
        try:
            return candidate.owner()
        except (OSError, KeyError, NotImplementedError):
            continue
    return ""


def tail(path: Path | None, lines: int = 12) -> str:
    """The last lines of a log, empty where there is none."""
    if path is None:
        return ""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16_384))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
