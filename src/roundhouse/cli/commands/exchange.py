"""``roundhouse models export|import|bundle``: models going out of the library and coming in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from shlex import quote
from typing import BinaryIO, get_args

import click

from roundhouse.cli import wording
from roundhouse.cli.carriage import BLOCK, Cargo, unload, write_whole
from roundhouse.cli.client import PATIENT_S, Call
from roundhouse.cli.completion import complete_model
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Command, examples
from roundhouse.cli.output import Bar, Cell, Column, Table
from roundhouse.core.desks.exchange import ImportedModel, ImportReport, OnConflict
from roundhouse.core.errors import NotFoundError

_PATH = click.Path(dir_okay=False, path_type=Path)
#: What every tar has at this place of its first block.
_TAR_MARK, _MARK_AT = b"ustar", 257


@click.command(
    cls=Command,
    epilog=examples("roundhouse models export", "roundhouse models export --output registry.json roundhouse/noise"),
)
@click.argument("names", nargs=-1, metavar="[NAME...]", shell_complete=complete_model)
@click.option("--output", "-o", type=_PATH, metavar="FILE", help="Write there instead of to stdout.")
@click.pass_obj
def export(invocation: Invocation, names: tuple[str, ...], *, output: Path | None) -> None:
    """Write the registry as JSON: names, digests, sizes, where they came from. No bytes of models."""
    with invocation.client().raw(Call("GET", "/registry", _named(names))) as response:
        text = response.read()
    if output is None:
        click.echo(text, nl=False)
        return
    write_whole(output, text)
    invocation.out.say(f"wrote {output}", style="ok")
    invocation.out.then("read it in again", f"roundhouse models import {quote(str(output))}")


@click.command(
    cls=Command,
    epilog=examples("roundhouse models bundle roundhouse/noise --output models.tar"),
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_model)
@click.option("--output", "-o", type=_PATH, required=True, metavar="FILE", help="The tar to write.")
@click.pass_obj
def bundle(invocation: Invocation, names: tuple[str, ...], *, output: Path) -> None:
    """Pack models with their bytes into one tar, for a machine without a network.

    Every byte is checked on its way. The file is there when all of it is, and not before.
    """
    with invocation.out.progress("packing") as bar:
        call = Call("GET", "/bundles", _named(names), timeout_s=PATIENT_S)
        with invocation.client().raw(call) as response:
            size = unload(response, output, lambda done, total: bar.update(_share(done, total), done, total))
    table = Table((Column("bundle"), Column("size", right=True)), [[str(output), Cell(wording.size(size), size)]])
    invocation.out.result({"bundle": str(output), "size": size}, [table], [str(output)])
    invocation.out.then("on the other machine", f"roundhouse models import {quote(output.name)}")


@click.command(
    "import",
    cls=Command,
    epilog=examples(
        "roundhouse models import registry.json --dry-run",
        "roundhouse models import models.tar --on-conflict keep-both",
        "roundhouse models import registry.json --fetch",
    ),
)
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--on-conflict",
    type=click.Choice(get_args(OnConflict)),
    default="fail",
    show_default=True,
    help="When a model of that name is here with other bytes.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing; a bundle is read and checked.")
@click.option("--fetch", is_flag=True, help="Pull the exact revisions of models whose bytes are not here.")
@click.pass_obj
def import_command(invocation: Invocation, file: Path, *, on_conflict: str, dry_run: bool, fetch: bool) -> None:
    """Read in what `models export` or `models bundle` wrote: all of it, or nothing when anything is wrong.

    FILE is - for stdin.
    """
    query: dict[str, object] = {"on_conflict": on_conflict, "dry_run": str(dry_run).lower()}
    with _opened(file) as source, invocation.out.progress("importing") as bar:
        first = source.read(BLOCK)
        chunks = _read(source, first, bar, file)
        if first[_MARK_AT : _MARK_AT + len(_TAR_MARK)] == _TAR_MARK:
            call = Call("POST", "/bundles", query, timeout_s=PATIENT_S)
            reply = invocation.client().send(call, Cargo("application/x-tar", chunks), ImportReport)
        else:
            call = Call("POST", "/registry", query | {"fetch": str(fetch).lower()}, timeout_s=PATIENT_S)
            reply = invocation.client().send(call, Cargo("application/json", chunks), ImportReport)
    _show(invocation, reply.view, reply.data)
    if any(model.state == "missing" and model.transfer is None for model in reply.view.models):
        invocation.out.then("fetch what is missing", f"roundhouse models import {quote(str(file))} --fetch")


def _show(invocation: Invocation, report: ImportReport, data: object) -> None:
    columns = (
        Column("model"),
        Column("would be" if report.dry_run else "state"),
        Column("size", right=True),
        Column("why", drop=1),
    )
    invocation.out.result(
        data, [Table(columns, [_row(model) for model in report.models])], [m.name for m in report.models]
    )
    if not report.models:
        invocation.out.say("there are no models in it")
    if any(model.transfer for model in report.models):
        invocation.out.then("see how far they are", "roundhouse downloads ls")


def _row(model: ImportedModel) -> list[Cell | str]:
    style = {"missing": "warn", "added": "ok", "replaced": "ok"}.get(model.state, "dim")
    why = f"{model.reason or '-'}" + ("; a pull was started" if model.transfer else "")
    return [model.name, Cell(model.state, style=style), Cell(wording.size(model.size), model.size), why]


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        opened = file.open("rb")
    except OSError as error:
        message = f"cannot read {file}: {error.strerror or error}"
        raise NotFoundError(message) from error
    with opened:
        yield opened


def _read(source: BinaryIO, first: bytes, bar: Bar, file: Path) -> Iterator[bytes]:
    """All of a file, and how far it is."""
    total = file.stat().st_size if str(file) != "-" else 0
    done = 0
    for block in chain([first], iter(lambda: source.read(BLOCK), b"")):
        done += len(block)
        bar.update(_share(done, total), done, total or None)
        yield block


def _share(done: int, total: int) -> str:
    return f"{wording.size(done)} of {wording.size(total)}" if total else f"read {wording.size(done)}"


def _named(names: tuple[str, ...]) -> dict[str, object]:
    return {"name": list(dict.fromkeys(names))}
