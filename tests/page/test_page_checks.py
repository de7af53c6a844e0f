"""The page's own checks (types, linter, unit tests), and what its build must be: small, and of this Engine alone."""

import gzip
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.engine_rest import open_rest
from tests.page.page_build import SOURCE, Npm, Workplace, built_page, workplace

from borealis_engine.api.openapi import document

# The first run downloads the page's packages.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MOST_INITIAL_JAVASCRIPT = 350_000
"""Bytes after gzip that a browser loads before it shows anything."""
_STATIC_IMPORT = re.compile(r"""(?:\bfrom|\bimport)\s*["'](\.{1,2}/[^"']+\.js)["']""")
_ADDRESS = re.compile(
    r"""(?:(?<![\w-])(?:src|href|action)\s*=\s*["']?|url\(\s*["']?|@import\s+["'])\s*((?:\w+:)?//[^"')\s>]+)"""
)


@pytest.fixture(scope="module")
def place() -> Iterator[Workplace]:
    with workplace() as made:
        yield made


@pytest.fixture(scope="module")
def checks(place: Workplace) -> Iterator[dict[str, Npm]]:
    """The long checks, side by side: each of them keeps about one processor busy."""
    started = {name: place.start("run", name) for name in ("typecheck", "lint", "test")}
    yield started
    for one in started.values():
        one.end()


@pytest.fixture(scope="module")
def built() -> Path:
    return built_page()


def test_it_is_built_small(built: Path) -> None:
    index = (built / "index.html").read_text()
    waiting = re.findall(r'(?:<script[^>]+src|<link rel="modulepreload"[^>]+href)="(/[^"]+)"', index)
    assert waiting, "no script in index.html"
    seen: dict[str, int] = {}
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        path = built / name.lstrip("/")
        content = path.read_bytes()
        seen[name] = len(gzip.compress(content, 9))
        waiting += [
            f"/{(path.parent / imported).resolve().relative_to(built.resolve()).as_posix()}"
            for imported in _STATIC_IMPORT.findall(content.decode())
        ]
    total = sum(seen.values())
    assert total <= MOST_INITIAL_JAVASCRIPT, sorted(seen.items(), key=lambda item: -item[1])


def test_what_is_long_has_compressed_copies_beside_it_and_the_first_page_has_none(built: Path) -> None:
    long = [path for path in (built / "assets").iterdir() if path.suffix in {".js", ".css"}]
    long = [path for path in long if path.stat().st_size >= 1000]
    assert long
    for path in long:
        assert gzip.decompress(path.with_name(f"{path.name}.gz").read_bytes()) == path.read_bytes()
        assert path.with_name(f"{path.name}.br").stat().st_size < path.stat().st_size
    assert not list(built.glob("index.html.*")), "its nonce is put in as it is sent"


def test_nothing_stands_in_the_first_page_that_its_policy_forbids(built: Path) -> None:
    index = (built / "index.html").read_text()
    for opening, content in re.findall(r"<script([^>]*)>(.*?)</script>", index, re.DOTALL):
        assert "src=" in opening
        assert content.strip() == ""
    assert "<style" not in index
    assert not re.search(r"\s(?:on\w+|style)\s*=", index)
    assert index.count("__BOREALIS_NONCE__") == 1


def test_no_page_or_style_names_another_host(built: Path) -> None:
    files = [path for path in built.rglob("*") if path.suffix in {".html", ".css", ".svg"}]
    assert files
    for path in files:
        assert _ADDRESS.findall(path.read_text()) == [], path


def test_types_hold_in_the_page(checks: dict[str, Npm]) -> None:
    checks["typecheck"].succeeds()


def test_the_pages_linter_finds_nothing(checks: dict[str, Npm]) -> None:
    checks["lint"].succeeds()


def test_the_pages_unit_tests_pass(checks: dict[str, Npm]) -> None:
    checks["test"].succeeds()


async def test_the_pages_types_are_those_of_the_engine(place: Workplace, tmp_path: Path) -> None:
    async with open_rest(tmp_path / "Engine") as rest:
        described = document(rest.app)
    # Below node_modules the checks that read the source see nothing of it, and npm still finds its programs.
    folder = place.folder / "node_modules" / ".types-made-anew"
    made = folder / "src" / "api" / "schema.d.ts"
    made.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(place.folder / "package.json", folder / "package.json")
    (folder / "openapi.json").write_text(json.dumps(described))
    place.npm("run", "types", folder=folder)
    kept = (SOURCE / "src" / "api" / "schema.d.ts").read_text()
    lines = set(kept.splitlines())
    differing = [line for line in made.read_text().splitlines() if line not in lines]
    assert made.read_text() == kept, f"npm run types was not run after the API changed; new lines: {differing[:20]}"
