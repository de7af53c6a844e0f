"""Logs rotate by day and are never deleted or overwritten."""

import logging
import os
from datetime import datetime, timedelta
from pathlib import Path

from borealis_base.daily_file import DailyFile


def record(text: str, when: datetime) -> logging.LogRecord:
    line = logging.LogRecord("x", logging.INFO, "f", 1, text, None, None)
    line.created = when.timestamp()
    return line


def test_yesterdays_file_gets_its_date_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    yesterday = datetime.now() - timedelta(days=1)
    handler = DailyFile(path)
    handler.emit(record("old", yesterday))
    os.utime(path, (yesterday.timestamp(), yesterday.timestamp()))
    handler.emit(record("new", datetime.now()))
    rotated = tmp_path / f"agent.log.{yesterday:%Y-%m-%d}"
    assert (rotated.read_text(), path.read_text()) == ("old\n", "new\n")


def test_survives_a_rotated_name_that_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    yesterday = datetime.now() - timedelta(days=1)
    taken = tmp_path / f"agent.log.{yesterday:%Y-%m-%d}"
    taken.write_text("kept\n")
    path.write_text("old\n")
    os.utime(path, (yesterday.timestamp(), yesterday.timestamp()))
    DailyFile(path).emit(record("new", datetime.now()))
    assert taken.read_text() == "kept\n"
    assert (tmp_path / f"{taken.name}.1").read_text() == "old\n"


def test_survives_a_folder_that_cannot_be_written_and_tells_later(tmp_path: Path) -> None:
    blocker = tmp_path / "logs"
    blocker.write_text("a file where the folder should be")
    handler = DailyFile(blocker / "agent.log")
    handler.emit(record("lost", datetime.now()))
    blocker.unlink()
    handler.emit(record("kept", datetime.now()))
    assert (blocker / "agent.log").read_text() == "1 lines could not be written here\nkept\n"
