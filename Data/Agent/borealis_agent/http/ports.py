"""What this room needs from the rooms beside and above it."""

from typing import Protocol


class TrustPort(Protocol):
    """The pinned Engine; ``trust.TrustStore`` fulfils it."""

    @property
    def ca_pin(self) -> str:
        """Hex SHA-256 of the pinned CA's SPKI; empty where nothing is pinned."""

    @property
    def ca_pem(self) -> str:
        """The pinned CA."""

    @property
    def engine_url(self) -> str:
        """The address that was used at enrolment."""

    @property
    def signing_key_base64(self) -> str:
        """The Engine's current signing key, base64 SPKI."""

    def reload(self) -> bool:
        """Take up what the other agent of this device wrote; true if it changed something."""

    def replace_ca_certificate(self, pem: str) -> None:
        """Take a renewed certificate of the same CA key."""


class Enroller(Protocol):
    """Gets this device enrolled; ``enrolment.EnrolmentFlow`` fulfils it."""

    async def enrol(self, reason: str, *, anew: bool = False) -> None:
        """Return when GUID, tokens and trust are on disk; may take as long as an operator takes.

        Args:
            reason: for the log.
            anew: also where there are tokens already: an operator gave a code that was not used yet.

        Raises:
            Fatal: only a person can go on from here.
        """

    def has_unused_code(self) -> bool:
        """Whether an operator gave a code or token that did not lead to an enrolment yet."""

    def names_other_engine(self) -> bool:
        """Whether an operator gave an unused token for another Engine than the pinned one."""
