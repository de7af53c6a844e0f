"""The language that Agent and Engine both speak: names, messages, limits, sealing. No I/O, imports nothing of ours.

Owns: every event name, REST path, message shape, refusal code and size limit that crosses the network.
May be used by: both programs, the fleet simulator, the tests. Another implementation can check itself
against the files in ``vectors/``.
"""

from typing import Final

PROTOCOL_VERSION: Final = 1
"""Raised when a message changes in a way that an older peer cannot read."""
