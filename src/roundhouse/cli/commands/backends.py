"""``roundhouse backends``: those who serve."""

from __future__ import annotations

from collections.abc import Sequence

import click

from roundhouse.cli import wording
from roundhouse.cli.answers import Backends, Figures
from roundhouse.cli.client import PATIENT_S, Call, path_of
from roundhouse.cli.commands.roster import add, rm
from roundhouse.cli.commands.stores import copy, delete, pull
from roundhouse.cli.completion import complete_backend
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Group, examples
from roundhouse.cli.output import Cell, Column, Table
from roundhouse.core.desks.figures import DeploymentFigures, Spread
from roundhouse.core.desks.trial import BackendTest
from roundhouse.core.errors import BackendError, ForbiddenError
from roundhouse.core.views import BackendStatus

_COLUMNS = (
    Column("name"),
    Column("state"),
    Column("kind", drop=3),
    Column("models", right=True),
    Column("loaded", drop=4),
    Column("calls", right=True, drop=6),
    Column("errors", right=True, drop=7),
    Column("tokens/s", right=True, drop=8),
    Column("queue", right=True, drop=9),
    Column("answers in", right=True, drop=5),
    Column("address", drop=2),
    Column("detail", drop=1),
)

_VERDICTS = {
    "right": "right",
    "wrong": "wrong: it answers, but not sensibly",
    "unsure": "neither right nor wrong: it was cut, or said nothing",
}

_SERVED = (
    Column("deployments"),
    Column("calls", right=True, drop=3),
    Column("tokens/s", right=True, drop=1),
    Column("baseline", right=True, drop=2),
)

_FIGURES = (
    Column("model"),
    Column("calls", right=True),
    Column("errors", right=True),
    Column("cache hits", right=True, drop=3),
    Column("tokens/s", right=True),
    Column("baseline", right=True, drop=5),
    Column("first token", right=True, drop=4),
    Column("whole answer", right=True),
    Column("queue", right=True, drop=2),
    Column("load", right=True, drop=1),
)


@click.group(cls=Group)
def backends() -> None:
    """List, add, remove and try what serves the models."""


for _command in (add, rm, pull, copy, delete):
    backends.add_command(_command)


@backends.command(epilog=examples("roundhouse backends ls", "roundhouse backends ls --json"))
@click.pass_obj
def ls(invocation: Invocation) -> None:
    """List the backends and how they are.

    Calls and errors are of the last day; tokens per second are the busiest model's, and 19 of 20 calls waited no longer
    than the queue's time.
    """
    reply = invocation.client().ask(Call("GET", "/backends"), Backends)
    found = reply.view.backends
    day = _by_backend(invocation) if found else {}
    rows = [_row(one, day.get(one.name, ())) for one in found]
    invocation.out.result(reply.data, [Table(_COLUMNS, rows)], [one.name for one in found])
    down = next((one.name for one in found if not one.ok), None)
    if down is not None:
        invocation.out.then("look closer", f"roundhouse backends test {down}")
    if not found:
        invocation.out.say("no backends")
        invocation.out.then("add one", "roundhouse backends add --help")


def _by_backend(invocation: Invocation) -> dict[str, list[DeploymentFigures]]:
    """The last day's figures; a caller who may not see usage goes without."""
    try:
        found = invocation.client().ask(Call("GET", "/figures"), Figures).view.deployments
    except ForbiddenError:
        return {}
    grouped: dict[str, list[DeploymentFigures]] = {}
    for one in found:
        grouped.setdefault(one.backend, []).append(one)
    return grouped


def _row(one: BackendStatus, day: Sequence[DeploymentFigures]) -> list[Cell | str]:
    return [
        one.name,
        _state(one),
        one.kind + (" (found)" if one.url and not one.configured else ""),
        str(one.deployments),
        ", ".join(one.loaded) or "-",
        str(sum(each.requests for each in day)),
        str(sum(sum(each.errors.values()) for each in day)),
        _rate(next((each.tokens_per_s for each in day if each.tokens_per_s is not None), None)),
        wording.millis(max((each.queue_ms.p95 for each in day if each.queue_ms is not None), default=None)),
        Cell(wording.millis(one.latency_ms), "" if one.latency_ms is None else round(one.latency_ms, 1)),
        one.url or "-",
        one.detail,
    ]


def _state(one: BackendStatus) -> Cell:
    if not one.ok:
        return Cell("down", style="fail")
    return Cell("slow", style="warn") if one.degraded else Cell("ok", style="ok")


