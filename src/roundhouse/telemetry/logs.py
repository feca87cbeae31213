"""One log: ours and that of every library, to one stream, without secrets. Knows nothing about what is logged."""

from __future__ import annotations

import logging
import re
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

#: Values under these names are never written.
_SECRET_NAMES = re.compile(
    r"(?i)api[_-]?key|authorization|password|passwd|secret|cookie|pepper|credential|(?:^|[_-])token$"
)
#: What gives a key away in any text: ours, those of well-known services, and a password inside of a URL.
_SECRET_TEXTS = re.compile(
    r"rh-[0-9A-Za-z]{8}-[0-9A-Za-z]+"
    r"|\b(?:sk|pk|rk)-[0-9A-Za-z_-]{8,}"
    r"|\bhf_[0-9A-Za-z]{8,}"
    r"|\bgh[pousr]_[0-9A-Za-z]{8,}"
    r"|(?i:\bbearer\s+)[^\s'\",]+"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
)
_HIDDEN = "[hidden]"
#: Libraries that talk too much at INFO; their warnings are still heard.
_QUIET = ("dbos", "alembic", "httpx", "httpx2", "huggingface_hub", "filelock", "asyncio", "uvicorn.error")


def configure(stream: TextIO, *, level: str = "info", pretty: bool | None = None) -> None:
    """Send every log line to *stream*: readable if *pretty* (by default: on a terminal), JSON otherwise."""
    pretty = stream.isatty() if pretty is None else pretty
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Tracebacks as text: the structured form lists local variables, and with them keys and prompts.
    writer: Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if pretty
        else structlog.processors.JSONRenderer(default=str)
    )
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[remove_meta, structlog.processors.format_exc_info, redact, writer],
        ),
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hide what looks like a secret, by its name or by its form, at any depth."""
    return {key: _HIDDEN if _SECRET_NAMES.search(key) else _hide(value) for key, value in event.items()}


def _hide(value: object) -> object:
    if isinstance(value, str):
        return _SECRET_TEXTS.sub(_HIDDEN, value)
    if isinstance(value, bytes):
        return _SECRET_TEXTS.sub(_HIDDEN, value.decode("utf-8", "replace"))
    if isinstance(value, dict):
        return {key: _HIDDEN if _SECRET_NAMES.search(str(key)) else _hide(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_hide(each) for each in value]
    return value
