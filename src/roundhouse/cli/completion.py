"""What the shell offers when a person presses Tab. Must be quick, and works when no server runs.

Knows nothing about commands.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import BashComplete, CompletionItem

from roundhouse.cli.answers import Backends, Models, Transfers
from roundhouse.cli.client import Call, Client, key_of, running
from roundhouse.core.errors import RoundhouseError
from roundhouse.settings.load import home_of

_TIMEOUT_S = 1.0
_BUILT_IN = "auto"

# Bash breaks words at ':', which model names contain, so click's script offers the wrong end of a name. This one
# hands over the line as typed, and cuts from each offer what readline has already taken as words of their own.
_BASH = """\
%(complete_func)s() {
    local line="${COMP_LINE:0:COMP_POINT}" word offered kind value
    local -a words
    read -ra words <<< "$line"
    local position=$(( ${#words[@]} - 1 ))
    word="${words[position]}"
    if [[ $line == *[[:space:]] ]]; then position=$(( position + 1 )); word=""; fi
    local taken=""
    if [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then taken="${word%%:*}:"; fi
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("${value#"$taken"}") ;;
        esac
    done < <(COMP_WORDS="$line" COMP_CWORD=$position %(complete_var)s=bash_complete "$1")
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class BashCompletion(BashComplete):
    """Completion in bash that knows names with colons."""

    source_template = _BASH

    @staticmethod
    def _check_version() -> None:
        """Start no bash to ask for its version: what the script uses is older than any bash around."""


def complete_model(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of models: from the running server, else as last seen."""
    home = _home(ctx)
    client = _client(home)
    if client is not None:
        try:
            found = client.ask(Call("GET", "/models", timeout_s=_TIMEOUT_S), Models).view
            remember(home, (model.name for model in found.models))
        except RoundhouseError:
            client = None
    return _items([_BUILT_IN, *_remembered(home)], incomplete)


def complete_backend(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of backends, while a server runs."""
    client = _client(_home(ctx))
    try:
        found = client.ask(Call("GET", "/backends", timeout_s=_TIMEOUT_S), Backends).view.backends if client else ()
    except RoundhouseError:
        found = ()
    return _items((backend.name for backend in found), incomplete)


def complete_transfer(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of transfers, while a server runs."""
    client = _client(_home(ctx))
    try:
        found = client.ask(Call("GET", "/transfers", timeout_s=_TIMEOUT_S), Transfers).view.transfers if client else ()
    except RoundhouseError:
        found = ()
    return _items((transfer.id for transfer in found), incomplete)


def remember(home: Path, names: Iterable[str]) -> None:
    """Keep the names for the next Tab; that it cannot be written is no reason to fail."""
    try:
        (home / "run" / "names").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    except OSError:
        return


def _remembered(home: Path) -> list[str]:
    try:
        return (home / "run" / "names").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _items(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _home(ctx: click.Context) -> Path:
    return home_of(ctx.params.get("home"), os.environ)  # noqa: TID251 - the border: Tab calls this, not `main`


def _client(home: Path) -> Client | None:
    url = running(home)
    return Client(url, key_of(home)) if url else None
