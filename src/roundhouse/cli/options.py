"""The options that every command has, and the shape of commands, groups and their help.

Knows nothing about what commands do.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from roundhouse.cli.invocation import Flags, Invocation

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
GLOBAL: tuple[click.Option, ...] = (
    click.Option(["--json", "as_json"], is_flag=True, help="Print JSON, as the API answers."),
    click.Option(["--quiet", "-q"], is_flag=True, help="Print bare names only, and no talk."),
    click.Option(["--home"], type=_FOLDER, metavar="FOLDER", help="Home folder [default: $ROUNDHOUSE_HOME]."),
    click.Option(
        ["--config"], type=_FILE, metavar="FILE", help="Settings file [default: roundhouse.toml in the home]."
    ),
    click.Option(["--offline"], is_flag=True, help="Do not reach out to the network."),
    click.Option(["--debug"], is_flag=True, help="Show the traceback when something fails."),
)
_NAMES = {option.name for option in GLOBAL if option.name}
_VERBS = {"list": "ls", "remove": "rm", "delete": "rm", "info": "show", "get": "show", "check": "verify"}


class Command(click.Command):
    """A command with the global options; gets its Invocation by ``click.pass_obj``."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Add the global options."""
        return [*super().get_params(ctx), *GLOBAL]

    def invoke(self, ctx: click.Context) -> Any:
        """Take the global options away from the command, and close what it opened."""
        flags = {name: ctx.params.pop(name) for name in _NAMES if name in ctx.params}
        environment = dict(os.environ)  # noqa: TID251 - the border: settings and terminal get it from here
        ctx.obj = invocation = Invocation(Flags(**flags), environment)
        ctx.call_on_close(invocation.close)
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the command's own options first."""
        own: list[tuple[str, str]] = []
        shared: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and record[1]:
                (shared if parameter.name in _NAMES | {"help"} else own).append(record)
        for title, records in (("Options", own), ("Global options", shared)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class Group(click.Group):
    """A noun with its verbs."""

    command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Point to the verb that people know from elsewhere."""
        verb = _VERBS.get(args[0], "")
        if args[0] not in self.commands and verb in self.commands:
            message = f"No such command {args[0]!r}. Did you mean {verb!r}?"
            raise click.UsageError(message, ctx)
        return super().resolve_command(ctx, args)


def examples(*lines: str) -> str:
    """The end of a help text: command lines to copy."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
