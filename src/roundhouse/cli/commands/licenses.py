"""``roundhouse licenses``: what models may be used under, and who agreed to it."""

from __future__ import annotations

from datetime import datetime

import click

from roundhouse.cli import wording
from roundhouse.cli.answers import Licenses
from roundhouse.cli.client import Call, path_of
from roundhouse.cli.completion import complete_model
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Group, examples
from roundhouse.cli.output import Cell, Column, Mode, Table
from roundhouse.core.desks.licenses import LicenseDetail, LicenseView

_WORDS = {
    "free": Cell("no need to accept", style="dim"),
    "unknown": Cell("nobody names one", style="warn"),
    "accepted": Cell("accepted", style="ok"),
    "needed": Cell("to be accepted", style="warn"),
    "refused": Cell("refused here", style="fail"),
}
_COLUMNS = (
    Column("licence"),
    Column("state"),
    Column("models", drop=1),
    Column("accepted by", drop=2),
    Column("digest"),
)


@click.group(cls=Group)
def licenses() -> None:
    """List, show, accept and revoke the licences of models.

    KEY is a model, the first digits of a text (8 or more), or a licence's id.
    """


@licenses.command(epilog=examples("roundhouse licenses ls", "roundhouse licenses ls --needed --quiet"))
@click.option("--needed", is_flag=True, help="Only those that wait for somebody to accept them.")
@click.pass_obj
def ls(invocation: Invocation, *, needed: bool) -> None:
    """List the licences of models that are here, and of models that somebody wanted."""
    reply = invocation.client().ask(Call("GET", "/licenses"), Licenses)
    listed = [each for each in reply.view.licenses if each.state == "needed" or not needed]
    data = reply.data
    if needed and isinstance(data, dict):
        data = {**data, "licenses": [row for row in data["licenses"] if row["state"] == "needed"]}
    invocation.out.result(data, [Table(_COLUMNS, [_row(each) for each in listed])], [each.digest for each in listed])
    if not listed:
        invocation.out.say("no licence waits to be accepted" if needed else "no licences yet: no models came")


def _row(view: LicenseView) -> list[Cell | str]:
    return [
        view.name or view.license or "unknown",
        _WORDS[view.state],
        ", ".join(view.models) or "-",
        ", ".join(each.principal for each in view.accepted) or "-",
        Cell(view.digest[:12], view.digest),
    ]


@licenses.command(
    epilog=examples("roundhouse licenses show gemma", "roundhouse licenses show 3f2a9c1b77d0 > terms.txt")
)
@click.argument("key", shell_complete=complete_model)
@click.pass_obj
def show(invocation: Invocation, key: str) -> None:
    """Show one licence: who names it, who accepted it, and its text."""
    reply = invocation.client().ask(Call("GET", path_of("/licenses", key)), LicenseDetail)
    out, detail = invocation.out, reply.view
    facts = Table((Column(""), Column("")), _facts(detail, invocation.clock.now()))
    piped = out.mode is Mode.HUMAN and not out.stdout_tty and detail.text is not None
    if not piped:  # a pipe gets the text alone
        out.result(reply.data, [facts], [detail.digest])
    if out.mode is Mode.HUMAN and detail.text is not None:
        out.text(detail.text if piped else f"\n{detail.text}")
    if detail.text is None:
        out.say("no text came with it" + (f": read it at {detail.url}" if detail.url else ""))
    if detail.state == "needed":
        out.then("accept it", f"roundhouse licenses accept {detail.digest[:12]}")


def _facts(detail: LicenseDetail, now: datetime) -> list[list[Cell | str]]:
    """What is known about a licence, one line each; what is unknown is left out."""
    facts: list[tuple[str, Cell | str | None]] = [
        ("licence", detail.license or "unknown"),
        ("called", detail.name),
        ("state", _WORDS[detail.state]),
        ("read it at", detail.url),
        ("named by", detail.source),
        ("met with", detail.ref),
        ("revision", detail.revision),
        ("sha256", detail.text_sha256),
        ("models", ", ".join(detail.models) or None),
        *(("accepted by", f"{each.principal}, {wording.ago(each.at, now)}") for each in detail.accepted),
    ]
    return [[Cell(label, style="dim"), value] for label, value in facts if value is not None]


@licenses.command(epilog=examples("roundhouse licenses accept gemma", "roundhouse licenses accept 3f2a9c1b77d0"))
@click.argument("key", shell_complete=complete_model)
@click.pass_obj
def accept(invocation: Invocation, key: str) -> None:
    """Accept a licence for yourself. A changed text has to be accepted anew."""
    _change(invocation, key, "accept")


@licenses.command(epilog=examples("roundhouse licenses revoke gemma"))
@click.argument("key", shell_complete=complete_model)
@click.pass_obj
def revoke(invocation: Invocation, key: str) -> None:
    """Take your acceptance back. Models that nobody accepts any more are not served."""
    _change(invocation, key, "revoke")


def _change(invocation: Invocation, key: str, verb: str) -> None:
    reply = invocation.client().ask(Call("POST", path_of("/licenses", key, f"/{verb}")), LicenseView)
    view = reply.view
    invocation.out.result(reply.data, [Table(_COLUMNS, [_row(view)])], [view.digest])
    if view.state == "needed" and view.models:
        invocation.out.say(f"not served until somebody accepts it: {', '.join(view.models)}", style="warn")
