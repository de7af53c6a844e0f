"""REST door: pages for people. The built web interface where there is one, else the small pages beside this file.

What is served is looked up in a table made from a folder listing; no name from the network becomes a path
(threats 5). Pages hold no data: everything they show they ask from the REST door.

The build puts compressed copies beside its files (``.br``, ``.gz``); whoever accepts one gets it. The first page goes
out as it is: it is different in every answer, and smaller than a packet.

The interface's first page carries a nonce for the style sheets that its component library makes at run time; it is
another one in every answer, and the answer's Content-Security-Policy names it. Scripts come from files alone.
"""

import asyncio
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from litestar import Request, Response, get
from litestar.datastructures import ResponseHeader
from litestar.handlers import HTTPRouteHandler

from borealis_engine.api.access import public
from borealis_engine.api.content_coding import BROTLI, GZIP, accepted, choose_coding
from borealis_engine.api.services import Services
from borealis_engine.core.errors import NotFound

SMALL_PAGES: Final = Path(__file__).parent / "pages"
BUILD_FOLDER: Final = "web-interface"
NONCE_MARK: Final = b"__BOREALIS_NONCE__"
"""Stands in the built index.html where the nonce of each answer goes."""
_NONCE_BYTES: Final = 18
_INDEX: Final = "index.html"
IMMUTABLE: Final = "public, max-age=31536000, immutable"
REVALIDATE: Final = "no-cache"
_HASHED_FOLDER: Final = "assets/"
"""Where the build puts files whose names change with their content."""
_PACKED: Final = {BROTLI: ".br", GZIP: ".gz"}
"""What the build appends to the names of compressed copies, by content coding, the smallest first."""
_STATE_KEY: Final = "borealis_web_build"
_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
}


