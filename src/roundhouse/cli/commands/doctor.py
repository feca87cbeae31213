"""``roundhouse doctor``: numbered checks, each with its fix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from roundhouse.cli import wording
from roundhouse.cli.answers import Checks
from roundhouse.cli.client import PATIENT_S, Call
from roundhouse.cli.commands import checks
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Command, examples
from roundhouse.cli.output import Cell, Column, Table
from roundhouse.core.errors import ConfigError, RoundhouseError
from roundhouse.core.views import Check


@click.command(
    cls=Command, epilog=examples("roundhouse doctor", "roundhouse doctor --online", "roundhouse doctor --json")
)
@click.option("--online", is_flag=True, help="Also see whether the hub answers.")
@click.pass_obj
def doctor(invocation: Invocation, *, online: bool) -> int:
    """Check everything, with a fix for each fault.

    Exit 1 when a check fails; warnings are no failures.
    """
    made = {check.name: check for check in _all(invocation, online=online)}
    listed = list(made.values())
    data = {
        "checks": [{"name": one.name, "status": one.status, "detail": one.detail, "fix": one.fix} for one in listed]
    }
    failed = [one.name for one in listed if one.status == "fail"]
    invocation.out.result(data, [_table(listed)], failed)
    warned = sum(one.status == "warn" for one in listed)
    verdict = (
        f"{wording.some(len(failed), 'failure')}, {wording.some(warned, 'warning')}"
        if failed or warned
        else "all is well"
    )
    invocation.out.say(verdict, style="fail" if failed else "warn" if warned else "ok")
    return 1 if failed else 0


def _all(invocation: Invocation, *, online: bool) -> Iterator[Check]:
    """Every check; of two with one name the later counts."""
    yield checks.python()
    yield checks.home(invocation.home)
    try:
        settings = invocation.settings()
    except ConfigError as error:
        yield Check("settings", "fail", error.message, error.hint)
        yield checks.llamacpp()
        return
    yield Check("settings", "ok", str(settings.config_file or "no file, defaults only"))
    yield checks.disk(settings.library.path, settings.library.min_free)
    yield checks.port(settings, invocation.url)
    yield from checks.keys(settings)
    yield checks.llamacpp()
    if online:
        yield checks.hub(settings)
    yield from _of_the_server(invocation)


def _of_the_server(invocation: Invocation) -> Sequence[Check]:
    """What only a server can answer."""
    where = invocation.url
    try:
        answer = invocation.client().ask(Call("GET", "/doctor", timeout_s=PATIENT_S), Checks)
    except RoundhouseError as error:
        return [Check("server", "fail", error.message, error.hint)]
    except ImportError as error:
        return [Check("server", "fail", f"cannot be loaded: {error}", "install Roundhouse again")]
    detail = f"runs at {where}" if where else "does not run; it can be started"
    return [Check("server", "ok", detail), *answer.view.checks]


def _table(listed: Sequence[Check]) -> Table:
    rows: list[list[Cell | str]] = []
    for number, one in enumerate(listed, start=1):
        rows.append([str(number), Cell(one.status, style=one.status), one.name, one.detail])
        if one.fix and one.status != "ok":
            rows.append(["", "", "", Cell(f"fix: {one.fix}", style="hint")])
    return Table((Column("#", right=True), Column("state"), Column("check"), Column("detail")), rows)
