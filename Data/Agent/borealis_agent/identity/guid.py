"""The device's GUID as the Engine gave it: ``Settings/Agent_GUID.txt``."""

import logging
import uuid
from pathlib import Path
from typing import Final

from borealis_base.clock import Clock
from borealis_base.files import move_aside, write_atomic

GUID_FILE: Final = "Agent_GUID.txt"

log = logging.getLogger(__name__)


def parse_guid(text: str) -> str:
    """Upper-case GUID with dashes; BOM and braces are dropped (upstream-contract 1.4).

    Raises:
        ValueError: not a GUID.
    """
    text = text.strip().lstrip("\ufeff").strip().removeprefix("{").removesuffix("}").strip()
    guid = str(uuid.UUID(text)).upper()
    if guid != text.upper():
        raise ValueError("not a GUID with dashes")
    return guid


class GuidFile:
    """Reads and writes the file; remembers nothing, because the other agent on this device may write it too."""

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        self.path = folder / GUID_FILE
        self._clock = clock

    def load(self) -> str | None:
        """The GUID; None where there is none. A torn file is moved aside and logged: the device then enrols again."""
        try:
            with self.path.open("rb") as file:
                return parse_guid(file.read(256).decode("utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:
            pass
        except OSError as error:
            log.warning("%s cannot be read: %s", self.path, error)
            return None
        try:
            log.warning("%s holds no GUID; moved to %s", self.path, move_aside(self.path, self._clock.now()).name)
        except OSError as error:
            log.warning("%s holds no GUID and cannot be moved aside: %s", self.path, error)
        return None

    def store(self, guid: str) -> None:
        """Keep the GUID.

        Raises:
            ValueError: not a GUID.
            OSError: the old file is then untouched.
        """
        write_atomic(self.path, f"{parse_guid(guid)}\n".encode("ascii"), mode=0o644)
