"""Numbers of accounts that nobody has, one for each stage, so that stages can do nothing to each other either."""

import sys
from collections.abc import Callable
from typing import Final

from borealis_engine.core.errors import Unavailable

FIRST: Final = 60_700
LAST: Final = 61_100
"""systemd's table of uids calls the numbers from 60,578 to 61,183 unused; containers with 65,536 numbers have them."""


class AccountNumbers:
    """Hands out numbers, each to one stage at a time.

    Args:
        is_known: whether an account or a group of this machine has a number.
    """

    def __init__(self, is_known: Callable[[int], bool] | None = None) -> None:
        self._is_known = is_known or _is_known
        self._taken: set[int] = set()

    def take(self) -> tuple[int, int]:
        """A uid and a gid.

        Raises:
            Unavailable: all are in use.
        """
        for number in range(FIRST, LAST + 1):
            if number not in self._taken and not self._is_known(number):
                self._taken.add(number)
                return number, number
        raise Unavailable("rdp_proxy_unavailable", "The Engine's machine has no number left for one more account.")

    def give_back(self, ids: tuple[int, int]) -> None:
        """The stage is gone."""
        self._taken.discard(ids[0])


def _is_known(number: int) -> bool:
    if sys.platform == "win32":
        return False
    import grp
    import pwd

    for look in (pwd.getpwuid, grp.getgrgid):
        try:
            look(number)
        except KeyError:
            continue
        return True
    return False
