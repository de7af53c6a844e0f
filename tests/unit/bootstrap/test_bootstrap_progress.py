"""What a person sees, and what the log keeps."""

import io
from pathlib import Path

import pytest

from borealis_bootstrap.progress import Progress


class Steady:
    """A second for each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_a_step_shows_its_name_first_and_its_duration_last(tmp_path: Path) -> None:
    stream = io.StringIO()
    progress = Progress(stream, monotonic=Steady())
    progress.log_to(tmp_path / "Logs" / "install.log")
    with progress.step("Engine") as notes:
        assert stream.getvalue().startswith("  Engine ...")
        assert not stream.getvalue().endswith("\n")
        notes.append("https://localhost:5000")
    assert stream.getvalue().endswith("  1.0 s  https://localhost:5000\n")
    assert "Engine: 1.0 s  https://localhost:5000" in (tmp_path / "Logs" / "install.log").read_text()


def test_a_failed_step_says_so_and_passes_the_error_on() -> None:
    stream = io.StringIO()
    with pytest.raises(ValueError, match="x"), Progress(stream).step("Engine"):
        raise ValueError("x")
    assert stream.getvalue().endswith("failed\n")


def test_lines_before_the_log_is_known_reach_it_and_secrets_never_do(tmp_path: Path) -> None:
    progress = Progress(io.StringIO())
    progress.say("Borealis in /root")
    progress.say("https://e/setup#secret", log=False)
    progress.log_to(tmp_path / "log")
    assert "Borealis in /root" in (tmp_path / "log").read_text()
    assert "secret" not in (tmp_path / "log").read_text()


def test_survives_a_listener_that_went_away_and_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    (tmp_path / "file").touch()
    progress = Progress(Gone())
    progress.log_to(tmp_path / "file" / "log")
    progress.say("one")
    with progress.step("two"):
        pass


def test_survives_a_terminal_that_speaks_ascii_only() -> None:
    raw = io.BytesIO()
    terminal = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    Progress(terminal).say("Grüße")
    assert raw.getvalue() == b"Gr??e\n"
