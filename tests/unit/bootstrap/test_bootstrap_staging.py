"""Code is staged as it is in ``Data/``, named by its content, beside data that is never touched."""

import sys
from pathlib import Path

import pytest

from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.layout import Runtime
from borealis_bootstrap.staging import code_shelf, files_of, name_agent_build, stage, version_of

PYTHON = Path(sys.executable)


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    data = tmp_path / "checkout" / "Data"
    for name, text in {
        "Agent/agent.py": "import Roles",
        "Agent/Roles/role_One.py": "ROLE_NAME = 'one'",
        "Agent/__pycache__/agent.cpython-311.pyc": "x",
        "Agent/.hidden": "x",
        "Shared/borealis_base/__init__.py": "",
        "Bootstrap/supervise.sh": "#!/bin/sh",
        "../requirements/ansible.txt": "",
        "../requirements/agent.txt": "",
    }.items():
        path = data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Runtime("agent", tmp_path / "root" / "Agent", tmp_path / "checkout")


def staged_files(runtime: Runtime, version: str) -> set[str]:
    folder = code_shelf(runtime).path(version)
    return {name for name, _ in files_of(folder)}


@pytest.mark.slow
def test_everything_but_leftovers_is_staged(runtime: Runtime) -> None:
    version = stage(runtime, PYTHON)
    assert staged_files(runtime, version) == {
        "Program/agent.py",
        "Program/Roles/role_One.py",
        "Shared/borealis_base/__init__.py",
        "Bootstrap/supervise.sh",
        "supervise.sh",
        "agent.txt",
        "ansible.txt",
    }
    assert list(code_shelf(runtime).path(version).rglob("agent.cpython-*.opt-2.pyc")), "compiled as it will run"


@pytest.mark.slow
def test_a_dropped_in_role_makes_a_new_version_and_leaves_the_old(runtime: Runtime) -> None:
    first = stage(runtime, PYTHON)
    assert stage(runtime, PYTHON) == first
    (runtime.checkout / "Data" / "Agent" / "Roles" / "role_Two.py").write_text("ROLE_NAME = 'two'")
    second = stage(runtime, PYTHON)
    assert second != first
    assert "Program/Roles/role_Two.py" not in staged_files(runtime, first)
    assert "Program/Roles/role_Two.py" in staged_files(runtime, second)


@pytest.mark.slow
def test_survives_a_staged_file_that_was_torn_or_edited(runtime: Runtime) -> None:
    version = stage(runtime, PYTHON)
    staged = code_shelf(runtime).path(version) / "Program" / "agent.py"
    staged.write_text("")
    assert stage(runtime, PYTHON) == version
    assert staged.read_text() == "import Roles"


@pytest.mark.slow
def test_settings_certificates_logs_and_spools_are_never_touched(runtime: Runtime) -> None:
    kept = [
        runtime.folder / name
        for name in ("Borealis/Settings/Agent_GUID.txt", "Borealis/Certificates/key", "Logs/agent.log", "Spool/journal")
    ]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    before = [path.stat().st_mtime_ns for path in kept]
    stage(runtime, PYTHON)
    assert [path.stat().st_mtime_ns for path in kept] == before


@pytest.mark.slow
def test_others_may_read_the_staged_code_and_nobody_else_may_write_it(runtime: Runtime) -> None:
    version = stage(runtime, PYTHON)
    folder = code_shelf(runtime).path(version)
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*.py")} == {0o644}
    assert (folder / "Program" / "Roles").stat().st_mode & 0o777 == 0o755


def test_a_missing_part_of_the_checkout_is_named(runtime: Runtime) -> None:
    (runtime.checkout / "Data" / "Bootstrap" / "supervise.sh").unlink()
    with pytest.raises(CannotGoOn, match=r"incomplete: .*supervise\.sh"):
        version_of(runtime.sources)


def test_the_version_names_content_and_place(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, name in ((one, "a"), (two, "b")):
        folder.mkdir()
        (folder / name).write_text("same")
    assert version_of((("x", one),)) != version_of((("x", two),))
    assert version_of((("x", one),)) != version_of((("y", one),))


def test_the_engine_is_told_which_agents_belong_to_it_and_hears_of_new_ones(runtime: Runtime) -> None:
    engine = Runtime("engine", runtime.folder.parent / "Engine", runtime.checkout)
    engine.code.mkdir(parents=True)
    name_agent_build(engine)
    first = engine.agent_build.read_text()
    assert first.strip() == version_of(runtime.sources)
    assert engine.agent_build.stat().st_mode & 0o777 == 0o644
    (runtime.checkout / "Data" / "Agent" / "agent.py").write_text("import new")
    name_agent_build(engine)
    assert engine.agent_build.read_text().strip() == version_of(runtime.sources) != first.strip()
    code_shelf(engine).prune(())
    assert engine.agent_build.exists()


def test_a_checkout_without_the_agent_names_no_build(runtime: Runtime) -> None:
    engine = Runtime("engine", runtime.folder.parent / "Engine", runtime.checkout)
    engine.code.mkdir(parents=True)
    name_agent_build(engine)
    (runtime.checkout / "Data" / "Agent" / "agent.py").unlink()
    (runtime.checkout / "Data" / "Agent" / "Roles" / "role_One.py").unlink()
    name_agent_build(engine)
    assert not engine.agent_build.exists()
