"""What the system says becomes what a person can do."""

import errno
import os
from pathlib import Path

import pytest

from borealis_bootstrap.errors import explain, tail


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "The disk is full: free some space at /x/y"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only at /x/y: set BOREALIS_ROOT"),
        (errno.EACCES, "No right to use /x/y. It belongs to "),
        (errno.ENAMETOOLONG, "too long"),
        (errno.EIO, "The system refused at /x/y: "),
    ],
)
def test_each_system_error_says_what_to_do(number: int, sentence: str) -> None:
    said = explain(OSError(number, os.strerror(number), "/x/y"))
    assert sentence in said
    assert "\n" not in said


def test_an_error_without_a_file_is_a_sentence_too() -> None:
    assert explain(OSError("odd")) == "The system refused: odd."
    assert "a file" in explain(PermissionError(errno.EACCES, "no"))


def test_the_end_of_a_log_and_of_none(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\xff" * 20_000 + b"\n" + b"".join(b"%d\n" % number for number in range(30)))
    assert tail(log, 3) == "27\n28\n29"
    assert tail(tmp_path / "none") == tail(None) == ""
