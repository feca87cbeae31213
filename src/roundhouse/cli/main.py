"""The entry point: the table of commands, and how a run ends.

Knows nothing about what commands do; imports one only when it is asked for.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import click

from roundhouse import __version__
from roundhouse.cli.errors import INTERRUPTED, USAGE, coloured, lines, tell
from roundhouse.cli.lazy import LazyGroup
from roundhouse.core.errors import InternalError, RoundhouseError

_ROOM = "roundhouse.cli.commands"
#: Options of every command (`options.GLOBAL`), which stand behind it.
_GLOBAL = {"--json", "--quiet", "-q", "--home", "--config", "--offline", "--debug"}


class Root(LazyGroup):
    """All commands."""

    lazy = {  # noqa: RUF012 - a constant of the class
        "up": f"{_ROOM}.up:up",
        "serve": f"{_ROOM}.up:up",
        "pull": f"{_ROOM}.pull:pull",
        "chat": f"{_ROOM}.chat:chat",
        "models": f"{_ROOM}.models:models",
        "licenses": f"{_ROOM}.licenses:licenses",
        "downloads": f"{_ROOM}.downloads:downloads",
        "backends": f"{_ROOM}.backends:backends",
        "route": f"{_ROOM}.route:route",
        "events": f"{_ROOM}.events:events",
        "usage": f"{_ROOM}.usage:usage",
        "config": f"{_ROOM}.config:config",
        "doctor": f"{_ROOM}.doctor:doctor",
        "completion": f"{_ROOM}.completion:completion",
        "help": f"{_ROOM}.help:help_command",
    }
    hidden_names = frozenset({"serve"})


@click.group(
    cls=Root, epilog="Exit codes: roundhouse help exit-codes", context_settings={"help_option_names": ["--help", "-h"]}
)
@click.version_option(__version__, "--version", "-V", prog_name="roundhouse", message="%(prog)s %(version)s")
def root() -> None:
    """Get language models, keep them healthy, and serve them all at one address.

    Start with `roundhouse up`.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = words[: words.index("--")] if "--" in words else words
    debug, as_json = "--debug" in options, "--json" in options
    colour = sys.stderr.isatty() and coloured(os.environ)  # noqa: TID251 - the terminal's variables, not settings
    try:
        outcome = root.main(words, prog_name="roundhouse", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        return _misused(error, colour=colour)
    except click.Abort:
        click.echo("", err=True)
        return INTERRUPTED
    except RoundhouseError as error:
        _trace(debug=debug)
        return tell(error, as_json=as_json, colour=colour)
    except Exception as error:  # noqa: BLE001 - the border: whatever is left is our fault
        _trace(debug=debug)
        ours = InternalError(
            f"{type(error).__name__}: {error}", hint="this is a mistake of ours; `--debug` shows where"
        )
        return tell(ours, as_json=as_json, colour=colour)
    return outcome if isinstance(outcome, int) else 0


def _trace(*, debug: bool) -> None:
    if debug:
        traceback.print_exc()


def _misused(error: click.ClickException, *, colour: bool) -> int:
    """Say what is wrong with the command line, and where its help is."""
    context = getattr(error, "ctx", None)
    path = context.command_path if isinstance(context, click.Context) else "roundhouse"
    message, hint = error.format_message(), f"see `{path} --help`"
    if isinstance(error, click.NoSuchOption) and path == "roundhouse" and error.option_name in _GLOBAL:
        message, hint = f"{error.option_name} stands behind the command.", f"roundhouse COMMAND {error.option_name}"
    lines(message, hint, colour=colour)
    return error.exit_code
