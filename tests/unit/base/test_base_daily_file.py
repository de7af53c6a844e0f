"""Logs rotate by day and are never deleted or overwritten."""

import logging
import os
import shutil
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from borealis_base.daily_file import DailyFile, free_name


def record(text: str, when: datetime, *arguments: object) -> logging.LogRecord:
    line = logging.LogRecord("x", logging.INFO, "f", 1, text, arguments, None)
    line.created = when.timestamp()
    return line


def touch(path: Path, when: datetime) -> None:
    os.utime(path, (when.timestamp(), when.timestamp()))


def test_yesterdays_file_gets_its_date_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    yesterday = datetime.now() - timedelta(days=1)
    handler = DailyFile(path)
    handler.emit(record("old", yesterday))
    touch(path, yesterday)
    handler.emit(record("new", datetime.now()))
    rotated = tmp_path / f"agent.log.{yesterday:%Y-%m-%d}"
    assert (rotated.read_text(), path.read_text()) == ("old\n", "new\n")


def test_a_restart_on_the_same_day_goes_on_in_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    for text in ("one", "two"):
        DailyFile(path).emit(record(text, datetime.now()))
    assert path.read_text() == "one\ntwo\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["agent.log"]


def test_survives_a_rotated_name_that_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    yesterday = datetime.now() - timedelta(days=1)
    taken = tmp_path / f"agent.log.{yesterday:%Y-%m-%d}"
    taken.write_text("kept\n")
    path.write_text("old\n")
    touch(path, yesterday)
    DailyFile(path).emit(record("new", datetime.now()))
    assert taken.read_text() == "kept\n"
    assert (tmp_path / f"{taken.name}.1").read_text() == "old\n"


def test_survives_a_clock_set_back_by_days_without_losing_a_line(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    today = datetime.now()
    handler = DailyFile(path)
    for shift, text in ((0, "a"), (-3, "b"), (0, "c"), (5, "d"), (0, "e")):
        handler.emit(record(text, today + timedelta(days=shift)))
    written = "".join(entry.read_text() for entry in tmp_path.iterdir())
    assert sorted(written.split()) == ["a", "b", "c", "d", "e"]


def test_survives_a_folder_that_cannot_be_written_and_tells_later(tmp_path: Path) -> None:
    blocker = tmp_path / "logs"
    blocker.write_text("a file where the folder should be")
    handler = DailyFile(blocker / "agent.log")
    handler.emit(record("lost", datetime.now()))
    blocker.unlink()
    handler.emit(record("kept", datetime.now()))
    assert (blocker / "agent.log").read_text() == "1 lines could not be written here\nkept\n"


def test_survives_a_folder_that_is_removed_while_we_write(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "agent.log"
    handler = DailyFile(path)
    handler.emit(record("one", datetime.now()))
    shutil.rmtree(path.parent)
    handler.emit(record("lost", datetime.now()))
    handler.emit(record("two", datetime.now()))
    assert path.read_text() == "1 lines could not be written here\ntwo\n"


def test_survives_a_line_whose_arguments_do_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "agent.log"
    handler = DailyFile(path)
    handler.emit(record("%d apples", datetime.now(), "no number"))
    handler.emit(record("next", datetime.now()))
    assert path.read_text() == "next\n"
    assert "no number" in capsys.readouterr().err


def test_survives_text_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    DailyFile(path).emit(record("name \udcff \ud800", datetime.now()))
    assert path.read_text() == "name \\udcff \\ud800\n"


def test_levels_are_kept_apart(tmp_path: Path) -> None:
    logger = logging.Logger("apart")
    logger.addHandler(DailyFile(tmp_path / "all.log"))
    logger.addHandler(DailyFile(tmp_path / "errors.log", level=logging.ERROR))
    logger.info("fine")
    logger.error("bad")
    assert (tmp_path / "all.log").read_text() == "fine\nbad\n"
    assert (tmp_path / "errors.log").read_text() == "bad\n"


def test_lines_of_many_threads_stay_whole(tmp_path: Path) -> None:
    logger = logging.Logger("threads")
    logger.addHandler(DailyFile(tmp_path / "agent.log"))

    def work(number: int) -> None:
        for _ in range(20):
            logger.info("%s", str(number) * 200)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = (tmp_path / "agent.log").read_text().splitlines()
    assert len(lines) == 100
    assert all(len(set(line)) == 1 and len(line) == 200 for line in lines)


def test_a_free_name_is_free(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    for _ in range(3):
        free_name(path, "2026-01-01").write_text("x")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "agent.log.2026-01-01",
        "agent.log.2026-01-01.1",
        "agent.log.2026-01-01.2",
    ]
