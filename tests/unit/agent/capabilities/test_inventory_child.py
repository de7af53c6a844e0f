"""The process that looks at the machine: it comes, tells, and is gone."""

import asyncio
import http.server
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.fakes.fake_machine import linux_laptop
from tests.programs.systems import ON_WINDOWS

from borealis_agent.capabilities.inventory import child
from borealis_agent.capabilities.inventory.__main__ import main, report
from borealis_agent.capabilities.inventory.source import Source
from borealis_agent.core.errors import Retryable
from borealis_agent.platform import machine

LINUX_SOURCE = pytest.mark.skipif(ON_WINDOWS, reason="a Linux laid out in files is read on Linux")
CODE = str(Path(child.__file__).resolve().parents[3])


@LINUX_SOURCE
@pytest.mark.slow
async def test_the_child_tells_all_then_only_news(tmp_path: Path) -> None:
    machine = linux_laptop(tmp_path)
    first = await child.collect_in_child(None, root=str(tmp_path))
    assert first.has_details
    assert first.hostname == "lab-7"
    assert {"cpu", "software"} <= set(first.complete)
    assert msgspec.json.decode(first.details)["summary"]["last_user"] == "alice"
    known = {"fingerprint": first.fingerprint}
    assert not (await child.collect_in_child(known, root=str(tmp_path))).has_details
    machine.file("/etc/hostname", "x").file("/run/systemd/sessions/9", "USER=bob\nCLASS=user\n")
    assert (await child.collect_in_child(known, root=str(tmp_path))).has_details


@pytest.mark.slow
def test_the_child_loads_the_standard_library_alone() -> None:
    probe = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from borealis_agent.capabilities.inventory.__main__ import report\n"
        "from borealis_agent.capabilities.inventory.source import Source\n"
        "report(Source()); print(*sys.modules)"
    )
    command = [sys.executable, "-I", "-S", "-c", probe, CODE]
    loaded = set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    ours = {name for name in loaded if name.startswith("borealis_agent")}
    assert {name.partition(".")[0] for name in loaded - ours} <= sys.stdlib_module_names | {"__main__"}
    label = {"borealis_agent.platform", "borealis_agent.platform.label"}
    assert ours <= {"borealis_agent", "borealis_agent.capabilities"} | label | {
        name for name in ours if name.startswith("borealis_agent.capabilities.inventory")
    }
    assert not {"asyncio", "ssl", "logging", "pathlib", "urllib.request"} & loaded


@pytest.mark.slow
async def test_rejects_code_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(66)")
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit(66)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "json.py"))
    monkeypatch.chdir(tmp_path)
    assert (await child.collect_in_child(None)).has_details


@pytest.mark.skipif(ON_WINDOWS, reason="another list there; see tests/windows")
def test_the_child_gets_nothing_of_the_environment_but_what_it_needs() -> None:
    inherited = {"PATH": "/evil", "LD_PRELOAD": "/evil.so", "SECRET": "x", "https_proxy": "http://proxy:1"}
    assert set(child.environment("", inherited)) == {"PATH", "LC_ALL"}
    assert set(child.environment("https://x", inherited)) == {"PATH", "LC_ALL", "https_proxy"}
    assert child.environment("", inherited)["PATH"] != "/evil"


def _instead(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(child, "command", lambda *_: [sys.executable, "-I", "-S", "-c", script])


@pytest.mark.slow
async def test_survives_a_child_that_hangs_and_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = tmp_path / "pids"
    helper = "[]" if ON_WINDOWS else "[subprocess.Popen(['sleep', '60']).pid]"  # it starts no program there
    script = (
        "import os, subprocess, time\n"
        f"pids = [os.getpid(), *{helper}]\n"
        f"open({str(marks)!r}, 'w').write(' '.join(map(str, pids)))\n"
        "time.sleep(60)"
    )
    _instead(monkeypatch, script)
    with pytest.raises(Retryable, match="longer than"):
        await child.collect_in_child(None, timeout=8.0 if ON_WINDOWS else 0.5)
    await _all_gone(marks)


@pytest.mark.slow
async def test_survives_being_stopped_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marks = tmp_path / "pids"
    _instead(monkeypatch, f"import os, time; open({str(marks)!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    task = asyncio.get_running_loop().create_task(child.collect_in_child(None))
    while not (marks.exists() and marks.read_text()):
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _all_gone(marks)


async def _all_gone(marks: Path) -> None:
    for pid in marks.read_text().split():
        for _ in range(200):
            if not _runs(int(pid)):
                break
            await asyncio.sleep(0.02)
        assert not _runs(int(pid))


def _runs(pid: int) -> bool:
    if ON_WINDOWS:
        return machine.process_exists(pid)
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("raise ValueError('no luck')", "status 1: ValueError: no luck"),
        ("print('not json')", "unreadable"),
        ("print('{}')", "unreadable"),
        ("print('[' * 100000)", "unreadable"),
        ("import os; os.kill(os.getpid(), 9)", "status 9" if ON_WINDOWS else "status -9"),
    ],
)
async def test_survives_a_child_that_fails(monkeypatch: pytest.MonkeyPatch, script: str, message: str) -> None:
    _instead(monkeypatch, script)
    with pytest.raises(Retryable, match=message):
        await child.collect_in_child(None)


async def test_survives_a_child_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "command", lambda *_: ["/no/such/program"])
    with pytest.raises(Retryable, match="could not be started"):
        await child.collect_in_child(None)


@LINUX_SOURCE
def test_the_command_prints_what_the_agent_reads(tmp_path: Path) -> None:
    linux_laptop(tmp_path)
    output = io.BytesIO()
    assert main(["--root", str(tmp_path)], io.BytesIO(), output) == 0
    first = child.read_answer(output.getvalue())
    assert (first.changed, first.hostname) == (True, "lab-7")
    known = io.BytesIO(json.dumps({"fingerprint": first.fingerprint}).encode())
    output = io.BytesIO()
    assert main(["--known", "--root", str(tmp_path)], known, output) == 0
    assert not child.read_answer(output.getvalue()).has_details


def test_rejects_an_unknown_argument(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--hurry"], io.BytesIO(), io.BytesIO()) == 2
    assert "--hurry" in capsys.readouterr().err


@pytest.mark.parametrize("known", [b"", b"\xff", b"[1]", b"{", b'{"fingerprint": 7}'])
def test_survives_an_unreadable_memory_on_standard_input(tmp_path: Path, known: bytes) -> None:
    output = io.BytesIO()
    assert main(["--known", "--root", str(tmp_path)], io.BytesIO(known), output) == 0
    assert child.read_answer(output.getvalue()).changed


@pytest.fixture
def address_service() -> Iterator[tuple[str, list[bytes]]]:
    answers = [b" 192.0.2.77\n"]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answers[0])

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", answers
        server.shutdown()
        thread.join()


def test_an_external_address_is_asked_for_only_where_a_service_is_configured(
    tmp_path: Path, address_service: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    url, answers = address_service
    assert report(Source(str(tmp_path)))["details"]["summary"]["external_ip"] == ""
    assert report(Source(str(tmp_path)), None, url)["details"]["summary"]["external_ip"] == "192.0.2.77"
    remembered = report(Source(str(tmp_path)), {"external_ip": "192.0.2.1"}, url)
    assert remembered["external_ip"] == "192.0.2.1"
    answers[0] = b"<html>sign in to the network</html>"
    found = report(Source(str(tmp_path)), None, url)
    assert found["external_ip"] == ""
    assert found["notes"] == [
        "the external address could not be looked up: the external address service did not answer with an address"
    ]
