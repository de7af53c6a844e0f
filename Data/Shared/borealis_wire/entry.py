"""Entries: ports of a device, inside the tunnel, that a connection enters with a sealed order of its own.

A shell, a desktop, a file and a forwarded connection are entered in the same way; a kind of entry says what its orders
are called and how they are read. An order is for one connection: the device follows none twice.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from borealis_wire import strict_json


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


class EntryOrderBase:
    """What the orders for entries, each a frozen dataclass, have in common beyond their members."""

    __slots__ = ()
    JOB_ID: ClassVar[str]
    order_id: str

    @property
    def run_id(self) -> str:
        """What the journal knows it by."""
        return self.order_id

    @property
    def job_id(self) -> str:
        """What the journal calls its kind."""
        return self.JOB_ID

    @classmethod
    def names(cls) -> frozenset[str]:
        """Of all members that its JSON object has."""
        return frozenset(one.name for one in fields(cls))  # type: ignore[arg-type]  # a dataclass, below

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; its kind's ``parse`` reads it back."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}  # type: ignore[arg-type]
        return {name: value.value if isinstance(value, StrEnum) else value for name, value in found.items()}

    def to_payload(self) -> bytes:
        """The canonical bytes that are sealed."""
        return strict_json.canonical(self.to_json())


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
