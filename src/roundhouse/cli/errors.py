"""How a command ends when it fails: one line what, one line what next, the right exit code, never a traceback unasked.

Knows nothing about commands.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import click

from roundhouse.core.errors import (
    AuthError,
    BackendError,
    ForbiddenError,
    InternalError,
    LimitError,
    NotFoundError,
    RoundhouseError,
    SchemaError,
)

INTERRUPTED = 130
USAGE = 2
_BY_STATUS = {401: AuthError, 403: ForbiddenError, 404: NotFoundError, 429: LimitError, 502: BackendError}
_CLIENT_ERRORS = range(400, 500)


def classes() -> Iterator[type[RoundhouseError]]:
    """Every error of the tree in the order of its page, from the general to the special."""
    waiting = list(RoundhouseError.__subclasses__())
    while waiting:
        current = waiting.pop(0)
        if current.__module__ == RoundhouseError.__module__:
            yield current
        waiting.extend(current.__subclasses__())


def rebuilt(said: Mapping[str, object], status: int = 500) -> RoundhouseError:
    """The error that a server (or a failed transfer) put into words."""
    known: dict[str, type[RoundhouseError]] = {}
    for owner in classes():
        known.setdefault(owner.code, owner)
    fallback = SchemaError if status in _CLIENT_ERRORS else InternalError
    owner = known.get(str(said.get("code"))) or _BY_STATUS.get(status, fallback)
    hint, details = said.get("hint"), said.get("details")
    error = owner(
        str(said.get("message") or "it failed without a word"),
        retryable=bool(said.get("retryable")),
        details={**details} if isinstance(details, dict) else {},
    )
    error.hint = str(hint) if hint else error.hint
    if owner is InternalError and said.get("request_id"):
        error.details.setdefault("request_id", said["request_id"])
    return error


def tell(error: RoundhouseError, *, as_json: bool, colour: bool) -> int:
    """Print *error*; its exit code."""
    if as_json:
        click.echo(json.dumps({"error": error.to_dict()}, ensure_ascii=False))
    lines(f"{error.message} ({error.code})", error.hint, colour=colour)
    if "request_id" in error.details:
        click.echo(f"request: {error.details['request_id']}", err=True)
    return error.exit_code


def coloured(environment: Mapping[str, str]) -> bool:
    """Whether a terminal wants colour (https://no-color.org)."""
    return not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def lines(message: str, hint: str | None, *, colour: bool) -> None:
    """``error: …`` and ``hint: …`` on stderr."""
    click.echo(_labelled("error", "red", message, colour=colour), err=True, color=colour)
    if hint:
        click.echo(_labelled("hint", "cyan", hint, colour=colour), err=True, color=colour)


def _labelled(label: str, ink: str, words: str, *, colour: bool) -> str:
    words = words.expandtabs(2)
    clean = "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in words)
    head = click.style(f"{label}:", fg=ink, bold=True) if colour else f"{label}:"
    return f"{head} " + clean.replace("\n", "\n" + " " * (len(label) + 2))
