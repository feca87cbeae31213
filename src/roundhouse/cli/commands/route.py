"""``roundhouse route``: why a request goes where it goes."""

from __future__ import annotations

import json
from pathlib import Path

import click

from roundhouse.cli import wording
from roundhouse.cli.client import Call
from roundhouse.cli.completion import complete_model
from roundhouse.cli.errors import rebuilt, tell
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Group, examples
from roundhouse.cli.output import Cell, Column, Mode, Table
from roundhouse.core.desks.routes import CandidateView, Explanation
from roundhouse.core.errors import SchemaError
from roundhouse.core.inference import Operation

_EMBEDDING, _COMPLETION = Operation.EMBEDDING.value, Operation.COMPLETION.value
_RERANK = Operation.RERANK.value


@click.group(cls=Group)
def route() -> None:
    """Explain how requests find their model."""


@route.command(
    epilog=examples(
        'roundhouse route explain -m auto "Write a poem"',
        'roundhouse route explain -m auto --operation embedding "some text"',
        "roundhouse route explain --body request.json",
    )
)
@click.argument("prompt", required=False)
@click.option(
    "--model",
    "-m",
    default=None,
    metavar="MODEL",
    shell_complete=complete_model,
    help="What would be asked for [default: auto].",
)
@click.option(
    "--operation",
    type=click.Choice([one.value for one in Operation]),
    default="chat",
    show_default=True,
    help="What would be asked of it.",
)
@click.option(
    "--body",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A whole request in OpenAI's JSON.",
)
@click.pass_obj
def explain(invocation: Invocation, prompt: str | None, model: str | None, operation: str, body: Path | None) -> int:
    """Show who would serve a request, and why.

    In order, with the points of each factor, and with the reason of everyone who would not. Nothing is sent.
    """
    request = _from_file(body, model) if body else _request(model or "auto", operation, prompt or "hello")
    reply = invocation.client().ask(Call("POST", "/route/explain", body=request), Explanation)
    found = reply.view
    invocation.out.result(reply.data, [_candidates(found), _refused(found)], [one.id for one in found.candidates])
    if found.error is not None:
        return tell(rebuilt(found.error), as_json=False, colour=invocation.out.colour)
    if invocation.out.mode is Mode.HUMAN:
        _conclude(invocation, found)
    return 0


def _from_file(path: Path, model: str | None) -> dict[str, object]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"{path} is not JSON: {error}"
        raise SchemaError(message) from error
    if not isinstance(body, dict):
        message = f"{path} does not hold a JSON object"
        raise SchemaError(message, hint='it looks like {"model": "auto", "messages": […]}')
    return {"model": "auto", **body, **({"model": model} if model else {})}


def _request(model: str, operation: str, prompt: str) -> dict[str, object]:
    if operation == _EMBEDDING:
        return {"model": model, "operation": operation, "input": prompt}
    if operation == _COMPLETION:
        return {"model": model, "operation": operation, "prompt": prompt}
    if operation == _RERANK:
        return {"model": model, "operation": operation, "query": prompt, "documents": [prompt]}
    return {"model": model, "operation": operation, "messages": [{"role": "user", "content": prompt}]}


def _candidates(found: Explanation) -> Table:
    """One column per factor: the points it gave, so that a row adds up to its score."""
    factors = list(dict.fromkeys(name for one in found.candidates for name in one.factors))
    joined = any(one.joined for one in found.candidates)
    columns = [
        Column("#", right=True),
        Column("deployment"),
        Column("score", right=True),
        *(Column(name, right=True, drop=3) for name in factors),
        Column("state", drop=2),
        Column("context", right=True, drop=4),
        Column("price in/out", right=True, drop=5),
        *([Column("because")] if joined else []),
    ]
    return Table(columns, [_row(one, factors, joined=joined) for one in found.candidates])


def _row(one: CandidateView, factors: list[str], *, joined: bool) -> list[Cell | str]:
    points = [_points(one, name) for name in factors]
    price = "-" if one.price is None else f"{wording.money(one.price.input)} / {wording.money(one.price.output)}"
    context = Cell("-" if one.context is None else f"{one.context:,}", one.context or "")
    because = [one.joined or ""] if joined else []
    return [
        str(one.rank),
        one.id,
        Cell(f"{one.score:.3g}", one.score),
        *points,
        one.residency,
        context,
        price,
        *because,
    ]


def _points(one: CandidateView, name: str) -> Cell:
    factor = one.factors.get(name)
    return Cell("-", "") if factor is None else Cell(f"{factor.points:.3g}", factor.points)


def _refused(found: Explanation) -> Table:
    return Table((Column("refused"), Column("why")), [[one.id, one.reason] for one in found.refused])


def _conclude(invocation: Invocation, found: Explanation) -> None:
    profile = found.profile
    needs = ", ".join(profile.needs) or "nothing special"
    invocation.out.say(f"{profile.operation} for {profile.model}: about {profile.prompt_tokens} tokens, needs {needs}")
    rest = len(found.candidates) - 1
    others = f"; {wording.some(rest, 'fallback')} behind it" if rest > 0 else "; nobody to fall back on"
    invocation.out.say(f"{found.chosen} would serve it{others}", style="ok")
