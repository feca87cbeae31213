"""``roundhouse downloads``: bytes on their way in."""

from __future__ import annotations

from datetime import datetime

import click

from roundhouse.cli import wording
from roundhouse.cli.answers import Transfers
from roundhouse.cli.client import Call
from roundhouse.cli.commands.models import FIRST_MODEL
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Group, examples
from roundhouse.cli.output import Cell, Column, Table
from roundhouse.core.artifacts import TransferState
from roundhouse.core.views import TransferView

_STYLES = {TransferState.DONE: "ok", TransferState.FAILED: "fail"}
_COLUMNS = (
    Column("model"),
    Column("state"),
    Column("done", right=True),
    Column("of", right=True),
    Column("rate", right=True, drop=2),
    Column("left", right=True, drop=1),
    Column("changed", drop=3),
    Column("id", drop=4),
)


@click.group(cls=Group)
def downloads() -> None:
    """See what is being pulled."""


@downloads.command(epilog=examples("roundhouse downloads ls", "roundhouse downloads ls --active --json"))
@click.option("--active", is_flag=True, help="Only those that are under way.")
@click.pass_obj
def ls(invocation: Invocation, *, active: bool) -> None:
    """List downloads, newest first."""
    reply = invocation.client().ask(Call("GET", "/transfers"), Transfers)
    listed = [one for one in reply.view.transfers if not active or one.state not in _STYLES]
    ids = [one.id for one in listed]
    data = reply.data
    if active and isinstance(data, dict):
        data = {**data, "transfers": [row for row in data["transfers"] if row["id"] in ids]}
    now = invocation.clock.now()
    invocation.out.result(data, [Table(_COLUMNS, [_row(one, now) for one in listed])], ids)
    for one in listed:
        if one.error:
            hint = f" ({one.error['hint']})" if one.error.get("hint") else ""
            invocation.out.say(f"{one.model or one.ref}: {one.error.get('message')}{hint}")
    if not listed:
        invocation.out.say("nothing is being pulled" if active else "nothing was pulled yet")
        invocation.out.then("pull a model", f"roundhouse pull {FIRST_MODEL}")


def _row(one: TransferView, now: datetime) -> list[Cell | str]:
    return [
        one.model or one.ref,
        Cell(one.state, style=_STYLES.get(TransferState(one.state), "")),
        Cell(wording.size(one.bytes_done), one.bytes_done),
        Cell(wording.size(one.bytes_total), one.bytes_total or ""),
        Cell("-" if one.rate is None else f"{wording.size(one.rate)}/s", one.rate or ""),
        Cell(wording.duration(one.eta_s), one.eta_s or ""),
        Cell(wording.ago(one.updated_at, now), one.updated_at),
        one.id,
    ]
