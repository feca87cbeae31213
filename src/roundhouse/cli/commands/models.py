"""``roundhouse models``: what can be asked for, and whether its bytes are still right."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import click

from roundhouse.cli import wording
from roundhouse.cli.answers import Models
from roundhouse.cli.client import PATIENT_S, Call, path_of
from roundhouse.cli.commands.browse import browse
from roundhouse.cli.commands.ensure import ensure
from roundhouse.cli.commands.exchange import bundle, export, import_command
from roundhouse.cli.commands.keeping import gc, pin, tag, unpin, untag
from roundhouse.cli.commands.migrate import migrate
from roundhouse.cli.commands.placing import memory_facts, served_by, warnings_of
from roundhouse.cli.commands.repair import repair
from roundhouse.cli.commands.roster import load, unload
from roundhouse.cli.commands.same import folded, same, unfolded
from roundhouse.cli.commands.update import rollback, short, update
from roundhouse.cli.completion import complete_model, remember
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Group, examples
from roundhouse.cli.output import Cell, Column, Table
from roundhouse.core.errors import VerifyError
from roundhouse.core.views import DiskUse, Model, ModelDetail, Removal, Verification

#: A real model that fits anywhere: what empty places suggest.
FIRST_MODEL = "hf:Qwen/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M"


_SORTS: Mapping[str, Callable[[Model], tuple[object, ...]]] = {
    "name": lambda model: (model.name,),
    "size": lambda model: (-(model.size or 0), model.name),
    "used": lambda model: (-model.last_used_at.timestamp() if model.last_used_at else 0.0, model.name),
}


#: As people meet them: look, get, keep right, keep new, sort, make room, move.
_ORDER = (
    *("ls", "show", "same", "browse", "ensure", "verify", "repair", "update", "rollback"),
    *("load", "unload", "pin", "unpin", "tag", "untag", "rm", "gc", "migrate", "export", "bundle", "import"),
)


class _Models(Group):
    """Verbs in an order that tells a story."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Those of the order first."""
        known = super().list_commands(ctx)
        return [*(name for name in _ORDER if name in known), *(name for name in known if name not in _ORDER)]


@click.group(cls=_Models)
def models() -> None:
    """List, show, find, load, remove, verify, repair, update, tag, move and clean up models."""


for command in (
    browse,
    load,
    unload,
    pin,
    unpin,
    tag,
    untag,
    gc,
    repair,
    export,
    import_command,
    bundle,
    ensure,
    migrate,
    rollback,
    same,
    update,
):
    models.add_command(command)


@models.command(
    epilog=examples(
        "roundhouse models ls", "roundhouse models ls --local --sort size", "roundhouse models ls --tag fast --json"
    )
)
@click.option("--local", is_flag=True, help="Only models of the library, on this disk.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Only models with this tag; several narrow further.")
@click.option(
    "--sort", type=click.Choice(list(_SORTS)), default="name", help="By name, size or last use, largest first."
)
@click.pass_obj
def ls(invocation: Invocation, *, local: bool, tags: tuple[str, ...], sort: str) -> None:
    """List the models that can be asked for."""
    reply = invocation.client().ask(Call("GET", "/models", {"tag": tags} if tags else {}), Models)
    if not tags:
        remember(invocation.home, (model.name for model in reply.view.models))
    listed = sorted((model for model in reply.view.models if model.local or not local), key=_SORTS[sort])
    names = [model.name for model in listed]
    data = reply.data
    if isinstance(data, dict):
        by_name = {row["name"]: row for row in data["models"]}
        data = {**data, "models": [by_name[name] for name in names]}
    now = invocation.clock.now()
    rows = (folded if invocation.out.stdout_tty else unfolded)(listed)
    invocation.out.result(data, [Table(_COLUMNS, [_row(model, also, now) for model, also in rows])], names)
    broken = [model.name for model in listed if model.quarantined]
    if broken:
        invocation.out.then("some bytes were found wrong; bring them again", f"roundhouse models repair {broken[0]}")
    if not listed and tags:
        invocation.out.say(f"no models are tagged {' and '.join(tags)}")
        invocation.out.then("tag one", f"roundhouse models tag NAME {tags[0]}")
    elif not listed:
        invocation.out.say("no models yet")
        invocation.out.then("get one", f"roundhouse pull {FIRST_MODEL}")


_COLUMNS = (
    Column("name"),
    Column("size", right=True),
    Column("quant", drop=3),
    Column("context", right=True, drop=4),
    Column("loaded", drop=2),
    Column("served by", drop=1),
    Column("added", drop=5),
    Column("licence", drop=6),
    Column("last used", drop=3),
    Column("uses", right=True, drop=6),
    Column("tags", drop=7),
    Column("also as", drop=1),
)


