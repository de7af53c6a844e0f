"""What guards a secret file beyond its mode: DPAPI on Windows, nothing elsewhere (contract 2 and 3)."""

import sys
from typing import Protocol

from borealis_wire.events import RunContext


class SecretProtection(Protocol):
    """Wraps bytes before they are written, and unwraps them after they were read."""

    def protect(self, data: bytes) -> bytes:
        """The form that goes to disk.

        Raises:
            OSError: the system refused.
        """

    def unprotect(self, data: bytes) -> bytes:
        """The bytes that were protected.

        Raises:
            ValueError: torn, or made on another machine or by another user.
        """


class FileModes:
    """Files of mode 0600 or 0400 are all the protection there is: any key we could wrap them with lies beside them."""

    def protect(self, data: bytes) -> bytes:
        """As they are."""
        return data

    def unprotect(self, data: bytes) -> bytes:
        """As they are."""
        return data


if sys.platform == "win32":
    from borealis_agent.platform.windows import dpapi_protect, dpapi_unprotect

    class Dpapi:
        """DPAPI in the scope of the machine for SYSTEM, of the user for CURRENTUSER; each falls back to the other."""

        def __init__(self, *, machine: bool) -> None:
            self._machine = machine

        def protect(self, data: bytes) -> bytes:
            """Encrypted for this machine or user."""
            try:
                return dpapi_protect(data, machine=self._machine)
            except OSError:
                return dpapi_protect(data, machine=not self._machine)

        def unprotect(self, data: bytes) -> bytes:
            """Decrypted."""
            try:
                return dpapi_unprotect(data)
            except OSError as error:
                raise ValueError(f"DPAPI cannot open it: {error}") from error


def protection_for(context: RunContext) -> SecretProtection:
    """The protection of this system for an agent in ``context``."""
    if sys.platform == "win32":
        return Dpapi(machine=context is RunContext.SYSTEM)
    return FileModes()
