"""``roundhouse models same``: under which other names a model can be had, and how that is known."""

from __future__ import annotations

from collections.abc import Sequence

import click

from roundhouse.cli import wording
from roundhouse.cli.client import Call, path_of
from roundhouse.cli.completion import complete_model
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Command, examples
from roundhouse.cli.output import Cell, Column, Mode, Table
from roundhouse.core.desks.same import Twin
from roundhouse.core.views import Model, ModelDetail

_COLUMNS = (
    Column("deployment"),
    Column("same"),
    Column("answers"),
    Column("quant", drop=2),
    Column("parameters", right=True, drop=3),
    Column("because"),
)


@click.command(
    cls=Command, epilog=examples("roundhouse models same gpt-oss:120b", "roundhouse models same gpt-oss:120b --json")
)
@click.argument("name", shell_complete=complete_model)
@click.pass_obj
def same(invocation: Invocation, name: str) -> None:
    """Show who else has a model's weights, under whatever name.

    With the evidence, and whether they answer requests for NAME; then who has the same model in another quantisation.
    `same.together` and `same.apart` in the settings overrule what is found.
    """
    reply = invocation.client().ask(Call("GET", path_of("/models", name)), ModelDetail)
    twins = reply.view.same
    data = {"name": reply.view.name, "same": reply.data["same"]} if isinstance(reply.data, dict) else reply.data
    invocation.out.result(data, [Table(_COLUMNS, [_row(each) for each in twins])], [each.id for each in twins])
    if invocation.out.mode is Mode.HUMAN and not twins:
        invocation.out.say(f"nobody else is known to have {reply.view.name}")
    elif invocation.out.mode is Mode.HUMAN:
        own = ", ".join(reply.view.deployments) or "nobody"
        invocation.out.say(f"{reply.view.name} itself is served by {own}")


def _row(twin: Twin) -> list[Cell | str]:
    count = twin.parameters
    return [
        twin.id,
        twin.same,
        Cell("yes" if twin.serves else "no", style="ok" if twin.serves else "dim"),
        twin.quantization or "-",
        Cell("-" if count is None else wording.count(count), count or ""),
        twin.why if twin.hindrance is None else f"{twin.why}; {twin.hindrance}",
    ]


def folded(models: Sequence[Model]) -> list[tuple[Model, tuple[str, ...]]]:
    """One row for all names of the same weights, each with the deployments that go by the others.

    What the library holds keeps a row of its own: it takes room.
    """
    heads: dict[str, str] = {}
    below: dict[str, list[str]] = {}
    for model in sorted(models, key=lambda each: not each.local):
        head = None if model.local else next((other for other in model.same_as if other in below), None)
        heads[model.name] = head or model.name
        below.setdefault(heads[model.name], []).extend(model.deployments if head else ())
    return [(model, tuple(below[model.name])) for model in models if heads[model.name] == model.name]


def unfolded(models: Sequence[Model]) -> list[tuple[Model, tuple[str, ...]]]:
    """A row for each name, with the others: a program looks for the one that it knows."""
    return [(model, model.same_as) for model in models]
