"""``roundhouse config``: every setting, where it came from, and whether a file is right. Needs no server."""

from __future__ import annotations

import difflib
from importlib.metadata import entry_points
from pathlib import Path

import click

from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Group, examples
from roundhouse.cli.output import Cell, Column, Table
from roundhouse.core.errors import ConfigError, NotFoundError
from roundhouse.settings import KEYS, Settings
from roundhouse.settings.load import row_of, unknown
from roundhouse.settings.render import example, json_schema, public, toml, value_of, variable_of


@click.group(cls=Group)
def config() -> None:
    """Show, explain and check the settings."""


def complete_key(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a setting."""
    return [key for key in KEYS if "NAME" not in key and key.startswith(incomplete)]


@config.command(
    epilog=examples(
        "roundhouse config show",
        "roundhouse config show --changed",
        "roundhouse config show --example > roundhouse.toml",
    )
)
@click.option("--changed", is_flag=True, help="Only what is not at its default.")
@click.option("--example", "as_example", is_flag=True, help="Print a commented file to start from.")
@click.option("--schema", is_flag=True, help="Print the JSON schema of the file, for editors.")
@click.pass_obj
def show(invocation: Invocation, *, changed: bool, as_example: bool, schema: bool) -> None:
    """Show every setting with its value and where the value came from."""
    out = invocation.out
    if schema:
        out.json(json_schema())
        return
    if as_example:
        out.text(example(), newline=False)
        return
    settings = invocation.settings()
    keys = [key for key, where in settings.provenance.items() if not changed or where.source != "default"]
    rows = [[key, _shown(settings, key), _where(settings, key)] for key in keys]
    table = Table((Column("setting"), Column("value"), Column("from")), rows)
    out.result(_data(settings, keys), [table], keys)
    out.say(f"home: {settings.home}")
    out.say(f"file: {settings.config_file or 'none'}")
    if changed and not keys:
        out.say("everything is at its default")


def _public(settings: Settings, key: str) -> object:
    row = row_of(key)
    return None if row is None else public(row, value_of(settings, key))


def _shown(settings: Settings, key: str) -> Cell | str:
    value = _public(settings, key)
    return Cell("not set", "", "dim") if value is None else toml(value)


def _where(settings: Settings, key: str) -> Cell:
    source = settings.provenance[key]
    return Cell(str(source), style="dim" if source.source == "default" else "")


def _data(settings: Settings, keys: list[str]) -> dict[str, object]:
    listed = {}
    for key in keys:
        source = settings.provenance[key]
        listed[key] = {"value": _public(settings, key), "source": source.source, "where": source.where or None}
    file = settings.config_file
    return {"home": str(settings.home), "file": None if file is None else str(file), "settings": listed}


@config.command(
    epilog=examples("roundhouse config explain server.port", "roundhouse config explain backends.cloud.url")
)
@click.argument("key", shell_complete=complete_key)
@click.pass_obj
def explain(invocation: Invocation, key: str) -> None:
    """Explain one setting: what it is, its value, where that came from, how to change it."""
    settings = invocation.settings()
    row = row_of(key)
    if row is None:
        sentence, hint = unknown(key)
        raise NotFoundError(sentence, hint=hint)
    # A backend that nobody configured has settings too.
    source = settings.provenance.get(key)
    value = row.default if source is None else _public(settings, key)
    unit = f", in {row.unit}" if row.unit else ""
    default = "not set" if row.default is None else toml(row.default)
    table_name, _, name = key.rpartition(".")
    facts = {
        "setting": key,
        "what": row.help,
        "value": "not set" if value is None else toml(value),
        "from": str(source or "default"),
        "default": default,
        "kind": row.kind.name.replace("`", "") + unit,
        "in the file": f"[{table_name}] {name} = …",
        "variable": variable_of(key) + (f" (or {row.also})" if row.also else ""),
    }
    rows: list[list[Cell | str]] = [[Cell(label, style="dim"), words] for label, words in facts.items()]
    data = {**facts, "value": value, "default": row.default}
    invocation.out.result(data, [Table((Column(""), Column("")), rows)], [facts["value"]])


@config.command(epilog=examples("roundhouse config validate", "roundhouse config validate ./roundhouse.toml"))
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.pass_obj
def validate(invocation: Invocation, file: Path | None) -> None:
    """Check the settings, of FILE or of this home, and name every mistake."""
    settings = invocation.settings(file=file)
    for name, backend in settings.backends.items():
        _check_kind(name, backend.kind)
    for name, backend in settings.backends.items():
        if (backend.api_key_env or backend.api_key_file) and backend.api_key is None:
            invocation.out.say(
                f"backends.{name}: {backend.api_key_env or backend.api_key_file} holds no key", style="warn"
            )
    read = str(settings.config_file or "no file, defaults only")
    invocation.out.result(
        {"ok": True, "file": read},
        [Table((Column("checked"), Column("")), [[read, Cell("right", style="ok")]])],
        [read],
    )


def _check_kind(name: str, kind: str) -> None:
    """Raise ConfigError when nothing that is installed speaks *kind*."""
    kinds = sorted({"llamacpp", *entry_points(group="roundhouse.backends").names})
    if kind not in kinds:
        close = difflib.get_close_matches(kind, kinds, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(kinds)}"
        message = f"backends.{name}.kind: nothing here speaks {kind!r}"
        raise ConfigError(message, hint=hint)
