"""Structured log lines into ``Engine/Logs``: ``engine.log``, ``error.log``, one file for each service.

``get_logger("device_enrollment")`` writes to ``device_enrollment.log`` and to ``engine.log``. Values named
like secrets are masked before they reach a file (threats 7).
"""

import logging
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog

from borealis_base.daily_file import DailyFile

SECRET_WORDS = ("password", "secret", "token", "authorization", "cookie", "private", "proof", "totp", "code")
KEPT_WORDS = {"error_code", "exit_code", "status_code", "token_version"}


def mask_secrets(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace values whose names speak of secrets."""
    for name in event:
        lowered = name.lower()
        if lowered not in KEPT_WORDS and any(word in lowered for word in SECRET_WORDS):
            event[name] = "[masked]"
    return event


def configure(logs: Path, *, console: bool = False, verbose: bool = False) -> None:
    """Send everything to ``engine.log``, errors to ``error.log``; to standard error too if ``console``."""
    handlers: list[logging.Handler] = [
        DailyFile(logs / "engine.log"),
        DailyFile(logs / "error.log", level=logging.ERROR),
    ]
    if console:
        handlers.append(logging.StreamHandler(sys.stderr))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    for handler in handlers:
        handler.setFormatter(_formatter())
        root.addHandler(handler)
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    for chatty in ("engineio", "socketio", "uvicorn", "asyncio", "alembic", "sqlalchemy", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            mask_secrets,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    _logs["folder"] = logs
    for service in _services:
        _open_file(service)


_logs: dict[str, Path] = {}
_services: set[str] = set()
"""Loggers are made when modules are imported, which may be before the folder is known."""


def get_logger(service: str) -> structlog.stdlib.BoundLogger:
    """A logger of one service; use keyword arguments for values: ``log.info("approved", guid=guid)``."""
    _services.add(service)
    if "folder" in _logs:
        _open_file(service)
    logger_of_service: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(f"borealis.{service}")
    return logger_of_service


def _open_file(service: str) -> None:
    logger = logging.getLogger(f"borealis.{service}")
    path = _logs["folder"] / f"{service}.log"
    if any(isinstance(handler, DailyFile) and handler.path == path for handler in logger.handlers):
        return
    for old in [handler for handler in logger.handlers if isinstance(handler, DailyFile)]:
        logger.removeHandler(old)
    handler = DailyFile(path)
    handler.setFormatter(_formatter())
    logger.addHandler(handler)


def _formatter() -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.LogfmtRenderer(
                key_order=["timestamp", "level", "logger", "event"], drop_missing=True, bool_as_flag=False
            ),
        ],
        foreign_pre_chain=[
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
        ],
    )
