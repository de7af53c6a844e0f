"""Pages: the small ones as long as there is no build, then the build; and nothing else from the disk."""

import re
from pathlib import Path

import pytest
from tests.fakes.engine_rest import Rest

from borealis_engine.api.pages_api import NONCE_MARK, SMALL_PAGES


def build_in(rest: Rest) -> Path:
    """A built web interface."""
    folder = rest.services.settings.paths.root / "web-interface"
    (folder / "assets").mkdir(parents=True)
    (folder / "assets" / "index-1a2b3c.js").write_text("let built = 1;")
    (folder / "logo.svg").write_text("<svg/>")
    (folder / "index.html").write_text("<!doctype html>built")
    return folder


@pytest.mark.parametrize("address", ["/", "/setup"])
async def test_small_pages_hold_no_inline_code_and_load_what_exists(rest: Rest, address: str) -> None:
    answer = await rest.nobody.get(address)
    assert answer.status == 200
    assert answer.header("content-type") == "text/html; charset=utf-8"
    policy = str(answer.header("content-security-policy"))
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    text = answer.body.decode()
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=", text)
    for link in re.findall(r'(?:src|href)="(/[^"]+)"', text):
        assert (await rest.nobody.get(link)).status == 200, link


async def test_the_small_pages_scripts_use_addresses_that_exist(rest: Rest) -> None:
    document = (await rest.nobody.get("/api/openapi.json")).json()
    for script in SMALL_PAGES.glob("*.js"):
        for method, path in re.findall(r'call\("(\w+)", "([^"]+)"', script.read_text()):
            assert method.lower() in document["paths"].get(path, {}), f"{script.name}: {method} {path}"


async def test_the_build_takes_over_when_it_is_there(rest: Rest) -> None:
    build_in(rest)
    for address in ("/", "/setup", "/devices", "/devices/0F0F-1/runs"):
        answer = await rest.nobody.get(address)
        assert (answer.status, answer.body) == (200, b"<!doctype html>built"), address
        assert answer.header("cache-control") == "no-cache"
    script = await rest.nobody.get("/assets/index-1a2b3c.js")
    assert script.header("content-type") == "text/javascript; charset=utf-8"
    assert "immutable" in str(script.header("cache-control"))
    assert (await rest.nobody.get("/logo.svg")).header("cache-control") == "no-cache"


@pytest.mark.parametrize("address", ["/", "/setup", "/devices/0F0F-1", "/index.html"])
async def test_every_answer_of_the_first_page_has_its_own_nonce_for_styles(rest: Rest, address: str) -> None:
    folder = build_in(rest)
    (folder / "index.html").write_bytes(b'<!doctype html><meta name="csp-nonce" content="' + NONCE_MARK + b'">built')
    seen = set()
    for _ in range(2):
        answer = await rest.nobody.get(address)
        found = re.search(r'content="([A-Za-z0-9_-]{24})"', answer.body.decode())
        assert found, answer.body
        policy = str(answer.header("content-security-policy"))
        assert f"style-src 'self' 'nonce-{found[1]}';" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        seen.add(found[1])
    assert len(seen) == 2


async def test_rejects_styles_by_nonce_on_all_but_the_first_page(rest: Rest) -> None:
    build_in(rest)
    for address in ("/assets/index-1a2b3c.js", "/logo.svg", "/api/setup"):
        assert "nonce" not in str((await rest.nobody.get(address)).header("content-security-policy")), address


async def test_a_new_build_is_taken_up_without_restart(rest: Rest) -> None:
    folder = build_in(rest)
    assert (await rest.nobody.get("/assets/index-9f9f.js")).status == 404
    (folder / "assets" / "index-9f9f.js").write_text("let built = 2;")
    (folder / "index.html").write_text("<!doctype html>built again")
    assert (await rest.nobody.get("/assets/index-9f9f.js")).status == 200
    assert (await rest.nobody.get("/")).body.endswith(b"again")


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize(
    "address",
    [
        "/api/unknown",
        "/api",
        "/pages/none.css",
        "/pages/..%2fserver_api.py",
        "/assets/none.js",
        "/favicon.ico",
        "/../database.db",
        "/%2e%2e/database.db",
        "/..%5cdatabase.db",
        "/assets/../../database.db",
        "/leak.txt",
        "//etc/passwd",
    ],
)
async def test_rejects_what_is_no_page(rest: Rest, address: str, built: bool) -> None:
    if built:
        folder = build_in(rest)
        (folder / "leak.txt").symlink_to(rest.services.settings.paths.database)
    answer = await rest.nobody.get(address)
    assert answer.status == 404, answer.body[:80]
    assert answer.code == "not_found"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_rejects_other_methods_on_pages_and_unknown_addresses(rest: Rest, method: str) -> None:
    assert (await rest.nobody.call(method, "/")).status == 405
    assert (await rest.nobody.call(method, "/api/unknown")).status in {404, 405}
    assert (await rest.nobody.call(method, "/unknown")).status in {404, 405}


