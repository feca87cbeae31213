"""``roundhouse completion``: the script that makes a shell complete commands and model names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from roundhouse.cli.completion import BashCompletion
from roundhouse.cli.options import Command, examples


@click.command(
    cls=Command,
    epilog=examples(
        'eval "$(roundhouse completion bash)"     # in ~/.bashrc',
        'eval "$(roundhouse completion zsh)"      # in ~/.zshrc',
        "roundhouse completion fish | source      # in ~/.config/fish/config.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell."""
    kind = BashCompletion if shell == "bash" else get_completion_class(shell)
    if kind is not None:
        click.echo(kind(ctx.find_root().command, {}, "roundhouse", "_ROUNDHOUSE_COMPLETE").source())
