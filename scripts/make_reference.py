"""Write the reference pages that are read off the code: settings, commands, errors, metrics.

Run: ``python -m scripts.make_reference``; with ``--check`` it writes nothing and exits 1 when a page is not current.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click
from scripts import reference_api, reference_metrics

from roundhouse.cli.commands.help import exit_codes
from roundhouse.cli.errors import classes
from roundhouse.cli.main import root
from roundhouse.core.errors import RoundhouseError
from roundhouse.library.exchange.document import json_schema
from roundhouse.settings.render import markdown

ROOT = Path(__file__).resolve().parent.parent
_WIDTH = 100
_CLI = """\
# Commands

Data goes to stdout, talk to stderr. On a terminal data is a table, in a pipe it is tab-separated with plain numbers,
with `--json` it is what the [HTTP API](api.md) answers, with `--quiet` it is bare names. `NO_COLOR` is honoured.
A command talks to the server that runs on its home; when none runs it starts one for itself, which takes a few seconds.

This page is generated from the commands by `scripts/make_reference.py`.
"""
_ERRORS = """\
# Errors

Every failure has a code, a sentence, a hint that names the next command, and `retryable`.

- The model-facing endpoints answer in OpenAI's envelope:
  `{"error": {"message", "type", "param", "code", "hint", "source", "request_id"}}`.
- The management API answers `{"error": {"code", "message", "hint", "retryable", "details", "request_id"}}`.
- A command prints `error:` and `hint:` on stderr, with `--json` also `{"error": …}` on stdout; its exit code is below.

This page is generated from `src/roundhouse/core/errors.py` by `scripts/make_reference.py`.

| code | error | when | HTTP | exit | type | retryable |
|---|---|---|---|---|---|---|
"""


def commands(command: click.Command, parent: click.Context | None, name: str) -> Iterator[click.Context]:
    """The context of every command that is not hidden, in the order of the help."""
    context = click.Context(
        command,
        parent,
        name,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        help_option_names=command.context_settings.get("help_option_names"),
    )
    yield context
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None and not found.hidden:
                yield from commands(found, context, child)


def cli_page() -> str:
    """Every command with its help, and the exit codes."""
    helps = [
        f"\n## `{one.command_path}`\n\n```text\n{one.get_help()}\n```\n" for one in commands(root, None, "roundhouse")
    ]
    codes = [f"| {number} | {words} | {errors or '-'} |\n" for number, words, errors in exit_codes()]
    return "".join([_CLI, *helps, "\n## Exit codes\n\n| code | meaning | errors |\n|---|---|---|\n", *codes])


def errors_page() -> str:
    """Every error with its code, status and exit code."""
    rows = [_error_row(error) for error in classes()]
    return _ERRORS + "".join(rows)


def registry_schema() -> str:
    """The JSON Schema of what `models export` writes."""
    return json.dumps(json_schema(), indent=2) + "\n"


def _error_row(error: type[RoundhouseError]) -> str:
    when = (error.__doc__ or "").strip()
    retryable = "yes" if error.retryable else "no"
    facts = (
        f"`{error.code}`",
        f"`{error.__name__}`",
        when,
        error.status,
        error.exit_code,
        f"`{error.kind}`",
        retryable,
    )
    return "| " + " | ".join(str(fact) for fact in facts) + " |\n"


#: Every page that is read off the code, and how.
PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reference/settings.md": markdown,
    "docs/reference/cli.md": cli_page,
    "docs/reference/errors.md": errors_page,
    "docs/reference/api.md": reference_api.page,
    "docs/reference/metrics.md": reference_metrics.page,
    "docs/reference/registry.schema.json": registry_schema,
}


def main() -> int:
    """Write (or check) every page."""
    stale = []
    for name, page in PAGES.items():
        path, text = ROOT / name, page()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    print("\n".join(stale) or "all pages are current")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
