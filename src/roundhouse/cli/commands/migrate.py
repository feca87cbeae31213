"""``roundhouse models migrate``: adopt the models that other programs have on this machine, and take that back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from time import sleep
from typing import get_args

import click

from roundhouse.cli import wording
from roundhouse.cli.answers import Migrations, PlannedMigration, Stores
from roundhouse.cli.client import PATIENT_S, Call, Client, Reply, path_of
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Command, examples
from roundhouse.cli.output import Cell, Column, Output, Table
from roundhouse.core.desks.migrations import (
    ConflictPolicy,
    MigrationMode,
    MigrationModel,
    MigrationPlanView,
    MigrationView,
    StoreKind,
)
from roundhouse.core.errors import VerifyError

_PAUSE_S = 0.2
_OVER = frozenset({"applied", "undone"})
_KINDS: Sequence[str] = get_args(StoreKind)
_STYLES = {"adopted": "ok", "failed": "fail", "undone": "dim", "applied": "ok"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for."""

    source: str
    kind: str | None
    mode: str
    on_conflict: str

    def call(self, *, dry_run: bool) -> Call:
        """The request."""
        body: dict[str, object] = {"source": self.source, "mode": self.mode, "on_conflict": self.on_conflict}
        if self.kind is not None:
            body["kind"] = self.kind
        return Call("POST", "/migrations", body=body | {"dry_run": dry_run}, timeout_s=PATIENT_S)


@click.command(
    cls=Command,
    epilog=examples(
        "roundhouse models migrate",
        "roundhouse models migrate ollama --dry-run",
        "roundhouse models migrate ollama",
        "roundhouse models migrate /data/gguf --mode reference",
        "roundhouse models migrate --list",
        "roundhouse models migrate --rollback 3f9a0c1d2e4b",
    ),
)
@click.argument("source", required=False, metavar="[SOURCE]")
@click.option("--kind", type=click.Choice(_KINDS), help="Whose layout the folder SOURCE has [default: found out].")
@click.option(
    "--mode",
    type=click.Choice(get_args(MigrationMode)),
    default="auto",
    show_default=True,
    help="How bytes come in; auto is the cheapest of reflink, link and copy.",
)
@click.option(
    "--on-conflict",
    type=click.Choice(get_args(ConflictPolicy)),
    default="skip",
    show_default=True,
    help="For models that are here under the same name or with the same bytes.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--list", "listing", is_flag=True, help="List migrations.")
@click.option("--rollback", metavar="ID", help="Take back all that a migration did.")
@click.option("--forget", metavar="ID", help="Let go of the way back, and of what was kept for it; the models stay.")
@click.pass_obj
def migrate(  # noqa: PLR0913 - click's way of passing options
    invocation: Invocation,
    source: str | None,
    *,
    kind: str | None,
    mode: str,
    on_conflict: str,
    rollback: str | None,
    forget: str | None,
    dry_run: bool,
    listing: bool,
) -> int:
    """Adopt the models that other programs have on this machine.

    SOURCE is huggingface, ollama, lmstudio, llamacpp, or a folder with models. Without it, what is found at the
    usual places is listed. The other program's files are not changed, but by --mode move. Exit 6 when the bytes of
    a model were not what its store promised.
    """
    chosen = [source is not None, listing, rollback is not None, forget is not None]
    if sum(chosen) > 1:
        message = "give one of SOURCE, --list, --rollback and --forget"
        raise click.UsageError(message)
    client, out = invocation.client(), invocation.out
    if listing:
        _list(invocation, client)
    elif rollback is not None:
        call = Call("POST", path_of("/migrations", rollback, "/rollback"), timeout_s=PATIENT_S)
        return _show(out, client.ask(call, MigrationView))
    elif forget is not None:
        reply = client.ask(Call("DELETE", path_of("/migrations", forget)), MigrationView)
        out.result(reply.data, [Table((Column("forgotten"),), [[forget]])], [forget])
    elif source is None:
        _look(out, client)
    else:
        wish = Wish(_absolute(source), kind, mode, on_conflict)
        return _plan(out, client, wish) if dry_run else _apply(out, client, wish)
    return 0


def _absolute(source: str) -> str:
    """A path counts from where the person is, not from where the server is."""
    return source if source in _KINDS else str(Path(source).expanduser().absolute())


def _look(out: Output, client: Client) -> None:
    """List what is at the usual places."""
    reply = client.ask(Call("GET", "/stores", timeout_s=PATIENT_S), Stores)
    columns = (
        Column("store"),
        Column("models", right=True),
        Column("size", right=True),
        Column("shared", right=True, drop=2),
        Column("here already", right=True, drop=3),
        Column("cannot", right=True, drop=1),
        Column("path"),
    )
    rows = [
        [
            each.kind,
            Cell(str(len(each.models)), len(each.models)),
            Cell(wording.size(each.bytes_total), each.bytes_total),
            Cell(wording.size(each.bytes_shared), each.bytes_shared),
            Cell(str(len(each.unchanged)), len(each.unchanged)),
            Cell(str(len(each.problems)), len(each.problems)),
            each.path,
        ]
        for each in reply.view.stores
    ]
    out.result(reply.data, [Table(columns, rows)], [each.kind for each in reply.view.stores])
    if not reply.view.stores:
        out.say("no models of other programs at the usual places")
        out.then("adopt a folder", "roundhouse models migrate /path/to/models --dry-run")
    for each in reply.view.stores[:1]:
        out.then("see what would be done", f"roundhouse models migrate {each.kind} --dry-run")