def _row(model: Model, also: Sequence[str], now: datetime) -> list[Cell | str]:
    backends = ", ".join(deployment.partition("/")[0] for deployment in model.deployments)
    return [
        model.name,
        Cell(wording.size(model.size), "" if model.size is None else model.size),
        model.quantization or "-",
        Cell("-" if model.context is None else f"{model.context:,}", model.context or ""),
        _state(model),
        backends or Cell(model.unserved or "nobody", style="warn"),
        Cell(wording.ago(model.created_at, now), model.created_at or ""),
        _license(model),
        Cell(wording.ago(model.last_used_at, now), model.last_used_at or ""),
        Cell(str(model.times_used or "-"), model.times_used),
        ", ".join([*(["pinned"] if model.pinned else []), *model.tags]),
        ", ".join(also),
    ]


def _state(model: Model) -> Cell:
    if model.quarantined:
        return Cell("quarantined", style="fail")
    return Cell("loaded" if model.loaded else "-", style="ok" if model.loaded else "dim")


def _license(model: Model) -> Cell | str:
    """Its licence, and what is in the way if something is."""
    called = model.license or ("unknown" if model.local else "-")
    waits = {"needed": "not accepted", "refused": "refused"}.get(model.license_state or "")
    return Cell(f"{called} ({waits})", style="warn") if waits else called


@models.command(epilog=examples("roundhouse models show roundhouse/noise"))
@click.argument("name", shell_complete=complete_model)
@click.pass_obj
def show(invocation: Invocation, name: str) -> None:
    """Show one model: where it came from, its files, who serves it."""
    reply = invocation.client().ask(Call("GET", path_of("/models", name)), ModelDetail)
    model = reply.view
    files = Table(
        (Column("file"), Column("size", right=True), Column("sha256", drop=1)),
        [[file.name, Cell(wording.size(file.size), file.size), file.digest] for file in model.files],
        title="files",
    )
    now = invocation.clock.now()
    facts = Table((Column(""), Column("")), _facts(model, now))
    tables = [facts, files, served_by(model), *([_revisions(model, now)] if len(model.revisions) > 1 else [])]
    invocation.out.result(reply.data, tables, [model.name])
    for warning in warnings_of(model):
        invocation.out.say(warning, style="warn")


def _revisions(model: ModelDetail, now: datetime) -> Table:
    """Those that are here; a model with only one needs no list of them."""
    return Table(
        (Column("revision"), Column("key"), Column("size", right=True), Column("came", drop=1), Column("")),
        [
            [
                short(each.revision),
                each.key,
                Cell(wording.size(each.size), each.size),
                Cell(wording.ago(each.created_at, now), each.created_at or ""),
                "served" if each.served else "kept",
            ]
            for each in model.revisions
        ],
        title="revisions",
    )


def _facts(model: ModelDetail, now: datetime) -> list[list[Cell | str]]:
    """What is known about a model, one line each; what is unknown is left out."""
    facts: list[tuple[str, Cell | str | None]] = [
        ("name", model.name),
        ("from", model.ref),
        ("revision", model.revision),
        ("license", _license(model) if model.local else model.license),
        ("named by", model.license_source),
        *(("executes code", flag) for flag in model.code),
        ("format", " ".join(filter(None, (model.format, model.architecture, model.quantization))) or None),
        ("parameters", None if model.parameters is None else Cell(wording.count(model.parameters), model.parameters)),
        ("context", None if model.context is None else Cell(f"{model.context:,} tokens", model.context)),
        ("size", None if model.size is None else Cell(wording.size(model.size), model.size)),
        ("added", Cell(wording.ago(model.created_at, now), model.created_at) if model.created_at else None),
        ("verified", _verified(model, now)),
        ("signed by", model.signed_by),
        ("signature", model.signature),
        ("loaded", "yes" if model.loaded else "no"),
        ("last used", _used(model, now)),
        ("pinned", "yes" if model.pinned else None),
        ("tags", ", ".join(model.tags) or None),
        ("same as", ", ".join(model.same_as) or None),
        *_disk(model.disk),
        *memory_facts(model.memory),
        ("served", None if model.unserved is None else Cell(model.unserved, style="warn")),
        ("bytes", Cell("in quarantine: they were found wrong", style="fail") if model.quarantined else None),
    ]
    return [[Cell(label, style="dim"), value] for label, value in facts if value is not None]


def _used(model: ModelDetail, now: datetime) -> Cell | str:
    if model.last_used_at is None:
        return "never"
    return Cell(f"{wording.ago(model.last_used_at, now)}, {model.times_used:,} times in all", model.last_used_at)


def _disk(disk: DiskUse | None) -> list[tuple[str, Cell | str | None]]:
    """What it takes on the disk; sharing is told only where there is some."""
    if disk is None:
        return []
    shared, linked = disk.shared_with_models, disk.linked_elsewhere
    return [
        ("on disk", Cell(wording.size(disk.bytes), disk.bytes)),
        ("shared", Cell(f"{wording.size(shared)} with other models", shared) if shared else None),
        ("linked", Cell(f"{wording.size(linked)} also by files outside the library", linked) if linked else None),
        ("removal frees", Cell(wording.size(disk.freed_by_removal), disk.freed_by_removal)),
    ]


