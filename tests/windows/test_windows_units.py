"""The agent's unit tests in a real Windows Python under wine: one run there, one test here for each of its files.

A new file of tests is run on Windows too, unless ``NOT_THERE`` names it with the reason. Single tests that mean
something on other systems only say so themselves (``skipif(sys.platform == "win32", reason=…)``).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.programs.programs import REPOSITORY
from tests.programs.windows_python import Windows, a_windows, windows_path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

FOLDERS = ("tests/unit/agent", "tests/unit/base", "tests/unit/wire", "tests/windows/inside")
NOT_THERE = {
    "tests/unit/agent/app/test_app_service_manager.py": "systemd's socket is a Unix one",
    "tests/unit/agent/capabilities/files/test_files_carrier.py": "accounts, links and modes are those of POSIX",
    "tests/unit/agent/capabilities/macro/test_macro_x11.py": "types on an X11 screen",
    "tests/unit/agent/capabilities/screen/test_screen_portal.py": "the portal is one of Linux desktops",
    "tests/unit/agent/capabilities/wireguard/test_wireguard_tunnel.py": "its driver is that of a Linux",
    "tests/unit/agent/platform/test_platform_life.py": "earlier lives are looked for on Linux alone",
    "tests/unit/agent/updating/test_updating_service.py": "reads a file while another thread replaces it, which is"
    " refused there for a moment; the agent's own reads come before its writes",
    "tests/unit/agent/capabilities/remote_desktop/test_remote_desktop_linux.py": "changes a Linux",
    "tests/unit/agent/capabilities/remote_desktop/test_remote_desktop_role.py": "its desk is a Linux",
    "tests/unit/agent/capabilities/screen/test_screen_display.py": "finds the displays of X11",
    "tests/unit/agent/capabilities/test_inventory_machine.py": "reads the files of a Linux",
    "tests/unit/agent/capabilities/test_playbooks_role.py": "playbooks need a POSIX system",
    "tests/unit/agent/execution/test_execution_executor.py": "its counterpart is inside/test_inside_scripts.py",
    "tests/unit/agent/link/test_link_user_broker.py": "the broker's socket is a Unix one",
    "tests/unit/agent/platform/test_agent_platform_machine.py": "its counterpart is inside/test_inside_platform.py",
}


def files_there() -> list[str]:
    """Every file of tests that runs on Windows."""
    found = [path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("test_*.py")]
    return sorted(name for path in found if (name := path.relative_to(REPOSITORY).as_posix()) not in NOT_THERE)


@dataclass
class FileResult:
    """What became of one file's tests there."""

    passed: int = 0
    skipped: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass
class Results:
    """What became of all of them, and what pytest printed."""

    files: dict[str, FileResult]
    output: str


@pytest.fixture(scope="module")
def windows() -> Iterator[Windows]:
    """A Windows for this file."""
    with a_windows() as made:
        yield made


@pytest.fixture(scope="module")
def results(windows: Windows, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """One run of pytest there, over the files that are asked for here."""
    asked = sorted({item.callspec.params["name"] for item in request.session.items if "results" in item.fixturenames})
    report = tmp_path_factory.mktemp("windows") / "report.xml"
    options = ("-q", "-p", "no:cacheprovider", "-o", "junit_family=xunit1", f"--junitxml={windows_path(report)}")
    options += ("--continue-on-collection-errors",)
    done = windows.run_python("-m", "pytest", *options, *asked, seconds=840)
    assert report.exists(), f"pytest did not come to its end there:\n{done.stdout[-6000:]}"
    return Results(read_report(report), done.stdout)


def read_report(report: Path) -> dict[str, FileResult]:
    """JUnit's XML by file."""
    files: dict[str, FileResult] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = case.get("file") or (case.get("name") or case.get("classname") or "").replace(".", "/") + ".py"
        result = files.setdefault(name.replace("\\", "/"), FileResult())
        troubles = [*case.findall("failure"), *case.findall("error")]
        result.failures += [f"{case.get('name')}\n{trouble.text}" for trouble in troubles]
        skipped = case.find("skipped")
        if skipped is not None:
            result.skipped.append(f"{case.get('name')}: {skipped.get('message')}")
        elif not troubles:
            result.passed += 1
    return files


@pytest.mark.parametrize("name", files_there())
def test_a_file_of_tests_passes_on_windows(results: Results, name: str) -> None:
    result = results.files.get(name)
    if result is None:
        pytest.fail(f"nothing of {name} ran there:\n{results.output[-3000:]}", pytrace=False)
    if result.failures:
        pytest.fail("\n\n".join(result.failures), pytrace=False)
    assert result.passed, f"all was skipped: {result.skipped}"


def test_what_does_not_run_there_exists() -> None:
    assert [name for name in NOT_THERE if not (REPOSITORY / name).is_file()] == []
