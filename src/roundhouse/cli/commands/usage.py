"""``roundhouse usage``: what was asked, what it took, what it cost."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

from roundhouse.cli import wording
from roundhouse.cli.answers import Requests, Usage
from roundhouse.cli.client import Call
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Command, examples
from roundhouse.cli.output import Cell, Column, Table
from roundhouse.core.ledger import UsageRecord, UsageSummary

_SPAN = re.compile(r"([0-9]{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.command(
    cls=Command,
    epilog=examples("roundhouse usage", "roundhouse usage --by day --since 7d", "roundhouse usage --last 20"),
)
@click.option(
    "--by", type=click.Choice(["model", "backend", "day"]), default="model", show_default=True, help="Add up by this."
)
@click.option("--since", metavar="WHEN", help="Only what is newer: 30m, 24h, 7d, 2w, or a date such as 2026-01-31.")
@click.option(
    "--last", type=click.IntRange(1, 1000), metavar="N", help="List the last N requests instead of adding up."
)
@click.pass_obj
def usage(invocation: Invocation, by: str, since: str | None, last: int | None) -> None:
    """Show requests, tokens and cost."""
    if last is not None:
        _requests(invocation, last)
        return
    start = None if since is None else _start(since, invocation.clock.now())
    query = {"by": by, "since": start and start.isoformat()}
    reply = invocation.client().ask(Call("GET", "/usage", query), Usage)
    rows = reply.view.rows
    columns = (
        Column(by),
        Column("requests", right=True),
        Column("failed", right=True),
        Column("tokens in", right=True, drop=1),
        Column("tokens out", right=True, drop=2),
        Column("cost", right=True),
    )
    invocation.out.result(reply.data, [Table(columns, [_sum(row) for row in rows])], [row.key for row in rows])
    if not rows:
        _nothing(invocation)


def _start(since: str, now: datetime) -> datetime:
    """When ``7d`` or a date begins. Raises UsageError."""
    span = _SPAN.fullmatch(since.strip())
    try:
        if span is not None:
            return now - timedelta(**{_UNITS[span[2]]: int(span[1])})
        start = datetime.fromisoformat(since.strip())
    except (ValueError, OverflowError) as error:
        message = f"--since does not understand {since!r}: write 30m, 24h, 7d, 2w, or a date such as 2026-01-31."
        raise click.UsageError(message) from error
    return start if start.tzinfo else start.astimezone(UTC)


def _sum(row: UsageSummary) -> list[Cell | str]:
    return [
        row.key,
        Cell(f"{row.requests:,}", row.requests),
        Cell(f"{row.errors:,}", row.errors, "fail" if row.errors else ""),
        Cell(f"{row.prompt_tokens:,}", row.prompt_tokens),
        Cell(f"{row.completion_tokens:,}", row.completion_tokens),
        Cell(wording.money(row.cost_usd), row.cost_usd),
    ]


def _requests(invocation: Invocation, last: int) -> None:
    reply = invocation.client().ask(Call("GET", "/requests", {"limit": last}), Requests)
    records, now = reply.view.requests, invocation.clock.now()
    columns = (
        Column("when", drop=4),
        Column("asked for"),
        Column("answered by"),
        Column("outcome"),
        Column("tokens", right=True, drop=2),
        Column("took", right=True),
        Column("first token", right=True, drop=3),
        Column("cost", right=True, drop=1),
        Column("tries", right=True, drop=5),
    )
    rows = [_record(record, now) for record in records]
    invocation.out.result(reply.data, [Table(columns, rows)], [record.id for record in records])
    if not records:
        _nothing(invocation)


def _record(record: UsageRecord, now: datetime) -> list[Cell | str]:
    tokens = f"{record.prompt_tokens}+{record.completion_tokens}"
    return [
        Cell(wording.ago(record.at, now), record.at),
        record.requested,
        "-" if record.backend is None else f"{record.backend}/{record.model}",
        Cell(record.outcome, style="ok" if record.outcome == "ok" else "fail"),
        tokens,
        Cell(wording.millis(record.latency_ms), record.latency_ms),
        Cell(wording.millis(record.first_token_ms), record.first_token_ms or ""),
        Cell(wording.money(record.cost_usd), "" if record.cost_usd is None else record.cost_usd),
        str(len(record.attempts)),
    ]


def _nothing(invocation: Invocation) -> None:
    invocation.out.say("no requests yet")
    invocation.out.then("make one", 'roundhouse chat auto "hello"')
