"""The web page: built once for its source, with the environment that npm needs."""

import os
import re
from pathlib import Path

import pytest
from tests.programs.programs import base_environment

from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.layout import Layout, layout_from
from borealis_bootstrap.page import build_page, failure_sentence, is_new_enough, page_shelf, source_version

FAKE_NPM = """#!/bin/sh
echo "$*" >>"$TOY_LOG"
echo "certificates $NODE_EXTRA_CA_CERTS cache $npm_config_cache" >>"$TOY_LOG"
case $1 in
    ci) mkdir -p node_modules; echo installed >node_modules/thing ;;
    run) [ -f broken ] && { echo "ENOTFOUND registry"; exit 1; }; mkdir -p dist/assets; cp page.txt dist/index.html ;;
esac
"""


class Machine:
    """A checkout with a page, and a machine with a toy npm."""

    def __init__(self, folder: Path) -> None:
        self.layout: Layout = layout_from({}, checkout=folder / "check out", here=folder)
        self.source = self.layout.page_source
        self.source.mkdir(parents=True)
        (self.source / "package.json").write_text("{}")
        (self.source / "package-lock.json").write_text("{}")
        (self.source / "page.txt").write_text("one")
        programs = folder / "bin"
        programs.mkdir()
        for name, text in (("npm", FAKE_NPM), ("node", "#!/bin/sh\necho v22.20.0\n")):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        self.layout.engine.logs.mkdir(parents=True)
        self.log = folder / "npm.log"
        self.environ = {
            **base_environment(),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "TOY_LOG": str(self.log),
            "NODE_EXTRA_CA_CERTS": "/ca.pem",
        }

    @property
    def calls(self) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if not line.startswith("certificates")]

    @property
    def shown(self) -> str:
        return (self.layout.page / "index.html").read_text()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_page_is_built_once_and_again_when_its_source_changed(machine: Machine) -> None:
    assert build_page(machine.layout, machine.environ) == "built"
    assert machine.shown == "one"
    assert build_page(machine.layout, machine.environ) == "unchanged"
    assert machine.calls == ["ci --omit=dev --no-audit --no-fund --prefer-offline", "run build"]
    (machine.source / "page.txt").write_text("two")
    assert build_page(machine.layout, machine.environ) == "built"
    assert machine.shown == "two"
    assert machine.calls[2:] == ["run build"], "the packages of the same lock were there"
    (machine.source / "package-lock.json").write_text('{"new": 1}')
    build_page(machine.layout, machine.environ)
    assert machine.calls[3:] == ["ci --omit=dev --no-audit --no-fund --prefer-offline", "run build"]


def test_the_whole_environment_reaches_npm_and_its_cache_stays_in_the_root(machine: Machine) -> None:
    build_page(machine.layout, machine.environ)
    assert f"certificates /ca.pem cache {machine.layout.scratch}/npm" in machine.log.read_text()


def test_survives_a_failed_build_with_the_page_before(machine: Machine) -> None:
    build_page(machine.layout, machine.environ)
    (machine.source / "broken").touch()
    with pytest.raises(CannotGoOn, match="no network") as failed:
        build_page(machine.layout, machine.environ)
    assert failed.value.log == machine.layout.engine.install_log
    assert machine.shown == "one"


def test_the_checkout_stays_as_it_is_and_old_pages_go(machine: Machine) -> None:
    before = source_version(machine.source)
    for text in ("one", "two", "three", "four"):
        (machine.source / "page.txt").write_text(text)
        build_page(machine.layout, machine.environ)
    assert not (machine.source / "node_modules").exists()
    assert not (machine.source / "dist").exists()
    assert len(list(page_shelf(machine.layout).folder.iterdir())) == 2
    (machine.source / "page.txt").write_text("one")
    assert source_version(machine.source) == before


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ("v20.18.9", False),
        ("v20.19.0", True),
        ("v21.7.3", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.0.0", True),
        ("18.0.0", False),
        ("", False),
        ("nonsense", False),
    ],
)
def test_which_node_builds_the_page(version: str, enough: bool) -> None:
    assert is_new_enough(version + "\n") is enough


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("npm error code ENOTFOUND", "no network"),
        ("npm error code SELF_SIGNED_CERT_IN_CHAIN", "NODE_EXTRA_CA_CERTS"),
        ("npm error ENOSPC: no space left", "disk is full"),
        ("src/App.tsx(1,1): error TS2304", r"npm run build\); the log"),
    ],
)
def test_failures_of_npm_become_a_sentence(said: str, sentence: str) -> None:
    assert re.search(sentence, failure_sentence(["run", "build"], said))
