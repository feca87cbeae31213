"""A group of commands that imports a command only when it is asked for. Knows nothing about what commands do."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click

#: What people coming from other tools type: its name here.
_ELSEWHERE = {
    "run": "chat",
    "start": "up",
    "download": "pull",
    "get": "pull",
    "ls": "models ls",
    "list": "models ls",
    "ps": "models ls",
    "rm": "models rm",
    "show": "models show",
    "verify": "models verify",
    "status": "doctor",
}


class LazyGroup(click.Group):
    """The root: a command's module is imported when the command is asked for."""

    #: Name of the command: its module and attribute.
    lazy: Mapping[str, str] = {}
    #: Names that work but are not listed.
    hidden_names: frozenset[str] = frozenset()

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """List the commands in the order of the table."""
        return [name for name in self.lazy if name not in self.hidden_names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command."""
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Point to the command that people know from elsewhere."""
        if args[0] not in self.lazy and args[0] in _ELSEWHERE:
            message = f"No such command {args[0]!r}. Did you mean 'roundhouse {_ELSEWHERE[args[0]]}'?"
            raise click.UsageError(message, ctx)
        return super().resolve_command(ctx, args)