def page_policy(nonce: str = "") -> str:
    """The Content-Security-Policy of pages: this Engine's own files, nothing inline, nothing from elsewhere.

    Args:
        nonce: of the style elements that this answer's page may make; none without.
    """
    styles = f"'self' 'nonce-{nonce}'" if nonce else "'self'"
    return (
        f"default-src 'none'; script-src 'self'; style-src {styles}; img-src 'self' data: blob:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


@dataclass(frozen=True, slots=True)
class WebFile:
    """A file of the interface, and its compressed copies by content coding."""

    path: Path
    packed: Mapping[str, Path] = field(default_factory=dict)


@dataclass(slots=True)
class WebBuild:
    """The files of a built web interface; listed anew when its index changes, which is written last."""

    folder: Path
    _listed: int = -1
    _files: dict[str, WebFile] = field(default_factory=dict)

    def find(self, name: str) -> WebFile | None:
        """The file of this name (``assets/index-1a2b.js``), if the build has it. Copies have no names of their own."""
        index = self.folder / _INDEX
        try:
            changed = index.stat().st_mtime_ns
        except OSError:
            self._listed, self._files = -1, {}
            return None
        if changed != self._listed:
            self._files = _with_copies(
                {
                    path.relative_to(self.folder).as_posix(): path
                    for path in self.folder.rglob("*")
                    if path.is_file() and not path.is_symlink()
                }
            )
            self._listed = changed
        return self._files.get(name)


def _with_copies(paths: Mapping[str, Path]) -> dict[str, WebFile]:
    copies = {f"{name}{ending}" for name in paths for ending in _PACKED.values()}
    return {
        name: WebFile(
            path,
            {coding: paths[name + ending] for coding, ending in _PACKED.items() if name + ending in paths},
        )
        for name, path in paths.items()
        if name not in copies
    }


def _page(reason: str) -> dict[str, Any]:
    return {**public(reason), "page": True}


_OPT: Final = _page("it is the same for everybody and holds no data")


@get("/", opt=_OPT, include_in_schema=False)
async def landing(request: Request[Any, Any, Any], services: Services) -> Response[bytes]:
    """The web interface, or the small sign-in page."""
    return await _index(request, services, _INDEX)


@get("/setup", opt=_OPT, include_in_schema=False)
async def setup_page(request: Request[Any, Any, Any], services: Services) -> Response[bytes]:
    """Where the one-time link leads."""
    return await _index(request, services, "setup.html")


@get("/pages/{name:str}", opt=_OPT, include_in_schema=False)
async def small_page_file(request: Request[Any, Any, Any], name: str) -> Response[bytes]:
    """Style and scripts of the small pages."""
    file = _SMALL_FILES.get(name)
    if file is None:
        raise _nothing_here()
    return await _file(request, file, REVALIDATE)


@get("/{name:path}", opt=_OPT, include_in_schema=False)
async def web_file(request: Request[Any, Any, Any], services: Services, name: Path) -> Response[bytes]:
    """A file of the web interface; for its own addresses (no dot, not below /api) its first page."""
    wanted = name.as_posix().lstrip("/")
    build = _build(request, services)
    file = build.find(wanted)
    if file is not None and wanted != _INDEX:
        return await _file(request, file, IMMUTABLE if wanted.startswith(_HASHED_FOLDER) else REVALIDATE)
    index = build.find(_INDEX)
    its_own = wanted == _INDEX or "." not in wanted
    if index is None or not its_own or wanted.split("/", 1)[0] in {"api", "pages", "assets", "socket.io"}:
        raise _nothing_here()
    return await _first_page(services, index)


async def _index(request: Request[Any, Any, Any], services: Services, small: str) -> Response[bytes]:
    index = _build(request, services).find(_INDEX)
    if index is None:
        return await _file(request, _SMALL_FILES[small], REVALIDATE)
    return await _first_page(services, index)


async def _first_page(services: Services, index: WebFile) -> Response[bytes]:
    """The interface's first page with a fresh nonce, and the policy that names it."""
    content = await _read(index.path)
    nonce = services.randomness.token_urlsafe(_NONCE_BYTES)
    return Response(
        content.replace(NONCE_MARK, nonce.encode()),
        media_type=_TYPES[".html"],
        headers=[
            ResponseHeader(name="Cache-Control", value=REVALIDATE),
            ResponseHeader(name="Content-Security-Policy", value=page_policy(nonce)),
        ],
    )


def _build(request: Request[Any, Any, Any], services: Services) -> WebBuild:
    build = request.app.state.get(_STATE_KEY)
    if build is None:
        build = request.app.state[_STATE_KEY] = WebBuild(services.settings.paths.root / BUILD_FOLDER)
    result: WebBuild = build
    return result


async def _file(request: Request[Any, Any, Any], file: WebFile, caching: str) -> Response[bytes]:
    """A file, or its copy in the coding that the caller likes best; 304 where the caller has exactly that."""
    coding = choose_coding(accepted(request.headers), tuple(file.packed))
    content = await _read(file.path if coding is None else file.packed[coding])
    kind = _TYPES.get(file.path.suffix) or mimetypes.guess_type(file.path.name)[0] or "application/octet-stream"
    headers = {"Cache-Control": caching, "Vary": "Accept-Encoding"}
    if caching == REVALIDATE:  # what never changes is never asked for again
        # Of the bytes that are sent: each coding has its own.
        headers["ETag"] = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        if _has(request, headers["ETag"]):
            return Response(b"", status_code=304, media_type=kind, headers=headers)
    if coding is not None:
        headers["Content-Encoding"] = coding
    return Response(content, media_type=kind, headers=headers)


def _has(request: Request[Any, Any, Any], tag: str) -> bool:
    """Whether the caller says that it has the content of this tag."""
    tags = {
        given.strip().removeprefix("W/") for given in ",".join(request.headers.getall("if-none-match", [])).split(",")
    }
    return tag in tags or "*" in tags


async def _read(path: Path) -> bytes:
    try:
        return await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        raise _nothing_here() from error


def _nothing_here() -> NotFound:
    return NotFound("not_found", "There is nothing at this address.")


_SMALL_FILES: Final = {path.name: WebFile(path) for path in SMALL_PAGES.iterdir() if path.is_file()}

HANDLERS: list[HTTPRouteHandler] = [landing, setup_page, small_page_file, web_file]
