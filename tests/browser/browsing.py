"""A person at the Engine's page: Debian's Chromium, a window, and a watch over what goes wrong in it unseen.

The browser accepts the Engine's own certificate and no other. Whatever the page logs as an error, throws, or asks of
another host fails the test, unless the test said beforehand that it will happen.
"""

import base64
import contextlib
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request, expect, sync_playwright
from tests.programs.programs import EngineProgram

PASSWORD = "a long sentence of mine"
WIDE = (1440, 900)
NARROW = (390, 844)
# Two processors, and programs that start: an answer may take its time. How fast it is, is measured elsewhere.
expect.set_options(timeout=20_000)

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# What the browser itself reports of an answer that the page handles: not signed in, no right, not found, conflict; and
# of the last word to a socket that the Engine closed in the same moment (sign-out).
_HANDLED = re.compile(
    r"Failed to load resource: the server responded with a status of 4\d\d|"
    r"WebSocket is already in CLOSING or CLOSED state"
)
WHILE_AWAY = re.compile(
    r"ERR_CONNECTION_(REFUSED|RESET|CLOSED)|ERR_EMPTY_RESPONSE|ERR_SOCKET_NOT_CONNECTED|WebSocket connection to|"
    r"ERR_NETWORK_CHANGED|ERR_INCOMPLETE_CHUNKED_ENCODING|status of 50[0-9]"
)
"""What the browser reports while there is no Engine."""


# The browser's own line on the console does not say which style or script it was.
_TELL_OF_POLICY = """
document.addEventListener("securitypolicyviolation", (event) => {
  const { violatedDirective, blockedURI, sourceFile, lineNumber, columnNumber, sample, target } = event;
  const markup = target?.outerHTML?.slice(0, 300);
  const what = { violatedDirective, blockedURI, sourceFile, lineNumber, columnNumber, sample, markup };
  console.error("policy " + JSON.stringify(what));
});
"""


@dataclass
class Window:
    """A window of somebody's browser."""

    engine: EngineProgram
    url: str
    context: BrowserContext
    page: Page
    problems: list[str] = field(default_factory=list)
    expected: list[re.Pattern[str]] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to an address of the Engine's."""
        self.page.goto(self.url + path)
        return self.page

    def sign_in(self, name: str, *, path: str = "/") -> Page:
        """As somebody without a second factor; ends on the page asked for."""
        self.open(path)
        self.page.get_by_label("User name").fill(name)
        self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        expect(self.page.get_by_role("navigation", name="Main")).to_be_attached()
        return self.page

    def expect_while_away(self) -> None:
        """From now on the Engine may be gone."""
        self.expected.append(WHILE_AWAY)

    def watch(self) -> None:
        """Note what goes wrong."""
        # What the browser says of broken rules of the policy comes as an error on the console.
        self.context.on("console", self._console)
        self.context.on("weberror", lambda error: self._note(f"thrown: {error.error}"))
        self.context.on("request", self._request)
        self.context.on("dialog", self._dialog)

    def _dialog(self, dialog: Dialog) -> None:
        self._note(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not _HANDLED.search(message.text):
            self._note(f"console: {message.text} ({message.location.get('url', '')})")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.url + "/", "data:", "blob:")):
            self._note(f"asked of another host: {request.url}")

    def _note(self, what: str) -> None:
        if not any(pattern.search(what) for pattern in self.expected):
            self.problems.append(what)


@dataclass
class Desk:
    """A browser that trusts one Engine."""

    engine: EngineProgram
    browser: Browser
    url: str

    @contextlib.contextmanager
    def window(
        self, *, size: tuple[int, int] = WIDE, scheme: Any = "light", zone: str = "UTC", **options: Any
    ) -> Iterator[Window]:
        """A window with a fresh profile; fails at its end where something went wrong in it."""
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id=zone,
            permissions=["clipboard-read", "clipboard-write"],
            **options,
        )
        context.set_default_timeout(20_000)
        context.add_init_script(_TELL_OF_POLICY)
        window = Window(self.engine, self.url, context, context.new_page())
        window.watch()
        try:
            yield window
        finally:
            context.close()
        assert not window.problems, "\n".join(window.problems)


@contextlib.contextmanager
def desk_at(engine: EngineProgram) -> Iterator[Desk]:
    """Start a browser for an Engine that has run."""
    program = shutil.which("chromium")
    assert program is not None, "the browser tests need chromium"
    # An address with a name: passkeys belong to a name, never to an IP address.
    url = f"https://localhost:{engine.port}"
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=[*_FLAGS, f"--ignore-certificate-errors-spki-list={_key_digest(engine)}"],
            env=dict(environment),
        )
        try:
            yield Desk(engine, browser, url)
        finally:
            browser.close()


def _key_digest(engine: EngineProgram) -> str:
    path = engine.root / "Engine" / "Certificates" / "borealis-server-cert.pem"
    leaf = x509.load_pem_x509_certificates(path.read_bytes())[0]
    key = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


def setup_fragment(engine: EngineProgram) -> str:
    """Path and secret part of the one-time link, as its reader opens it."""
    link = (engine.root / "Engine" / "Data" / "Secrets" / "setup.link").read_text().strip()
    return "/setup#" + link.partition("#")[2]


# A device is called online for five minutes after it was last heard of. Nobody waits for that here.
_IMPATIENT = """
import runpy, sys
import borealis_wire.limits
borealis_wire.limits.ONLINE_WINDOW_SECONDS = 3
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def page_engine(root: Path, built: Path, *, impatient: bool = False) -> EngineProgram:
    """An Engine, not started, that serves the built page under the name ``localhost``.

    ``impatient``: calls a device offline soon after it was last heard of.
    """
    engine = EngineProgram(root)
    if impatient:
        engine.command = [sys.executable, "-c", _IMPATIENT, engine.command[1]]
    engine.environment["BOREALIS_PUBLIC_URL"] = f"https://localhost:{engine.port}"
    folder = engine.root / "Engine"
    folder.mkdir(parents=True)
    (folder / "web-interface").symlink_to(built)
    return engine


def set_up(engine: EngineProgram, name: str = "ada") -> None:
    """The first operator, without the page."""
    token = setup_fragment(engine).partition("#")[2]
    with engine.client() as client:
        body = {"token": token, "username": name, "password": PASSWORD, "display_name": "Ada Lovelace"}
        answer = client.post("/api/setup", json=body)
    assert answer.status_code == 200, answer.text


def new_operator(engine: EngineProgram, name: str, role: str, *, sites: list[int] | None = None) -> None:
    """Another operator, without the page."""
    with engine.owner() as client:
        body = {"username": name, "password": PASSWORD, "role": role, "sites": sites}
        answer = client.post("/api/users", json=body)
    assert answer.status_code == 201, answer.text
