"""Entry of the Engine: finds its packages, then runs ``borealis_engine.app``.

Exit status: 0 stopped, 3 a person has to act (the sentence is on standard error and in ``error.log``).
"""

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
for _folder in (_HERE, _HERE.parent / "Shared"):
    if _folder.is_dir() and str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))


def main() -> int:
    """Run the Engine until it is told to stop."""
    from borealis_engine.app import run

    return run(source_root=_HERE.parents[1])


if __name__ == "__main__":
    sys.exit(main())
