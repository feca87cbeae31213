"""``roundhouse models pin|unpin|tag|untag|gc``: what stays, and what may go."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from roundhouse.cli import wording
from roundhouse.cli.client import PATIENT_S, Call, path_of
from roundhouse.cli.completion import complete_model
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Command, examples
from roundhouse.cli.output import Cell, Column, Table
from roundhouse.core.desks.keeping import Collection, Judged, MarkView
from roundhouse.settings.kinds import size_of, span_of

#: A tag that is to be taken off, as people write it; a parser of options would take it for flags.
_MINUS = re.compile(r"-(?!-)(?P<tag>\w[\w.-]+)")
_OFF = "\N{MINUS SIGN}"


@click.command(cls=Command, epilog=examples("roundhouse models pin acme/tiny:Q4_K_M"))
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_model)
@click.pass_obj
def pin(invocation: Invocation, names: tuple[str, ...]) -> None:
    """Keep models, whatever `models gc` needs room for."""
    _tell(invocation, [(name, "/pin", None) for name in dict.fromkeys(names)])


@click.command(cls=Command, epilog=examples("roundhouse models unpin acme/tiny:Q4_K_M"))
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_model)
@click.pass_obj
def unpin(invocation: Invocation, names: tuple[str, ...]) -> None:
    """Let `models gc` take models again."""
    _tell(invocation, [(name, "/unpin", None) for name in dict.fromkeys(names)])


class _TagCommand(Command):
    """A command whose arguments may begin with a minus."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Mark the tags that are to be taken off before anybody takes them for options."""
        return super().parse_args(
            ctx, [_MINUS.sub(rf"{_OFF}\g<tag>", arg) if _MINUS.fullmatch(arg) else arg for arg in args]
        )


@click.command(
    cls=_TagCommand,
    epilog=examples("roundhouse models tag acme/tiny:Q4_K_M fast", "roundhouse models tag acme/tiny:Q4_K_M +fast -old"),
)
@click.argument("name", shell_complete=complete_model)
@click.argument("tags", nargs=-1, required=True, metavar="[+]TAG|-TAG...")
@click.pass_obj
def tag(invocation: Invocation, name: str, tags: tuple[str, ...]) -> None:
    """Put tags on a model (`fast` or `+fast`) and take others off (`-old`)."""
    add = [each.removeprefix("+") for each in tags if not each.startswith(_OFF)]
    remove = [each.removeprefix(_OFF) for each in tags if each.startswith(_OFF)]
    _tell(invocation, [(name, "/tag", {"add": add, "remove": remove})])


@click.command(cls=Command, epilog=examples("roundhouse models untag acme/tiny:Q4_K_M old"))
@click.argument("name", shell_complete=complete_model)
@click.argument("tags", nargs=-1, required=True, metavar="TAG...")
@click.pass_obj
def untag(invocation: Invocation, name: str, tags: tuple[str, ...]) -> None:
    """Take tags off a model."""
    _tell(invocation, [(name, "/tag", {"add": [], "remove": list(tags)})])


def _tell(invocation: Invocation, wishes: Sequence[tuple[str, str, Mapping[str, object] | None]]) -> None:
    """Say something about models, and show what is said about them now."""
    client = invocation.client()
    replies = [
        client.ask(Call("POST", path_of("/models", name, verb), body=body), MarkView) for name, verb, body in wishes
    ]
    views = [reply.view for reply in replies]
    table = Table(
        (Column("model"), Column("pinned"), Column("tags")),
        [[view.model, "yes" if view.pinned else "no", ", ".join(view.tags) or "-"] for view in views],
    )
    data = [reply.data for reply in replies]
    invocation.out.result(data[0] if len(data) == 1 else data, [table], [view.model for view in views])


