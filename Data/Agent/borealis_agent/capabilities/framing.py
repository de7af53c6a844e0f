"""How answers of an asked process travel: two lengths (4 bytes each, big-endian), a JSON object, further bytes."""

import json
import struct
from collections.abc import Mapping
from typing import Any, Final

HEAD: Final = struct.Struct(">II")


def framed(about: Mapping[str, Any], data: bytes = b"") -> bytes:
    """An answer as it travels."""
    head = json.dumps(about).encode("ascii")
    return HEAD.pack(len(head), len(data)) + head + data
