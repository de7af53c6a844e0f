"""Entry of the bootstrap: finds its packages beside itself, then runs ``borealis_bootstrap``.

Started by ``Borealis.sh`` and ``Borealis.ps1`` with the machine's own Python, isolated (``-I``): standard library only.
"""

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
for _folder in (_HERE.parent / "Shared", _HERE):
    sys.path.insert(0, str(_folder))


def main() -> int:
    """Carry out one command and give its exit status."""
    from borealis_bootstrap.app import run

    return run(sys.argv[1:], checkout=_HERE.parents[1])


if __name__ == "__main__":
    sys.exit(main())
