"""Entries: ports of a device, inside the tunnel, that a connection enters with a sealed order of its own.

A shell, a desktop, a file and a forwarded connection are entered in the same way; a kind of entry says what its orders
are called and how they are read. An order is for one connection: the device follows none twice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class EntryOrder(Protocol):
    """What every order for an entry has. Times are Unix seconds; ``order_id`` is unique."""

    @property
    def order_id(self) -> str:
        """Unique; no order is followed twice."""

    @property
    def device_guid(self) -> str:
        """The device that it is for."""

    @property
    def asked_by(self) -> str:
        """The operator's name."""

    @property
    def issued_at(self) -> float:
        """When it was sealed."""

    @property
    def expires_at(self) -> float:
        """When nobody may enter with it any more."""

    @property
    def run_id(self) -> str:
        """What the journal knows it by."""

    @property
    def job_id(self) -> str:
        """What the journal calls its kind."""


Order = TypeVar("Order", bound=EntryOrder)
OrderT_co = TypeVar("OrderT_co", bound=EntryOrder, covariant=True)


@dataclass(frozen=True, slots=True)
class EntryKind(Generic[OrderT_co]):
    """One kind of entry.

    Attributes:
        payload_type: of the envelopes of its orders.
        parse: reads the bytes of an order; raises ``Refused`` with ``malformed``.
        whose: begins the sentence that refuses it in a user's agent, such as "shells are".
    """

    payload_type: str
    parse: Callable[[bytes], OrderT_co]
    whose: str
