"""The answer that a file of a device is: its bytes as they come, no faster than they are taken."""

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from litestar import Request, Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from borealis_base.tasks import Supervisor
from borealis_engine.core.errors import EngineError
from borealis_engine.core.log import get_logger
from borealis_engine.lines import while_it_lasts
from borealis_engine.transfers import Asker, ReadAsked, Reading, TransferService

FILE_TYPE: Final = "application/octet-stream"
MAX_OFFSET_DIGITS: Final = 15
_RANGE: Final = re.compile(rf"bytes=(\d{{1,{MAX_OFFSET_DIGITS}}})-")
_VERSION: Final = re.compile(r'"([0-9a-f-]{1,128})"')

log = get_logger("api")


class NothingLeft(EngineError):
    """The range begins at the end of the file, or behind it."""

    status = 416


class FileAnswer(Response[bytes]):
    """Fetches a file of a device while it is sent. ``asked`` without the range, which the request has."""

    def __init__(self, transfers: TransferService, asker: Asker, device: str, asked: ReadAsked) -> None:
        super().__init__(b"", media_type=FILE_TYPE)
        self._streamed = (transfers, asker, device, asked)

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        """As the framework wants it."""
        return _Streamed(*self._streamed)


def range_of(request: Request[Any, Any, Any]) -> tuple[int, str]:
    """From which byte on, and of which version of the file. A range of another kind is none: all of it is sent."""
    wanted = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if wanted is None:
        return 0, ""
    condition = request.headers.get("if-range", "").strip()
    version = _VERSION.fullmatch(condition)
    if condition and version is None:
        return 0, ""  # a date, or a tag of somebody else
    return int(wanted[1]), version[1] if version else ""


class _Streamed(ASGIResponse):
    def __init__(self, transfers: TransferService, asker: Asker, device: str, asked: ReadAsked) -> None:
        super().__init__(body=b"")
        self._transfers = transfers
        self._asked = (asker, device, asked)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Fetch and send."""
        asker, device, asked = self._asked
        began = False
        try:
            async with self._transfers.reading(asker, device, asked) as (reading, stay):
                if asked.offset and reading.offset == reading.size:
                    raise NothingLeft("files_nothing_left", "The file has no byte behind this.")
                async with while_it_lasts(stay, "files_over") as give_up:
                    began = True
                    await _send_all(reading, receive, send, give_up)
        except EngineError as error:
            if not began:
                raise
            # What was promised does not come: the connection ends before its time, which every caller notices.
            log.info("a download ended early", error_code=error.code)


async def _send_all(reading: Reading, receive: Receive, send: Send, give_up: Callable[[], None]) -> None:
    failure: EngineError | None = None
    async with Supervisor() as tasks:
        tasks.start("hear whether a download is wanted", _until_gone(receive, give_up))
        try:
            await send({"type": "http.response.start", "status": _status(reading), "headers": _headers(reading)})
            async for piece in reading.pieces():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except EngineError as error:
            failure = error  # raised again where no group of tasks wraps it
    if failure is not None:
        raise failure


async def _until_gone(receive: Receive, give_up: Callable[[], None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    give_up()


def _status(reading: Reading) -> int:
    return 206 if reading.offset else 200


def _headers(reading: Reading) -> list[tuple[bytes, bytes]]:
    name = reading.path.replace("\\", "/").rpartition("/")[2] or "file"
    headers = {
        "content-type": FILE_TYPE,
        "content-length": str(reading.size - reading.offset),
        "content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "accept-ranges": "bytes",
        "etag": f'"{reading.version}"',
        "x-borealis-transfer": reading.transfer_id,
    }
    if reading.offset:
        headers["content-range"] = f"bytes {reading.offset}-{reading.size - 1}/{reading.size}"
    return [(key.encode("ascii"), value.encode("ascii")) for key, value in headers.items()]
