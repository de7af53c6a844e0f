"""A file that comes from a device."""

import hashlib
import re
from collections.abc import AsyncIterator, Callable
from typing import Final

from borealis_engine.core.errors import Conflict
from borealis_engine.lines import Stay
from borealis_engine.lines.line import READ_BYTES
from borealis_engine.transfers.line import FilesLine, nonsense, whole_number
from borealis_wire.files import MAX_FILE_BYTES

_VERSION: Final = re.compile(r"[0-9a-f-]{1,128}")


class Reading:
    """What the device said of a file, and then its bytes from ``offset`` to ``size``.

    ``version`` names this state of the file. Raises ``Unavailable`` where the device's answer is none.
    """

    def __init__(self, line: FilesLine, stay: Stay, keep: Callable[[str], None]) -> None:
        self._line = line
        self._stay = stay
        self._keep = keep
        told = line.opened
        self.transfer_id = stay.stay_id
        self.path = str(told.get("path", ""))
        self.size = whole_number(told.get("size"), MAX_FILE_BYTES)
        self.offset = whole_number(told.get("offset"), self.size)
        self.version = str(told.get("version", ""))
        if _VERSION.fullmatch(self.version) is None:
            raise nonsense()
        self.done = self.offset

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes. The last piece is held back until the device's digest of all of them is found to hold.

        Raises:
            Conflict: ``files_digest_mismatch``.
            Unavailable: the connection was lost.
        """
        digest, last = hashlib.sha256(), b""
        while self.done < self.size:
            if last:
                yield last
            last = await self._line.plain(min(self.size - self.done, READ_BYTES))
            digest.update(last)
            self.done += len(last)
        said = await self._line.told("done")
        if said.get("part") != digest.hexdigest():
            raise Conflict("files_digest_mismatch", "The file did not arrive as the device sent it. Try again.")
        whole = str(said.get("whole", ""))[:64]
        self._stay.detail["sha256"] = whole
        self._keep(whole)
        if last:
            yield last