def _verified(model: ModelDetail, now: datetime) -> Cell | str | None:
    if not model.local:
        return None
    return (
        Cell(wording.ago(model.verified_at, now), model.verified_at) if model.verified_at else "never since it arrived"
    )


@models.command(
    epilog=examples("roundhouse models rm roundhouse/noise --dry-run", "roundhouse models rm roundhouse/noise --yes")
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_model)
@click.option("--dry-run", is_flag=True, help="Say what would be freed, and remove nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask. (Without a terminal nobody is asked.)")
@click.pass_obj
def rm(invocation: Invocation, names: tuple[str, ...], *, dry_run: bool, yes: bool) -> None:
    """Remove models from the library. Bytes that another model shares stay."""
    client = invocation.client()

    def removal(name: str, *, pretend: bool) -> Removal:
        call = Call("DELETE", path_of("/models", name), {"dry_run": str(pretend).lower()}, timeout_s=PATIENT_S)
        return client.ask(call, Removal).view

    planned = [removal(name, pretend=True) for name in dict.fromkeys(names)]
    freed = wording.size(sum(one.bytes_freed for one in planned))
    if not (dry_run or yes) and sys.stdin.isatty() and invocation.out.stderr_tty:
        listed = ", ".join(one.removed for one in planned)
        click.confirm(f"Remove {listed}, which frees {freed}?", abort=True, err=True)
    done = planned if dry_run else [removal(one.removed, pretend=False) for one in planned]
    data = [{"removed": one.removed, "bytes_freed": one.bytes_freed, "dry_run": one.dry_run} for one in done]
    columns = (Column("would remove" if dry_run else "removed"), Column("frees" if dry_run else "freed", right=True))
    rows: list[list[Cell | str]] = [[one.removed, Cell(wording.size(one.bytes_freed), one.bytes_freed)] for one in done]
    invocation.out.result(data[0] if len(data) == 1 else data, [Table(columns, rows)], [one.removed for one in done])


@models.command(
    epilog=examples(
        "roundhouse models verify", "roundhouse models verify roundhouse/noise", "roundhouse models verify --quick"
    )
)
@click.argument("names", nargs=-1, metavar="[NAME...]", shell_complete=complete_model)
@click.option("--quick", is_flag=True, help="Look only at size, header and time of change: misses silent rot.")
@click.pass_obj
def verify(invocation: Invocation, names: tuple[str, ...], *, quick: bool) -> int:
    """Read every byte of models again and compare.

    Without a NAME all of the library. Exit 6 when bytes differ.
    """
    client = invocation.client()
    if not names:
        listed = client.ask(Call("GET", "/models"), Models).view.models
        names = tuple(model.name for model in listed if model.local)
    views, data = [], []
    with invocation.out.progress("verifying") as bar:
        for number, name in enumerate(dict.fromkeys(names)):
            bar.update(name, number, len(names))
            query = {"quick": "true"} if quick else {}
            call = Call("POST", path_of("/models", name, "/verify"), query, timeout_s=PATIENT_S)
            reply = client.ask(call, Verification)
            views.append(reply.view)
            data.append(reply.data)
    wrong = [view for view in views if not view.ok]
    table = Table(
        (Column("model"), Column("bytes"), Column("size", right=True), Column("took", right=True, drop=1)),
        [_verdict(view) for view in views],
    )
    invocation.out.result(data[0] if len(data) == 1 else data, [table], [view.model for view in wrong])
    if not views:
        invocation.out.say("the library is empty: nothing to verify")
    return _judge(invocation, wrong)


def _verdict(view: Verification) -> list[Cell | str]:
    total = sum(file.size for file in view.files)
    return [
        view.model,
        Cell(_word(view), style="ok" if view.ok else "fail"),
        Cell(wording.size(total), total),
        Cell(wording.millis(view.duration_ms), view.duration_ms),
    ]


def _word(view: Verification) -> str:
    if not view.ok:
        return "WRONG"
    return "plausible" if view.quick else "right"


def _judge(invocation: Invocation, wrong: list[Verification]) -> int:
    """Say what to do about models whose bytes are wrong; the exit code."""
    for view in wrong:
        if view.signature:
            invocation.out.say(f"{view.model}: {view.signature}", style="fail")
        for file in view.files:
            if not file.ok:
                where = "".join(f"\n  bytes {each.offset:,} to {each.offset + each.length:,}" for each in file.damaged)
                invocation.out.say(f"{view.model}: {file.name} {file.problem}{where}", style="fail")
    rotten = [view for view in wrong if not all(file.ok for file in view.files)]
    if rotten:
        names = " ".join(view.model for view in rotten)
        invocation.out.then("bring the wrong bytes again", f"roundhouse models repair {names}")
    return VerifyError.exit_code if wrong else 0
