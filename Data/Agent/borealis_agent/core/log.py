"""The agent's log files: ``agent.log``, ``agent.error.log``, one for each service.

Line form is upstream's: ``[YYYY-MM-DD HH:MM:SS] [CONTEXT-SYSTEM] message``, ``[ERROR]`` before errors.
"""

import logging
import time
from datetime import UTC, datetime
from pathlib import Path

from borealis_base.daily_file import DailyFile

TROUBLESHOOTING_PREFIX = "--"


class LineFormat(logging.Formatter):
    """Upstream's line, with the time of the machine."""

    def __init__(self, context_label: str) -> None:
        super().__init__()
        self.context_label = context_label

    def format(self, record: logging.LogRecord) -> str:
        """One line, a traceback below it where there is one."""
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        prefix = "[ERROR] " if record.levelno >= logging.ERROR else ""
        text = f"[{when}] [CONTEXT-{self.context_label}] {prefix}{record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def configure(logs: Path, *, context_label: str, verbose: bool = False) -> None:
    """Send everything to ``agent.log``, errors to ``agent.error.log`` too."""
    form = LineFormat(context_label)
    main, errors = DailyFile(logs / "agent.log"), DailyFile(logs / "agent.error.log", level=logging.ERROR)
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    for handler in (main, errors):
        handler.setFormatter(form)
        root.addHandler(handler)
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    for chatty in ("engineio", "socketio", "aiohttp", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def service_log(logs: Path, name: str, *, context_label: str) -> logging.Logger:
    """A logger of its own file ``<name>.log`` for one role or subsystem; its lines reach ``agent.log`` too."""
    logger = logging.getLogger(f"borealis.service.{name}")
    if not logger.handlers:
        handler = DailyFile(logs / f"{name}.log")
        handler.setFormatter(LineFormat(context_label))
        logger.addHandler(handler)
    return logger


def utc_text(now: float) -> str:
    """``YYYY-MM-DD HH:MM:SS`` in UTC, upstream's form for times in inventories."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S")
