"""Why something about a file is not done: a word for programs, a sentence for the operator."""

import errno
from typing import Final

from borealis_wire.files import FileRefusal

_REASONS: Final = {
    errno.ENOENT: (FileRefusal.NOT_FOUND, "There is no {path}."),
    errno.EACCES: (FileRefusal.NO_RIGHT, "{account} may not do that with {path}."),
    errno.EPERM: (FileRefusal.NO_RIGHT, "{account} may not do that with {path}."),
    errno.EISDIR: (FileRefusal.IS_FOLDER, "{path} is a folder."),
    errno.ENOTDIR: (FileRefusal.NOT_FOLDER, "A part of {path} is no folder."),
    errno.EEXIST: (FileRefusal.EXISTS, "{path} is there already."),
    errno.ENOTEMPTY: (FileRefusal.NOT_EMPTY, "{path} is not empty."),
    errno.ENOSPC: (FileRefusal.NO_SPACE, "There is no space left for {path}."),
    errno.EDQUOT: (FileRefusal.NO_SPACE, "{account} has no space left for {path}."),
    errno.EROFS: (FileRefusal.READ_ONLY, "{path} is on a disk that is read-only."),
    errno.ENAMETOOLONG: (FileRefusal.TOO_LONG, "The name of {path} is too long."),
    errno.ELOOP: (FileRefusal.NOT_FOUND, "The links of {path} lead nowhere."),
}


class FileFault(Exception):
    """It is not done. The text is a sentence for the operator."""

    def __init__(self, reason: FileRefusal, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


def fault_of(error: OSError, path: str, account: str) -> FileFault:
    """What an error of the system means for whoever asked about ``path``, as ``account``."""
    reason, sentence = _REASONS.get(error.errno or 0, (FileRefusal.FAILED, ""))
    if not sentence:
        return FileFault(reason, f"{path}: {error.strerror or error}.")
    return FileFault(reason, sentence.format(path=path, account=account))
