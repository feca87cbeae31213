"""``roundhouse models repair``: bytes that have gone wrong are made right again, and only those move."""

from __future__ import annotations

from collections.abc import Sequence

import click

from roundhouse.cli import wording
from roundhouse.cli.answers import Models
from roundhouse.cli.client import PATIENT_S, Call, path_of
from roundhouse.cli.completion import complete_model
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Command, examples
from roundhouse.cli.output import Cell, Column, Table
from roundhouse.core.desks.repair import FileRepair, Repair
from roundhouse.core.errors import VerifyError

_COLUMNS = (
    Column("model"),
    Column("bytes"),
    Column("damaged", right=True),
    Column("from peers", right=True, drop=2),
    Column("fetched", right=True),
    Column("took", right=True, drop=1),
)


@click.command(
    cls=Command,
    epilog=examples(
        "roundhouse models repair roundhouse/noise",
        "roundhouse models repair --all",
        "roundhouse models repair --all --dry-run",
    ),
)
@click.argument("names", nargs=-1, metavar="[NAME...]", shell_complete=complete_model)
@click.option("--all", "every", is_flag=True, help="All models of the library.")
@click.option("--dry-run", is_flag=True, help="Look what is wrong and what would be fetched, and change nothing.")
@click.pass_obj
def repair(invocation: Invocation, names: tuple[str, ...], *, every: bool, dry_run: bool) -> int:
    """Read every byte of models, and bring anew what is wrong.

    Chunks come from other models here if they have them, else from the source. What cannot be repaired is put into
    quarantine: kept, and loaded by nobody. Older revisions that are kept are looked at too. Exit 6 when something
    stays wrong.
    """
    chosen = _chosen(invocation, names, every=every)
    views, data = [], []
    with invocation.out.progress("looking" if dry_run else "repairing") as bar:
        for number, name in enumerate(chosen):
            bar.update(name, number, len(chosen))
            query = {"dry_run": "true"} if dry_run else {}
            call = Call("POST", path_of("/models", name, "/repair"), query, timeout_s=PATIENT_S)
            reply = invocation.client().ask(call, Repair)
            views.append(reply.view)
            data.append(reply.data)
    wrong = [view for view in views if not view.ok]
    table = Table(_COLUMNS, [_row(view) for view in views])
    invocation.out.result(data[0] if len(data) == 1 else data, [table], [view.model for view in wrong])
    if not views:
        invocation.out.say("the library is empty: nothing to repair")
    for view in views:
        _explain(invocation, view)
    if wrong and dry_run:
        invocation.out.then("repair", f"roundhouse models repair {' '.join(view.model for view in wrong)}")
    return VerifyError.exit_code if wrong else 0


def _chosen(invocation: Invocation, names: Sequence[str], *, every: bool) -> Sequence[str]:
    """The models to look at, each once. Raises UsageError."""
    if every == bool(names):
        message = "name models, or say --all"
        raise click.UsageError(message)
    if not every:
        return tuple(dict.fromkeys(names))
    listed = invocation.client().ask(Call("GET", "/models"), Models).view.models
    return tuple(model.name for model in listed if model.local)


def _row(view: Repair) -> list[Cell | str]:
    word, style = _word(view)
    return [
        view.model,
        Cell(word, style=style),
        Cell(wording.size(view.bytes_damaged), view.bytes_damaged),
        Cell(wording.size(view.bytes_from_peers), view.bytes_from_peers),
        Cell(wording.size(view.bytes_fetched), view.bytes_fetched),
        Cell(wording.millis(view.duration_ms), view.duration_ms),
    ]


def _word(view: Repair) -> tuple[str, str]:
    outcomes = {file.outcome for file in view.files}
    for outcome in ("quarantined", "damaged"):
        if outcome in outcomes:
            return outcome, "fail"
    return ("repaired", "ok") if "repaired" in outcomes else ("right", "ok")


def _explain(invocation: Invocation, view: Repair) -> None:
    """Say what is wrong with which file, and what to do."""
    say = invocation.out.say
    for file in view.files:
        if file.outcome in {"quarantined", "damaged"}:
            say(f"{view.model}: {_name(file)} {_plight(file)}{_where(file)}", style="fail")
        if file.error is not None:
            say(f"  {file.error['code']}: {file.error['message']}")
            if file.error.get("hint"):
                say(f"  hint: {file.error['hint']}", style="hint")
    for name in view.loaded:
        say(f"{name} is in memory with the bytes from before, and keeps them until it is unloaded", style="warn")


def _name(file: FileRepair) -> str:
    return file.name if file.revision is None else f"{file.name} of the older revision {file.revision[:12]}"


def _plight(file: FileRepair) -> str:
    return "could not be repaired and is in quarantine" if file.outcome == "quarantined" else "is damaged"


def _where(file: FileRepair) -> str:
    return "".join(f"\n  bytes {each.offset:,} to {each.offset + each.length:,}" for each in file.damaged)