@backends.command(epilog=examples("roundhouse backends show local", "roundhouse backends show cloud --hours 168"))
@click.argument("name", shell_complete=complete_backend)
@click.option("--hours", type=click.IntRange(1, 2160), default=24, show_default=True, help="How far back to add up.")
@click.pass_obj
def show(invocation: Invocation, name: str, *, hours: int) -> None:
    """Show what calls to one backend were like.

    Sums are over the hours asked for, times are of the last 1,000 calls since the start: half took no longer than the
    first number, 19 of 20 no longer than the second, 99 of 100 no longer than the third.
    """
    call = Call("GET", path_of("/backends", name, "/figures"), query={"hours": str(hours)})
    reply = invocation.client().ask(call, Figures)
    found = reply.view.deployments
    rows = [_figures(one) for one in found]
    invocation.out.result(reply.data, [Table(_FIGURES, rows)], [one.deployment for one in found])
    if not found:
        invocation.out.say(f"{name} serves no model")
        invocation.out.then("see why", f"roundhouse backends test {name}")
    for one in found:
        if one.degraded and one.baseline is not None:
            usual, first = one.baseline.tokens_per_s, wording.millis(one.baseline.first_token_ms)
            words = f"{one.pace or 0:.0%} of its baseline ({usual:.1f} tokens/s, first token after {first})"
            invocation.out.say(f"{one.deployment} is at {words}", style="warn")
        if one.errors:
            said = ", ".join(f"{kind} {count}" for kind, count in sorted(one.errors.items()))
            invocation.out.say(f"{one.deployment} failed with {said}")


def _figures(one: DeploymentFigures) -> list[Cell | str]:
    return [
        one.model,
        str(one.requests),
        str(sum(one.errors.values())),
        str(one.cache_hits),
        _rate(one.tokens_per_s),
        _usual(one),
        _spread(one.first_token_ms),
        _spread(one.latency_ms),
        _spread(one.queue_ms),
        "-" if one.load_s is None else f"{one.load_s:.1f} s",
    ]


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    return " / ".join(wording.millis(each) for each in (spread.p50, spread.p95, spread.p99))


@backends.command(
    epilog=examples(
        "roundhouse backends test local",
        "roundhouse backends test cloud --prompt",
        "roundhouse backends test local --model qwen3:8b --baseline",
    )
)
@click.argument("name", shell_complete=complete_backend)
@click.option("--prompt", is_flag=True, help="Also have a model count to 20, some 100 tokens, which may cost money.")
@click.option("--model", metavar="MODEL", help="Which model; the first that can chat if not given.")
@click.option("--baseline", is_flag=True, help="Keep how quick that was as its baseline; implies --prompt.")
@click.pass_obj
def test(invocation: Invocation, name: str, *, prompt: bool, model: str | None, baseline: bool) -> int:
    """Try one backend.

    Does it answer, with which models, and how quick were those in the last day? With --prompt, does a model answer
    sensibly, and how quickly? The first time, and with --baseline, that is kept, and calls that are much slower later
    are told of. Exit 9 when it does not answer.
    """
    body = {"prompt": prompt or baseline, "baseline": baseline} | ({} if model is None else {"model": model})
    if prompt or baseline:
        invocation.out.say(f"asking {model or 'a model'} at {name} to count to 20", style="dim")
    call = Call("POST", path_of("/backends", name, "/test"), body=body, timeout_s=PATIENT_S)
    reply = invocation.client().ask(call, BackendTest)
    outcome = reply.view
    facts: list[list[Cell | str]] = [
        [Cell("backend", style="dim"), outcome.name],
        [Cell("state", style="dim"), Cell("ok" if outcome.ok else "failed", style="ok" if outcome.ok else "fail")],
        [Cell("detail", style="dim"), outcome.detail],
        [
            Cell("answered in", style="dim"),
            Cell(wording.millis(outcome.latency_ms), round(outcome.latency_ms or 0.0, 1) or ""),
        ],
        *_said(outcome),
    ]
    day = {one.deployment: one for one in _by_backend(invocation).get(name, ())}
    served = Table(_SERVED, [_served(one, day.get(one)) for one in outcome.deployments])
    invocation.out.result(reply.data, [Table((Column(""), Column("")), facts), served], outcome.deployments)
    return 0 if outcome.ok else BackendError.exit_code


def _served(deployment: str, day: DeploymentFigures | None) -> list[Cell | str]:
    if day is None:
        return [deployment, "-", "-", "-"]
    return [deployment, str(day.requests), _rate(day.tokens_per_s), _usual(day)]


def _usual(one: DeploymentFigures) -> str:
    return _rate(None if one.baseline is None else one.baseline.tokens_per_s)


def _said(outcome: BackendTest) -> list[list[Cell | str]]:
    """What a model said, if one was asked."""
    if outcome.reply is None:
        return []
    speed = _rate(outcome.tokens_per_s) + ("" if outcome.pace is None else f" ({outcome.pace:.0%} of its baseline)")
    usual = "none" if outcome.usual is None else f"{outcome.usual:.1f} tokens/s"
    kept = "this from now on: later calls are compared with it" if outcome.baseline else usual
    if outcome.tokens_per_s is None:
        kept = f"{usual}: it said too little to be timed"
    return [
        [Cell("said", style="dim"), outcome.reply],
        [Cell("by", style="dim"), outcome.model or "-"],
        [Cell("which is", style="dim"), _VERDICTS[outcome.verdict or "unsure"]],
        [Cell("first token", style="dim"), wording.millis(outcome.first_token_ms)],
        [Cell("tokens/s", style="dim"), speed],
        [Cell("baseline", style="dim"), kept],
    ]