def _typed(read: Callable[[str], float]) -> Callable[[click.Context, click.Parameter, str | None], float | None]:
    """Read a value as the settings do."""

    def read_option(_ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
        try:
            return None if value is None else read(value)
        except ValueError as error:
            message = f"{parameter.opts[0]} must be {error}, not {value!r}"
            raise click.BadParameter(message) from error

    return read_option


@click.command(
    cls=Command,
    epilog=examples(
        "roundhouse models gc --dry-run",
        "roundhouse models gc --unused-for 30d --dry-run --verbose",
        "roundhouse models gc --quota 200GB --yes",
        "roundhouse models gc --orphans",
    ),
)
@click.option(
    "--unused-for", metavar="TIME", callback=_typed(span_of), help="Models go that were not used for so long: 30d, 12h."
)
@click.option(
    "--quota", metavar="SIZE", callback=_typed(size_of), help="Models go until the library takes no more than this."
)
@click.option(
    "--min-free", metavar="SIZE", callback=_typed(size_of), help="Models go until so much of the disk is free."
)
@click.option("--orphans", is_flag=True, help="Only what no model needs; no model goes.")
@click.option("--include-local", is_flag=True, help="Also models that could not be fetched again.")
@click.option("--dry-run", is_flag=True, help="Say what would go and why, and remove nothing.")
@click.option("--verbose", "-v", is_flag=True, help="Say also what stays, and why.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask. (Without a terminal nobody is asked.)")
@click.pass_obj
def gc(invocation: Invocation, /, *, dry_run: bool, verbose: bool, yes: bool, **wishes: Any) -> None:
    """Clean up: what nobody needs goes and, where room is needed, models go.

    Least worth keeping goes first: long unused, and soon fetched again. Pinned models, models in use and files of
    downloads stay. What is not said here is as the settings say: library.quota, library.min_free, library.unused_for.
    """
    client = invocation.client()

    def ask(*, pretend: bool) -> Any:
        return client.ask(
            Call("POST", "/models/gc", body=_body(wishes, dry_run=pretend), timeout_s=PATIENT_S), Collection
        )

    reply = ask(pretend=True)
    going = [each for each in reply.view.models if each.removed]
    if not dry_run:
        if going and not yes and sys.stdin.isatty() and invocation.out.stderr_tty:
            names, freed = ", ".join(each.model for each in going), wording.size(reply.view.bytes_freed)
            click.confirm(f"Remove {names}, which frees {freed}?", abort=True, err=True)
        reply = ask(pretend=False)
    view: Collection = reply.view
    _show(invocation, view, reply.data, verbose=verbose)


def _body(wishes: Mapping[str, Any], *, dry_run: bool) -> dict[str, object]:
    return {
        "dry_run": dry_run,
        "unused_for_s": wishes["unused_for"],
        "quota": wishes["quota"],
        "min_free": wishes["min_free"],
        "orphans_only": wishes["orphans"],
        "include_local": wishes["include_local"],
    }


def _show(invocation: Invocation, view: Collection, data: object, *, verbose: bool) -> None:
    """Print what went or would go, and in words what that comes to."""
    out, now = invocation.out, invocation.clock.now()
    word, frees = ("would remove", "frees") if view.dry_run else ("removed", "freed")
    gone = [each for each in view.models if each.removed]
    kept = [each for each in view.models if not each.removed]
    leftovers = [each for each in view.leftovers if each.removed or verbose]
    tables = [
        Table(
            (Column(word), Column(frees, right=True), Column("last used", drop=1), Column("why")),
            [_row(each, now) for each in gone],
        ),
        Table(
            (Column(f"{word}: leftover"), Column("kind", drop=1), Column(frees, right=True), Column("why")),
            [
                [each.path, each.kind, Cell(wording.size(each.bytes_freed), each.bytes_freed), each.reason]
                for each in leftovers
            ],
        ),
        Table(
            (Column("kept"), Column("size", right=True), Column("last used", drop=1), Column("why")),
            [_row(each, now) for each in kept] if verbose else [],
        ),
    ]
    out.result(data, tables, [each.model for each in gone])
    for each in gone:
        for warning in each.warnings:
            out.say(f"{each.model}: {warning}", style="warn")
    _sum_up(invocation, view, [] if verbose else kept)


def _row(each: Judged, now: datetime) -> list[Cell | str]:
    size = each.bytes_freed if each.removed else each.size
    used = Cell(wording.ago(each.last_used_at, now), each.last_used_at) if each.last_used_at else "never"
    return [each.model, Cell(wording.size(size), size), used, each.reason]


def _sum_up(invocation: Invocation, view: Collection, unsaid: Sequence[Judged]) -> None:
    out = invocation.out
    if not any(each.removed for each in view.models) and not any(each.removed for each in view.leftovers):
        out.say("nothing to clean up")
    else:
        out.say(f"{'would free' if view.dry_run else 'freed'} {wording.size(view.bytes_freed)}")
    if view.bytes_missing:
        out.say(f"{wording.size(view.bytes_missing)} more should come free, and nothing else may go", style="warn")
    if unsaid:
        out.say(f"{wording.some(len(unsaid), 'model')} kept: --verbose says why", style="dim")
