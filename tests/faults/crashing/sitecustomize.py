"""Put on the path of a program under test: ends it by SIGKILL before its n-th durable step, once a file says which n.

Durable steps are those that a crash can fall between: appending, syncing, renaming, truncating, starting a process.
"""

import os
import signal
from collections.abc import Callable
from typing import Any

_WISH = os.environ.get("BOREALIS_TEST_CRASH", "")
_left: list[int] = []


def _step() -> None:
    if not _left:
        try:
            with open(_WISH) as file:  # noqa: PTH123  this runs before anything else is imported
                _left.append(int(file.read()))
        except (OSError, ValueError):
            return
    _left[0] -= 1
    if _left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def _watched(work: Callable[..., Any]) -> Callable[..., Any]:
    def watched(*arguments: Any, **options: Any) -> Any:
        _step()
        return work(*arguments, **options)

    return watched


if _WISH:
    import subprocess

    for _name in ("fsync", "fdatasync", "ftruncate", "replace", "rename", "write"):
        setattr(os, _name, _watched(getattr(os, _name)))
    subprocess.Popen.__init__ = _watched(subprocess.Popen.__init__)  # type: ignore[method-assign]
