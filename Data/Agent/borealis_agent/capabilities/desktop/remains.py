"""What a keeper leaves that was itself killed: a folder. A keeper that ends by itself takes its own away."""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

FOLDER: Final = "borealis-desktop-"
"""Then the number of the keeper, and something that nobody else has."""


def sweep(place: Path | None = None) -> None:
    """Remove our folders of keepers that are not there any more."""
    if sys.platform == "win32":
        return
    for path in (place or Path(tempfile.gettempdir())).glob(f"{FOLDER}[0-9]*-*"):
        number = path.name.removeprefix(FOLDER).partition("-")[0]
        try:
            found = path.lstat()
        except OSError:
            continue
        if found.st_uid == os.geteuid() and not Path(f"/proc/{number}").exists():
            shutil.rmtree(path, ignore_errors=True)
