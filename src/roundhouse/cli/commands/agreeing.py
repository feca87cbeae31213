"""A pull whose licence somebody has to agree to first: asked on a terminal, or said beforehand by a script."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import click

from roundhouse.cli.client import Call, Reply, path_of
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.output import Mode
from roundhouse.cli.wording import printable
from roundhouse.core.desks.licenses import LicenseView
from roundhouse.core.errors import LicenseError
from roundhouse.core.views import PullPlan

T = TypeVar("T")


def asking(invocation: Invocation, begin: Callable[[], Reply[T]], *, accept: bool) -> Reply[T]:
    """What *begin* gives, once the licence that it needs was agreed to. Raises LicenseError when it was not."""
    try:
        return begin()
    except LicenseError as error:
        digest = error.details.get("digest")
        if not isinstance(digest, str) or not (accept or _agreed(invocation, error)):
            raise
        invocation.client().ask(Call("POST", path_of("/licenses", digest, "/accept")), LicenseView)
        invocation.out.say(f"accepted: {error.details.get('name') or error.details.get('license')}")
        return begin()


def license_words(plan: PullPlan) -> str:
    """What a pull would come under, and whether that is in its way."""
    called = plan.license_name or plan.license
    if called is None:
        return "licence: unknown; nobody names one" + (
            ", and it has to be accepted" if plan.license_state == "needed" else ""
        )
    where = f" ({plan.license_url})" if plan.license_url else ""
    states = {"needed": ": has to be accepted first", "accepted": ": you have accepted it", "free": ""}
    return f"licence: {called}{where}{states.get(plan.license_state, '')}"


def _agreed(invocation: Invocation, error: LicenseError) -> bool:
    """Ask whoever sits at the terminal; nobody else is asked."""
    out = invocation.out
    if out.mode is not Mode.HUMAN or not (sys.stdin.isatty() and out.stderr_tty):
        return False
    out.say(error.message)
    url, digest = error.details.get("url"), str(error.details["digest"])
    out.then("read it", str(url) if url else f"roundhouse licenses show {digest[:12]}")
    called = printable(str(error.details.get("name") or error.details.get("license") or "these terms"))
    return click.confirm(f"Do you accept {called}?", default=False, err=True)
