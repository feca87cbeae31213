"""``roundhouse models update`` and ``rollback``: newer revisions, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from time import sleep

import click

from roundhouse.cli import wording
from roundhouse.cli.answers import Models
from roundhouse.cli.client import PATIENT_S, Call, Client, path_of
from roundhouse.cli.commands.pull import progress_words
from roundhouse.cli.completion import complete_model
from roundhouse.cli.errors import INTERRUPTED, rebuilt
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Command, examples
from roundhouse.cli.output import Bar, Cell, Column, Table
from roundhouse.core.artifacts import TransferState
from roundhouse.core.desks.revisions import Rollback, Update, UpdateCheck
from roundhouse.core.errors import RoundhouseError
from roundhouse.core.views import TransferView

_PAUSE_S = 0.2
_LONGEST = 19
_COLUMNS = (
    Column("model"),
    Column("state"),
    Column("here", drop=2),
    Column("newest", drop=1),
    Column("fetch", right=True),
)


@dataclass(slots=True)
class _Case:
    """One model, and how it went."""

    name: str
    check: UpdateCheck | None = None
    transfer: TransferView | None = None
    error: RoundhouseError | None = None
    #: What was found is left alone: somebody went back from it.
    is_left: bool = False

    @property
    def state(self) -> str:
        """In one word or two."""
        if self.error is not None:
            return f"failed: {self.error.message}"
        if self.is_left:
            return "rolled back from the newest"
        if self.transfer is not None and TransferState(self.transfer.state) is TransferState.DONE:
            return "updated"
        return "" if self.check is None else "newer there" if self.check.state == "newer" else self.check.detail

    @property
    def data(self) -> dict[str, object]:
        """What ``--json`` prints of it."""
        check, transfer = self.check, self.transfer
        return {
            "model": self.name,
            "state": "failed" if check is None else check.state,
            "revision": None if check is None else check.revision,
            "available": None if check is None else check.available,
            "bytes_needed": None if check is None else check.bytes_needed,
            "was_here": check is not None and check.was_here,
            "updated": transfer is not None and TransferState(transfer.state) is TransferState.DONE,
            "transfer": None if transfer is None else transfer.id,
            "error": None if self.error is None else self.error.to_dict(),
        }


@click.command(
    cls=Command,
    epilog=examples(
        "roundhouse models update --check",
        "roundhouse models update hf-model:Q4_K_M",
        "roundhouse models update --all",
    ),
)
@click.argument("names", nargs=-1, metavar="[NAME...]", shell_complete=complete_model)
@click.option("--all", "every", is_flag=True, help="All models of the library; not those that were rolled back.")
@click.option("--check", "--dry-run", "dry_run", is_flag=True, help="Say what is newer, and fetch nothing.")
@click.pass_obj
def update(invocation: Invocation, names: tuple[str, ...], *, every: bool, dry_run: bool) -> int:
    """Get newer revisions of models.

    The old revision is served until all of the new one is here and right, and is kept beside it: see `models rollback`.
    """
    if not (names or every or dry_run):
        message = "name a model, or say --all"
        raise click.UsageError(message)
    client = invocation.client()
    cases = [_Case(name) for name in dict.fromkeys(names or _library(client))]
    try:
        with invocation.out.progress("looking" if dry_run else "updating") as bar:
            for number, case in enumerate(cases):
                bar.update(case.name, number, len(cases))
                _treat(client, case, bar, dry_run=dry_run, is_named=bool(names))
    except KeyboardInterrupt:
        return _leave(invocation)
    return _report(invocation, cases, dry_run=dry_run)


def _library(client: Client) -> list[str]:
    return [model.name for model in client.ask(Call("GET", "/models"), Models).view.models if model.local]


def _treat(client: Client, case: _Case, bar: Bar, *, dry_run: bool, is_named: bool) -> None:
    """Look at one model, and bring what is newer; what goes wrong is noted, and the others have their turn."""
    try:
        case.check = client.ask(
            Call("GET", path_of("/models", case.name, "/updates"), timeout_s=PATIENT_S), UpdateCheck
        ).view
        case.is_left = case.check.was_here and not is_named
        if dry_run or case.is_left or case.check.state != "newer":
            return
        call = Call("POST", path_of("/models", case.name, "/update"), timeout_s=PATIENT_S)
        case.transfer = client.ask(call, Update).view.transfer
        _attend(client, case, bar)
    except RoundhouseError as error:
        case.error = error


def _attend(client: Client, case: _Case, bar: Bar) -> None:
    """Watch its transfer to the end. Raises what it failed with."""
    view = case.transfer
    while view is not None and not TransferState(view.state).over:
        bar.update(f"{case.name}: {progress_words(view)}", view.bytes_done, view.bytes_total)
        sleep(_PAUSE_S)
        view = case.transfer = client.ask(Call("GET", path_of("/transfers", view.id)), TransferView).view
    if view is not None and TransferState(view.state) is not TransferState.DONE:
        raise rebuilt(view.error or {"code": "E_CANCELLED", "message": "the download was cancelled"})


def _leave(invocation: Invocation) -> int:
    where = "goes on in the background" if invocation.url is not None else "goes on when Roundhouse starts again"
    invocation.out.say(f"what was begun {where}; until then the old revision is served")
    invocation.out.then("see how far it is", "roundhouse downloads ls")
    return INTERRUPTED


def _report(invocation: Invocation, cases: list[_Case], *, dry_run: bool) -> int:
    """Say how it went; the exit code is that of the last failure."""
    out, data = invocation.out, [case.data for case in cases]
    newer = [case.name for case in cases if case.check is not None and case.check.state == "newer"]
    out.result(data[0] if len(data) == 1 else data, [Table(_COLUMNS, [_row(case) for case in cases])], newer)
    if not cases:
        out.say("the library is empty: nothing to update")
    if newer and dry_run:
        out.then("get what is newer", f"roundhouse models update {newer[0] if len(newer) == 1 else '--all'}")
    updated = [case.name for case in cases if case.data["updated"]]
    if updated:
        out.then("go back, should it be worse", f"roundhouse models rollback {updated[0]}")
    for case in cases:
        if case.error is not None and case.error.hint:
            out.say(f"{case.name}: {case.error.hint}")
    return next((case.error.exit_code for case in reversed(cases) if case.error is not None), 0)


def _row(case: _Case) -> list[Cell | str]:
    check = case.check
    style = "fail" if case.error is not None else "ok" if case.state == "updated" else ""
    if check is None:
        return [case.name, Cell(case.state, style=style), "-", "-", "-"]
    needed = "-" if check.bytes_needed is None else wording.size(check.bytes_needed)
    return [
        case.name,
        Cell(case.state, style=style),
        short(check.revision),
        short(check.available) if check.available else "-",
        Cell(needed, "" if check.bytes_needed is None else check.bytes_needed),
    ]


def short(revision: str) -> Cell:
    """A revision as people tell it from others; whole for programs."""
    return Cell(revision if len(revision) <= _LONGEST else f"{revision[: _LONGEST - 1]}…", revision)


@click.command(
    cls=Command,
    epilog=examples(
        "roundhouse models rollback acme/tiny:Q4_K_M", "roundhouse models rollback acme/tiny:Q4_K_M --to 0f3c2a9d"
    ),
)
@click.argument("name", shell_complete=complete_model)
@click.option("--to", metavar="REV", help="The beginning of a revision or key that `models show` lists.")
@click.option("--dry-run", is_flag=True, help="Say which revision it would be, and change nothing.")
@click.pass_obj
def rollback(invocation: Invocation, name: str, to: str | None, *, dry_run: bool) -> None:
    """Serve the revision before the last update again.

    At once, and without the network. The newer one is kept: update by name to get there again.
    """
    query = {"to": to, "dry_run": "true" if dry_run else None}
    reply = invocation.client().ask(
        Call("POST", path_of("/models", name, "/rollback"), query, timeout_s=PATIENT_S), Rollback
    )
    done = reply.view
    columns = (Column("model"), Column("would serve" if dry_run else "serves"), Column("instead of"))
    invocation.out.result(
        reply.data, [Table(columns, [[done.model, short(done.revision), short(done.before)]])], [done.revision]
    )
    if not dry_run:
        invocation.out.then("go forth again", f"roundhouse models update {done.model}")
