"""The table of settings written down: reference page, example file, JSON schema, and any tree as TOML.

Knows nothing about where settings come from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from roundhouse.settings import kinds
from roundhouse.settings.gather import PREFIX
from roundhouse.settings.key import Key
from roundhouse.settings.load import row_of
from roundhouse.settings.tree import KEYS, SECTIONS, Settings

_INTRO = """\
# Settings

Values come from, weakest first: the defaults below, `roundhouse.toml` in the home folder (or the file named with
`--config` or `ROUNDHOUSE_CONFIG`), variables `ROUNDHOUSE_SECTION__KEY`, and flags. `roundhouse config show` prints each
value with its source, `roundhouse config explain KEY` one of them, `roundhouse config validate` checks a file.
An unknown key is an error.

The home folder is `~/.local/share/roundhouse`; `ROUNDHOUSE_HOME` or `--home` name another, `{home}` stands for it here.
Sizes are a number of bytes or `"32MiB"`, `"2GB"`. Secrets do not stand in settings: name the variable or the file that
holds them.

This page is generated from `src/roundhouse/settings/tree.py` by `scripts/make_reference.py`.
"""


def value_of(settings: Settings, key: str) -> object:
    """One value of the tree by its dotted key. Raises KeyError."""
    if key.startswith("aliases."):
        return settings.aliases[key.removeprefix("aliases.")]
    node: object = settings
    for part in key.split("."):
        node = node[part] if isinstance(node, type(settings.backends)) else getattr(node, part)
    return node


def shown(row: Key, value: object) -> object:
    """A value as TOML would say it; ``None`` when it is not set."""
    if value is None and row.default is None:
        return None
    return row.kind.show(str(value) if row.path else value)


def public(row: Key, value: object) -> object:
    """A value as it may be shown to people: as TOML would say it, without a password in it."""
    said = shown(row, value)
    return kinds.without_password(said) if row.kind in (kinds.DATABASE, kinds.VALKEY) and said else said


def toml(value: object) -> str:
    """One TOML value."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(part) for part in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def dump(settings: Settings) -> str:
    """The whole tree as TOML; reading it again gives an equal tree."""
    lines: list[str] = []
    section = ""
    for key in settings.provenance:
        row = row_of(key)
        value = shown(row, value_of(settings, key)) if row else None
        owner, name = _split(key)
        if value is None:
            continue
        if owner != section:
            section = owner
            lines += ["", f"[{section}]"]
        lines.append(f"{_quoted(name)} = {toml(value)}")
    return "\n".join(lines).lstrip("\n") + "\n"


def _split(key: str) -> tuple[str, str]:
    """Section and name; an alias may have dots in its name."""
    if key.startswith("aliases."):
        return "aliases", key.removeprefix("aliases.")
    owner, _, name = key.rpartition(".")
    return owner, name


def _quoted(name: str) -> str:
    bare = name.replace("_", "").replace("-", "").isalnum() and name.isascii()
    return name if bare else toml(name)


def example() -> str:
    """A file with every key commented out at its default."""
    lines = ["# Every setting of Roundhouse at its default. Uncomment what you change."]
    for section, owner in SECTIONS.items():
        title = (owner.__doc__ or "").strip()
        name = section.replace("NAME", "cloud")
        lines += ["", f"# {title}", f"# [{name}]" if "NAME" in section else f"[{name}]"]
        lines += [_example_line(key, row) for key, row in _rows_of(section)]
    lines += [
        "",
        "# Names that stand for models, best first.",
        "# [aliases]",
        '# fast = ["cloud/small", "roundhouse/noise"]',
    ]
    return "\n".join(lines) + "\n"


def _example_line(key: str, row: Key) -> str:
    name = key.rpartition(".")[2]
    unit = f" [{row.unit}]" if row.unit else ""
    value = '""' if row.default is None else toml(row.default)
    return f"# {name} = {value}  # {row.help}{unit}"


def _rows_of(section: str) -> Iterator[tuple[str, Key]]:
    return ((key, row) for key, row in KEYS.items() if key.rpartition(".")[0] == section)


def markdown() -> str:
    """The reference page."""
    parts = [_INTRO]
    for section, owner in SECTIONS.items():
        parts.append(f"\n## `[{section}]`\n\n{(owner.__doc__ or '').strip()}\n\n{_TABLE_HEAD}")
        parts += [_markdown_row(key, row) for key, row in _rows_of(section)]
    parts.append(_ALIASES)
    parts.append(f"\n## Example\n\n```toml\n{example()}```\n")
    return "".join(parts)


_ALIASES = """
## `[aliases]`

Names that stand for models: `name = ["model", "backend/model"]`, best first. `auto` is built in.
"""
_TABLE_HEAD = "| key | kind | default | what it is | variable |\n|---|---|---|---|---|\n"


def _markdown_row(key: str, row: Key) -> str:
    unit = f", {row.unit}" if row.unit else ""
    default = "not set" if row.default is None else f"`{toml(row.default)}`"
    variable = f"`{variable_of(key)}`" + (f", or `{row.also}`" if row.also else "")
    return f"| `{key.rpartition('.')[2]}` | {row.kind.name}{unit} | {default} | {row.help} | {variable} |\n"


def variable_of(key: str) -> str:
    """The variable that sets *key*."""
    return PREFIX + key.replace(".", "__").upper()


def json_schema() -> dict[str, object]:
    """JSON schema of ``roundhouse.toml``, for editors."""
    properties = {section: _object(section) for section in SECTIONS if "." not in section}
    routing = properties["routing"]["properties"]
    routing["weights"] = _object("routing.weights")  # type: ignore[index]
    library = properties["library"]["properties"]
    library["licenses"] = _object("library.licenses")  # type: ignore[index]
    properties["backends"] = {"type": "object", "additionalProperties": _object("backends.NAME")}
    names = KEYS["aliases.NAME"].kind.schema
    properties["aliases"] = {"type": "object", "additionalProperties": {"anyOf": [{"type": "string"}, dict(names)]}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "roundhouse.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def _object(section: str) -> dict[str, object]:
    rows = {key.rpartition(".")[2]: {**row.kind.schema, "description": row.help} for key, row in _rows_of(section)}
    return {"type": "object", "additionalProperties": False, "properties": rows}
