"""Entry of the Engine: finds its packages, then runs ``borealis_engine.app``.

Exit status: 0 stopped, 3 a person has to act (the sentence is on standard error and in ``error.log``).
"""

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
for _folder in (_HERE, _HERE.parent / "Shared"):
    if _folder.is_dir() and str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))


# Installed for the agent, the command line or a library's other uses. Libraries of the Engine load them wherever they
# are there, and do without them where they are not: a fifth of its start, and 20 MB of memory.
_NOT_FOR_A_SERVER = ("aiohttp", "better_exceptions", "pydantic", "requests", "rich", "websocket")


def main() -> int:
    """Run the Engine until it is told to stop."""
    for name in _NOT_FOR_A_SERVER:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    from borealis_engine.app import run

    return run(source_root=_HERE.parents[1])


if __name__ == "__main__":
    sys.exit(main())
