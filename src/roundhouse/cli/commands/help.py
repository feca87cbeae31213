"""``roundhouse help``: the help of a command, or of a topic that belongs to all."""

from __future__ import annotations

import click

from roundhouse.cli.errors import INTERRUPTED, classes
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Command, examples
from roundhouse.cli.output import Column, Table

#: What each exit code means; the errors that end with it are read off the tree.
EXIT_CODES = {
    0: "ok, also for an empty list",
    1: "it failed",
    2: "the command line, the input or the configuration is wrong",
    3: "no such thing",
    4: "not known, or not allowed",
    5: "a precondition is missing: licence, network, policy, a deployment that fits",
    6: "the bytes are not the right ones",
    7: "no resource: disk, memory, quota, budget, rate",
    8: "not done in time",
    9: "not reachable",
    INTERRUPTED: "interrupted with Ctrl-C",
}


def exit_codes() -> list[tuple[int, str, str]]:
    """Each exit code, what it means, and the codes of the errors behind it."""
    codes: dict[int, set[str]] = {}
    for error in classes():
        codes.setdefault(error.exit_code, set()).add(error.code)
    return [(number, words, " ".join(sorted(codes.get(number, ())))) for number, words in EXIT_CODES.items()]


@click.command(
    "help",
    cls=Command,
    epilog=examples("roundhouse help pull", "roundhouse help models rm", "roundhouse help exit-codes"),
)
@click.argument("topic", nargs=-1)
@click.pass_context
def help_command(ctx: click.Context, topic: tuple[str, ...]) -> None:
    """Show the help of a command, or `exit-codes`."""
    if topic == ("exit-codes",):
        _print_exit_codes(ctx.obj)
        return
    parent = ctx.find_root()
    for name in topic:
        command = parent.command
        found = command.get_command(parent, name) if isinstance(command, click.Group) else None
        if found is None:
            message = f"There is no help on {' '.join(topic)!r}."
            raise click.UsageError(message, ctx.find_root())
        parent = click.Context(found, info_name=name, parent=parent)
    click.echo(parent.get_help())


def _print_exit_codes(invocation: Invocation) -> None:
    rows = exit_codes()
    data = {"exit_codes": [{"code": code, "meaning": words, "errors": errors.split()} for code, words, errors in rows]}
    columns = (Column("code", right=True), Column("meaning"), Column("errors"))
    table = Table(columns, [[str(code), words, errors] for code, words, errors in rows])
    invocation.out.result(data, [table], [str(code) for code, _, _ in rows])
