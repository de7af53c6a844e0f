"""Starts the agent by the pointers: ``begin.py RUNTIME [ARGUMENT ...]``; what else it does stands in the package.

Lies in every staged version, and is run from the one that the pointer names: the one that is known to work. So it is
never the code of a new version that decides whether the new version stays.
"""

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
for _folder in (_HERE.parent / "Shared", _HERE):
    sys.path.insert(0, str(_folder))


def main() -> int:
    """Carry out one command and give its exit status."""
    from borealis_bootstrap.begin import run

    return run(sys.argv[1:], code=_HERE)


if __name__ == "__main__":
    sys.exit(main())
