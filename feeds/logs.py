"""Logs of all processes: one JSON object a line, microseconds, component, correlation id; rotated; secrets and control bytes
never reach it.

`setup_logging(run_dir, component)` once per process. Writing happens on a thread of its own: the caller only puts a record on a
queue. Warnings also go to standard error as plain text, for the person who started the process by hand. The same warning again
within ten seconds is counted, not written; the count follows with the next one."""
import logging
import logging.handlers
import os
import pathlib
import queue
import re
import sys
import time
from typing import Any

import orjson

FILE_BYTES_MAX = 16 << 20
FILES_KEPT = 5
REPEAT_WINDOW_S = 10.0
MESSAGE_MAX = 4000
HIDDEN = "***"

_secrets: set[str] = set()
# Values beside names that carry secrets on the wire, whatever the notation: k=v, "k":"v", header: value.
_SECRET_NAMES = re.compile(
    r"""(?i)(["']?(?:signature|api[-_]?key|x-mbx-apikey|secret|listenkey|token|password|private[-_]?key)["']?\s*[=:]\s*["']?)"""
    r"""([^\s"'&,;}]{4,})"""
)
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")


def register_secret(value: str) -> None:
    """From now on this text is replaced wherever it would be logged."""
    if len(value) >= 4:
        _secrets.add(value)


def clean(text: str) -> str:
    """Without secrets, control bytes spelled out, cut to a sensible length."""
    for secret in _secrets:
        text = text.replace(secret, HIDDEN)
    text = _SECRET_NAMES.sub(rf"\1{HIDDEN}", _PEM.sub(HIDDEN, text))
    text = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}" if ord(found[0]) < 256 else f"\\u{ord(found[0]):04x}", text)
    return text if len(text) <= MESSAGE_MAX else text[:MESSAGE_MAX] + f"... ({len(text)} characters)"


def _clean_value(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {
            clean(str(key)): HIDDEN if _SECRET_NAMES.match(f"{key}=xxxx") else _clean_value(item) for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_clean_value(item) for item in value]
    return value if isinstance(value, (int, float, bool, type(None))) else clean(str(value))


class JsonFormatter(logging.Formatter):
    """{"time": "2026-11-20T14:15:03.123456Z", "level": ..., "component": ..., "correlation_id": ..., "message": ..., fields}"""

    def __init__(self, component: str) -> None:
        super().__init__()
        self.component = component

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        micros = int((record.created % 1) * 1_000_000)
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{micros:06d}Z",
            "level": record.levelname, "component": self.component, "logger": record.name,
            "message": clean(record.getMessage()),
        }
        correlation_id = getattr(record, "correlation_id", None)
        if correlation_id is not None:
            line["correlation_id"] = _clean_value(correlation_id)
        fields = getattr(record, "fields", None)
        if fields:
            line["fields"] = _clean_value(fields)
        if record.exc_info:
            line["exception"] = clean(self.formatException(record.exc_info))
        return orjson.dumps(line).decode()


class RepeatFilter(logging.Filter):
    """The same warning or error (logger, level, text) within REPEAT_WINDOW_S is counted instead of written."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, int, str], tuple[float, int, float]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """False = counted only."""
        if record.levelno < logging.WARNING:
            return True
        text = record.getMessage()
        key = (record.name, record.levelno, text)
        since, count, _ = self._seen.get(key, (0.0, 0, 0.0))
        if count and record.created - since < REPEAT_WINDOW_S:
            self._seen[key] = (since, count + 1, record.created)
            return False
        if count > 1:
            record.msg, record.args = f"{text} [{count - 1} more since {time.strftime('%H:%M:%S', time.gmtime(since))} UTC]", None
        self._seen[key] = (record.created, 1, record.created)
        if len(self._seen) > 1000:
            self._seen = {k: v for k, v in self._seen.items() if record.created - v[2] < REPEAT_WINDOW_S}
        return True


class LogSetup:
    """What setup_logging started; `close()` writes what is queued and ends the thread."""

    def __init__(self, listener: logging.handlers.QueueListener, handlers: list[logging.Handler]) -> None:
        self._listener: logging.handlers.QueueListener | None = listener
        self._handlers = handlers

    def close(self) -> None:
        """Safe to call twice."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None
            for handler in self._handlers:
                handler.close()
            root = logging.getLogger()
            for root_handler in list(root.handlers):
                if isinstance(root_handler, logging.handlers.QueueHandler):
                    root.removeHandler(root_handler)


def setup_logging(run_dir: str | os.PathLike[str], component: str, level: int = logging.INFO) -> LogSetup:
    """Log to <run_dir>/logs/<component>.log (mode 0600) and warnings to standard error."""
    folder = pathlib.Path(run_dir) / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{component}.log"
    os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
    file_handler = logging.handlers.RotatingFileHandler(path, maxBytes=FILE_BYTES_MAX, backupCount=FILES_KEPT, encoding="utf-8")
    file_handler.setFormatter(JsonFormatter(component))
    person = logging.StreamHandler(sys.stderr)
    person.setLevel(logging.WARNING)
    person.setFormatter(_PlainFormatter(component))
    lines: queue.SimpleQueue[Any] = queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(lines)  # type: ignore[arg-type]
    handler.prepare = lambda record: record  # type: ignore[method-assign]  # same process: nothing to pickle, exc_info stays
    handler.addFilter(RepeatFilter())
    listener = logging.handlers.QueueListener(lines, file_handler, person, respect_handler_level=True)  # type: ignore[arg-type]
    root = logging.getLogger()
    root.setLevel(level)
    root.addHandler(handler)
    logging.getLogger("picows").setLevel(logging.WARNING)  # its INFO is a line for every handshake and end
    listener.start()
    return LogSetup(listener, [file_handler, person])


class _PlainFormatter(logging.Formatter):
    def __init__(self, component: str) -> None:
        super().__init__()
        self.component = component

    def format(self, record: logging.LogRecord) -> str:
        text = f"{self.component}: {record.levelname.lower()}: {record.getMessage()}"
        return clean(text + (f" ({record.exc_info[1]!r})" if record.exc_info and record.exc_info[1] else ""))
