"""Sheets for ``Docs/images/pages`` from the pictures that ``screenshots`` took, one for each page and fleet.

``python -m sheets PICTURES FOLDER``. A sheet shows light and dark, wide and narrow side by side, and is kept small.
"""

import argparse
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Final

from PIL import Image

_NAME: Final = re.compile(r"(?P<place>.+-\d+)-(?P<scheme>light|dark)-(?P<width>\d+)\.png")
_ORDER: Final = (("light", 1440), ("dark", 1440), ("light", 390), ("dark", 390))
HEIGHT: Final = 450
GAP: Final = 12
QUALITY: Final = 55


def main() -> int:
    """Parse, and make every sheet whose four pictures are there."""
    parser = argparse.ArgumentParser(prog="sheets", description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, variants in sorted(found(options.pictures).items()):
        file = options.folder / f"{name}.webp"
        sheet([variants[key] for key in _ORDER if key in variants]).save(file, quality=QUALITY, method=6)
        print(f"{file.name}: {file.stat().st_size // 1024} kB, {len(variants)} pictures", flush=True)
    return 0


def found(folder: Path) -> dict[str, dict[tuple[str, int], Path]]:
    """Pictures by place and number of devices, and then by colours and width."""
    places: dict[str, dict[tuple[str, int], Path]] = defaultdict(dict)
    for path in folder.glob("*.png"):
        match = _NAME.fullmatch(path.name)
        if match:
            places[match["place"]][match["scheme"], int(match["width"])] = path
    return places


def sheet(paths: list[Path]) -> Image.Image:
    """Pictures side by side, each ``HEIGHT`` pixels high."""
    shrunk = []
    for path in paths:
        with Image.open(path) as picture:
            width = round(picture.width * HEIGHT / picture.height)
            shrunk.append(picture.convert("RGB").resize((width, HEIGHT), Image.Resampling.LANCZOS))
    whole = Image.new("RGB", (sum(one.width for one in shrunk) + GAP * (len(shrunk) - 1), HEIGHT), "white")
    left = 0
    for one in shrunk:
        whole.paste(one, (left, 0))
        left += one.width + GAP
    return whole


if __name__ == "__main__":
    sys.exit(main())
