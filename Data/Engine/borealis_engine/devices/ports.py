"""What devices needs of the rooms beside it, as Protocols."""

from typing import Protocol


class Actor(Protocol):
    """Who wants something; an operator's ``Principal`` is one."""

    @property
    def username(self) -> str:
        """For the audit log."""

    @property
    def sites(self) -> frozenset[int] | None:
        """The sites they are limited to; None for all."""

    def sees_site(self, site_id: int | None) -> bool:
        """Whether things of this site exist for them."""
