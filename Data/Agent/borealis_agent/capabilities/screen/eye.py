"""Takes pictures, in the child process (see ``asking``); an answer's further bytes are those of pictures.

Loads mss and Pillow when they are first needed, and python-xlib for the list of windows.
"""

import io
import json
import os
import sys
from typing import Any, BinaryIO, Final

from borealis_agent.capabilities.framing import framed
from borealis_agent.capabilities.screen.tiles import Tile, changed

_NO_LIBRARY: Final = (
    "The agent lacks what it takes pictures with ({name}). Install the agent again; its requirements name it."
)


class Eye:
    """Keeps the display open, and the last picture of a live view to compare with."""

    def __init__(self) -> None:
        self._mss: Any = None
        self._by_portal = _is_wayland()
        self._before: bytes | None = None

    def answer(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """What was asked for, or ``{"error": sentence}``. Never raises."""
        try:
            if self._by_portal:
                return _from_portal(request)
            match request["op"]:
                case "list":
                    return self._list(), b""
                case "picture":
                    return self._picture(request)
                case "frame":
                    return self._frame(request)
        except ImportError as error:
            return {"error": _NO_LIBRARY.format(name=error.name or error)}, b""
        except Exception as error:  # noqa: BLE001  # whatever a display does, the answer says so
            self._close()
            return {"error": f"The picture could not be taken: {str(error) or type(error).__name__}."}, b""
        return {"error": "There is no such request."}, b""

    def _list(self) -> dict[str, Any]:
        self._close()  # monitors come and go
        monitors = [
            {"number": number, "x": one["left"], "y": one["top"], "width": one["width"], "height": one["height"]}
            for number, one in enumerate(self._open().monitors)
        ]
        note, windows = "", list[dict[str, Any]]()
        try:
            windows = _windows()
        except Exception as error:  # noqa: BLE001  # a picture can be had without them
            note = f"The windows could not be listed: {str(error) or type(error).__name__}."
        return {"monitors": monitors, "windows": windows, "note": note}

    def _picture(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        self._close()
        raw, area = self._grab(request["monitor"], request["region"])
        return {**area}, _saved(_image(raw, area), request["format"], request["quality"])

    def _frame(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        if request["fresh"]:
            self._close()
            self._before = None
        raw, area = self._grab(request["monitor"], request["region"])
        tiles = changed(self._before, raw, area["width"], area["height"])
        self._before = raw
        if not tiles:
            return {**area, "tiles": []}, b""
        pieces = _pieces(raw, area, tiles, request["format"], request["quality"])
        listed = [
            [tile.x, tile.y, tile.width, tile.height, len(piece)] for tile, piece in zip(tiles, pieces, strict=True)
        ]
        return {**area, "tiles": listed}, b"".join(pieces)

    def _grab(self, number: int, region: dict[str, int] | None) -> tuple[bytes, dict[str, int]]:
        monitors = self._open().monitors
        if number >= len(monitors):
            raise ValueError(f"there is no monitor {number}, there are {len(monitors) - 1}")
        area = _area(monitors[number], region)
        shot = self._mss.grab(area)
        # What came counts: a screen may have changed its size at this moment.
        return bytes(shot.raw), {"x": area["left"], "y": area["top"], "width": shot.width, "height": shot.height}

    def _open(self) -> Any:
        if self._mss is None:
            import mss

            self._mss = mss.MSS()
        return self._mss

    def _close(self) -> None:
        opened, self._mss = self._mss, None
        if opened is not None:
            opened.close()


def serve(requests: BinaryIO, answers: BinaryIO) -> int:
    """Answer until nobody asks any more."""
    eye = Eye()
    for line in requests:
        about, data = eye.answer(json.loads(line))
        answers.write(framed(about, data))
        answers.flush()
    return 0


if sys.platform == "linux":

    def _is_wayland() -> bool:
        from borealis_agent.capabilities.screen.portal import is_wanted

        return is_wanted(os.environ)

    def _from_portal(request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """The same answers of a Wayland desktop, as far as there are some."""
        from borealis_agent.capabilities.screen import portal

        try:
            match request["op"]:
                case "list":
                    return {"monitors": [], "windows": [], "note": portal.NOT_LISTED}, b""
                case "picture" if request["monitor"] > 1:
                    return {"error": portal.ONE_PICTURE}, b""
                case "picture":
                    whole = portal.take_picture()
                    area = _area({"left": 0, "top": 0, "width": whole.width, "height": whole.height}, request["region"])
                    left, top, width, height = area["left"], area["top"], area["width"], area["height"]
                    cut = whole.crop((left, top, left + width, top + height))
                    about = {"x": left, "y": top, "width": width, "height": height}
                    return about, _saved(cut, request["format"], request["quality"])
        except portal.PortalError as error:
            return {"error": str(error)}, b""
        return {"error": portal.NOT_LIVE}, b""

else:

    def _is_wayland() -> bool:
        return False

    def _from_portal(request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """There is none here."""
        return {"error": "There is no such desktop here."}, b""


def _area(monitor: dict[str, int], region: dict[str, int] | None) -> dict[str, int]:
    """A rectangle of the desktop: the monitor, or that part of the region which lies in it."""
    left, top, width, height = monitor["left"], monitor["top"], monitor["width"], monitor["height"]
    if region is None:
        return {"left": left, "top": top, "width": width, "height": height}
    wide, high = min(region["width"], width - region["x"]), min(region["height"], height - region["y"])
    if wide < 1 or high < 1:
        raise ValueError(f"the region lies outside of the {width} x {height} pixels that there are")
    return {"left": left + region["x"], "top": top + region["y"], "width": wide, "height": high}


def _pieces(raw: bytes, area: dict[str, int], tiles: list[Tile], kind: str, quality: int) -> list[bytes]:
    picture = _image(raw, area)
    return [
        _saved(picture.crop((tile.x, tile.y, tile.x + tile.width, tile.y + tile.height)), kind, quality)
        for tile in tiles
    ]


def _image(raw: bytes, area: dict[str, int]) -> Any:
    from PIL import Image

    return Image.frombuffer("RGB", (area["width"], area["height"]), raw, "raw", "BGRX", 0, 1)


def _saved(picture: Any, kind: str, quality: int) -> bytes:
    out = io.BytesIO()
    options: dict[str, Any] = {"compress_level": 3} if kind == "png" else {"quality": quality}
    if kind == "webp":
        options["method"] = 2  # half the time of the default for a tenth more bytes
    picture.save(out, kind.upper(), **options)
    return out.getvalue()


def _windows() -> list[dict[str, Any]]:
    if sys.platform == "win32":
        from borealis_agent.capabilities.screen.windows_win32 import list_windows
    else:
        from borealis_agent.capabilities.screen.windows_x11 import list_windows
    return list_windows()