def build_with_copies(rest: Rest) -> Path:
    """A built web interface with compressed copies."""
    folder = build_in(rest)
    script = folder / "assets" / "index-1a2b3c.js"
    script.with_name(script.name + ".br").write_bytes(b"as brotli")
    script.with_name(script.name + ".gz").write_bytes(b"as gzip")
    return folder


@pytest.mark.parametrize(
    ("said", "coding", "content"),
    [
        ("gzip, deflate, br, zstd", "br", b"as brotli"),
        ("gzip", "gzip", b"as gzip"),
        ("br;q=0.1, gzip", "gzip", b"as gzip"),
        ("br;q=0, *", "gzip", b"as gzip"),
        ("", None, b"let built = 1;"),
        ("zstd", None, b"let built = 1;"),
        ("gzip;q=0, br;q=0", None, b"let built = 1;"),
    ],
)
async def test_files_go_out_in_the_coding_that_the_caller_accepts(
    rest: Rest, said: str, coding: str | None, content: bytes
) -> None:
    build_with_copies(rest)
    headers = {"Accept-Encoding": said} if said else {}
    answer = await rest.nobody.get("/assets/index-1a2b3c.js", headers=headers)
    assert (answer.status, answer.header("content-encoding"), answer.body) == (200, coding, content)
    assert answer.header("vary") == "Accept-Encoding"
    assert answer.header("content-type") == "text/javascript; charset=utf-8"
    assert answer.header("content-length") == str(len(content))


@pytest.mark.parametrize("ending", [".br", ".gz"])
async def test_rejects_copies_by_their_own_name(rest: Rest, ending: str) -> None:
    build_with_copies(rest)
    assert (await rest.nobody.get(f"/assets/index-1a2b3c.js{ending}")).status == 404


async def test_the_first_page_is_never_compressed(rest: Rest) -> None:
    folder = build_with_copies(rest)
    (folder / "index.html.br").write_bytes(b"old")
    answer = await rest.nobody.get("/", headers={"Accept-Encoding": "br"})
    assert (answer.body, answer.header("content-encoding")) == (b"<!doctype html>built", None)


async def test_files_that_may_change_are_sent_again_only_where_they_did(rest: Rest) -> None:
    folder = build_in(rest)
    first = await rest.nobody.get("/logo.svg")
    tag = str(first.header("etag"))
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = await rest.nobody.get("/logo.svg", headers={"If-None-Match": known})
        assert (answer.status, answer.body, answer.header("etag")) == (304, b"", tag), known
        assert answer.header("cache-control") == "no-cache"
    (folder / "logo.svg").write_text("<svg><path/></svg>")
    answer = await rest.nobody.get("/logo.svg", headers={"If-None-Match": tag})
    assert (answer.status, answer.body) == (200, b"<svg><path/></svg>")


async def test_each_coding_has_a_tag_of_its_own(rest: Rest) -> None:
    folder = build_in(rest)
    (folder / "logo.svg.gz").write_bytes(b"as gzip")
    plain = await rest.nobody.get("/logo.svg")
    packed = await rest.nobody.get("/logo.svg", headers={"Accept-Encoding": "gzip"})
    assert plain.header("etag") != packed.header("etag")
    answer = await rest.nobody.get(
        "/logo.svg", headers={"Accept-Encoding": "gzip", "If-None-Match": str(plain.header("etag"))}
    )
    assert (answer.status, answer.body) == (200, b"as gzip")