def _plan(out: Output, client: Client, wish: Wish) -> int:
    reply = client.ask(wish.call(dry_run=True), PlannedMigration)
    plan = reply.view.plan
    out.result(reply.data, _tables(plan, "would become"), [model.model for model in plan.models])
    _summary(out, plan)
    if plan.models:
        out.then("do it", f"roundhouse models migrate {quote(wish.source)}{_options(wish)}")
    return 0


def _options(wish: Wish) -> str:
    kind = f" --kind {wish.kind}" if wish.kind else ""
    mode = f" --mode {wish.mode}" if wish.mode != "auto" else ""
    return kind + mode + (f" --on-conflict {wish.on_conflict}" if wish.on_conflict != "skip" else "")


def _tables(plan: MigrationPlanView, title: str) -> list[Table]:
    models = Table(
        (
            Column(title),
            Column("by"),
            Column("size", right=True),
            Column("state", drop=1),
            Column("in the store", drop=3),
        ),
        [_row(model) for model in plan.models],
    )
    conflicts = Table(
        (Column("conflict"), Column("why"), Column("with"), Column("so it is")),
        [[each.model, each.clash, each.known, _resolved(each.resolution)] for each in plan.conflicts],
        title="conflicts",
    )
    problems = Table(
        (Column("not adopted"), Column("why"), Column("detail", drop=1)),
        [[each.place, Cell(each.trouble, style="warn"), each.detail] for each in plan.problems],
        title="what cannot be adopted",
    )
    return [models, conflicts, problems]


def _resolved(resolution: str) -> str:
    return {"skip": "left out", "keep-both": "kept beside it", "replace": "put in its place"}[resolution]


def _row(model: MigrationModel) -> list[Cell | str]:
    state = Cell(model.state, style=_STYLES.get(model.state, ""))
    return [model.model, model.method, Cell(wording.size(model.size), model.size), state, model.place]


def _summary(out: Output, plan: MigrationPlanView) -> None:
    shared, copied = wording.size(plan.bytes_shared), wording.size(plan.bytes_copied)
    if plan.models:
        out.say(f"{wording.size(plan.bytes_total)} in all: {shared} shared with the store, {copied} to copy")
    if plan.files_leaving:
        out.say(f"{wording.some(plan.files_leaving, 'file')} would leave the store")
    if plan.unchanged:
        out.say(f"{wording.some(len(plan.unchanged), 'model')} here already")
    for note in dict.fromkeys(note for model in plan.models for note in model.notes):
        out.say(f"note: {note}")
    if not plan.models and not plan.unchanged:
        out.say(f"nothing to adopt in {plan.path}")


def _apply(out: Output, client: Client, wish: Wish) -> int:
    reply = client.ask(wish.call(dry_run=False), MigrationView)
    if reply.view.id is None:
        out.result(reply.data, _tables(reply.view.plan, "became"), [])
        _summary(out, reply.view.plan)
        out.say("nothing to do")
        return 0
    with out.progress("adopting") as bar:
        while reply.view.state not in _OVER:
            bar.update(reply.view.plan.kind, reply.view.bytes_done, reply.view.plan.bytes_total or None)
            sleep(_PAUSE_S)
            reply = client.ask(Call("GET", path_of("/migrations", reply.view.id or "")), MigrationView)
    return _show(out, reply)


def _show(out: Output, reply: Reply[MigrationView]) -> int:
    """What became of a migration; the exit code."""
    view = reply.view
    failed = [model for model in view.plan.models if model.state == "failed"]
    done = [model.model for model in view.plan.models if model.state == "adopted"]
    out.result(reply.data, _tables(view.plan, "model"), done)
    for model in failed:
        out.say(f"{model.model}: {(model.error or {}).get('message')}", style="fail")
    for line in view.left:
        out.say(line, style="warn")
    if view.state == "undone":
        out.say("everything is as it was before" if not view.left else "the rest is as it was before")
    elif done:
        out.say(f"{wording.some(len(done), 'model')} adopted")
        out.then("take it back", f"roundhouse models migrate --rollback {view.id}")
    codes = {str((model.error or {}).get("code")) for model in failed}
    return VerifyError.exit_code if VerifyError.code in codes else 1 if failed else 0


def _list(invocation: Invocation, client: Client) -> None:
    reply = client.ask(Call("GET", "/migrations"), Migrations)
    now = invocation.clock.now()
    columns = (
        Column("id"),
        Column("state"),
        Column("store"),
        Column("models", right=True),
        Column("size", right=True, drop=1),
        Column("begun", drop=2),
        Column("path", drop=3),
    )
    rows: list[list[Cell | str]] = [
        [
            view.id or "-",
            Cell(view.state, style=_STYLES.get(view.state, "")),
            view.plan.kind,
            Cell(str(len(view.plan.models)), len(view.plan.models)),
            Cell(wording.size(view.plan.bytes_total), view.plan.bytes_total),
            Cell(wording.ago(view.created_at, now), view.created_at),
            view.plan.path,
        ]
        for view in reply.view.migrations
    ]
    invocation.out.result(reply.data, [Table(columns, rows)], [view.id or "" for view in reply.view.migrations])
    if not reply.view.migrations:
        invocation.out.say("nothing was migrated yet")
        invocation.out.then("see what could be", "roundhouse models migrate")
