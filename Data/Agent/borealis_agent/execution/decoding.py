"""Bytes of a script's output to text, piece by piece, whatever the pieces' borders cut. Pure."""

import codecs
import sys
from typing import Final

FALLBACK: Final = "oem" if sys.platform == "win32" else "utf-8"
_UTF8_BOM: Final = codecs.BOM_UTF8
_UTF16_BOM: Final = codecs.BOM_UTF16_LE


class OutputDecoder:
    """UTF-8, or UTF-16 where the stream begins with its mark (Windows PowerShell).

    What is not UTF-8 is read in the console's code page from there on, on Windows; elsewhere its bytes show as
    U+FFFD. Never raises.
    """

    def __init__(self, fallback: str = FALLBACK) -> None:
        self._fallback = fallback
        self._decoder: codecs.IncrementalDecoder | None = None
        self._held = b""
        self._strict = False

    def feed(self, data: bytes, *, final: bool = False) -> str:
        """The text of the next bytes; a character that is not complete yet waits for the next call."""
        if self._decoder is None:
            data = self._held + data
            if not final and len(data) < len(_UTF8_BOM) and (_UTF8_BOM.startswith(data) or _UTF16_BOM.startswith(data)):
                self._held = data
                return ""
            self._held = b""
            data = self._begin(data)
        decoder = self._decoder
        assert decoder is not None
        if not self._strict:
            return decoder.decode(data, final)
        state = decoder.getstate()
        try:
            return decoder.decode(data, final)
        except UnicodeDecodeError:
            self._decoder = codecs.getincrementaldecoder(self._fallback)(errors="replace")
            self._strict = False
            return self._decoder.decode(state[0] + data, final)

    def _begin(self, data: bytes) -> bytes:
        if data.startswith(_UTF16_BOM):
            self._decoder = codecs.getincrementaldecoder("utf-16-le")(errors="replace")
            return data[len(_UTF16_BOM) :]
        self._strict = self._fallback != "utf-8"
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="strict" if self._strict else "replace")
        return data.removeprefix(_UTF8_BOM)
