"""What a test needs of the system it runs on, where the agent's unit tests run on Windows too (tests/windows)."""

import sys
from typing import Final

import pytest

ON_WINDOWS: Final = sys.platform == "win32"

needs_file_modes = pytest.mark.skipif(ON_WINDOWS, reason="Windows has no file modes: access lists decide there")
needs_posix_signals = pytest.mark.skipif(ON_WINDOWS, reason="Windows has no signals between processes")
