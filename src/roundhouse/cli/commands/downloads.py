"""``roundhouse downloads``: bytes on their way in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from shlex import quote

import click
import msgspec

from roundhouse.cli import wording
from roundhouse.cli.answers import Transfers
from roundhouse.cli.client import Call, Client, path_of
from roundhouse.cli.commands.models import FIRST_MODEL
from roundhouse.cli.completion import complete_transfer
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Group, examples
from roundhouse.cli.output import Cell, Column, Table
from roundhouse.core.artifacts import TransferState
from roundhouse.core.errors import ConflictError, NotFoundError
from roundhouse.core.views import Bandwidth, TransferView
from roundhouse.settings.kinds import size_of

_STYLES = {TransferState.DONE: "ok", TransferState.FAILED: "fail", TransferState.CANCELLED: "dim"}
_COLUMNS = (
    Column("model"),
    Column("state"),
    Column("done", right=True),
    Column("of", right=True),
    Column("rate", right=True, drop=2),
    Column("left", right=True, drop=1),
    Column("limit", right=True, drop=5),
    Column("priority", right=True, drop=6),
    Column("changed", drop=3),
    Column("id", drop=4),
)


@click.group(cls=Group)
def downloads() -> None:
    """See what is being pulled, and steer it."""


@downloads.command(epilog=examples("roundhouse downloads ls", "roundhouse downloads ls --active --json"))
@click.option("--active", is_flag=True, help="Only those that are under way.")
@click.pass_obj
def ls(invocation: Invocation, *, active: bool) -> None:
    """List downloads, newest first."""
    reply = invocation.client().ask(Call("GET", "/transfers"), Transfers)
    listed = [one for one in reply.view.transfers if not active or not TransferState(one.state).over]
    ids = [one.id for one in listed]
    data = reply.data
    if active and isinstance(data, dict):
        data = {**data, "transfers": [row for row in data["transfers"] if row["id"] in ids]}
    now = invocation.clock.now()
    invocation.out.result(data, [Table(_COLUMNS, [_row(one, now) for one in listed])], ids)
    for one in listed:
        if one.error:
            hint = f" ({one.error['hint']})" if one.error.get("hint") else ""
            invocation.out.say(f"{one.model or one.ref}: {one.error.get('message')}{hint}")
    if not listed:
        invocation.out.say("nothing is being pulled" if active else "nothing was pulled yet")
        invocation.out.then("pull a model", f"roundhouse pull {FIRST_MODEL}")


@downloads.command(epilog=examples("roundhouse downloads pause Qwen/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M"))
@click.argument("names", metavar="DOWNLOAD...", nargs=-1, required=True, shell_complete=complete_transfer)
@click.pass_obj
def pause(invocation: Invocation, names: tuple[str, ...]) -> None:
    """Let downloads wait until they are resumed.

    DOWNLOAD is an id, the beginning of one, a model or a reference. What has arrived is kept; a paused download
    stays paused when Roundhouse is started again.
    """
    _steer(invocation, names, "pause")
    invocation.out.then("let it go on", f"roundhouse downloads resume {quote(names[0])}")


@downloads.command(epilog=examples("roundhouse downloads resume 4f2a"))
@click.argument("names", metavar="DOWNLOAD...", nargs=-1, required=True, shell_complete=complete_transfer)
@click.pass_obj
def resume(invocation: Invocation, names: tuple[str, ...]) -> None:
    """Let paused downloads go on where they stopped."""
    _steer(invocation, names, "resume")
    invocation.out.then("see how far it is", "roundhouse downloads ls --active")


@downloads.command(epilog=examples("roundhouse downloads cancel 4f2a"))
@click.argument("names", metavar="DOWNLOAD...", nargs=-1, required=True, shell_complete=complete_transfer)
@click.pass_obj
def cancel(invocation: Invocation, names: tuple[str, ...]) -> None:
    """End downloads and keep nothing of them."""
    _steer(invocation, names, "cancel")


@downloads.command(epilog=examples("roundhouse downloads rm 4f2a", "roundhouse downloads rm --finished"))
@click.argument("names", metavar="DOWNLOAD...", nargs=-1, shell_complete=complete_transfer)
@click.option("--finished", is_flag=True, help="All that are over: done, failed or cancelled.")
@click.option("--dry-run", is_flag=True, help="Say what would go from the list, and change nothing.")
@click.pass_obj
def rm(invocation: Invocation, names: tuple[str, ...], *, finished: bool, dry_run: bool) -> None:
    """Take downloads that are over from the list.

    Models stay, and so does what has arrived of a failed download: pulling it again goes on there.
    """
    if bool(names) == finished:
        message = "name downloads, or say --finished."
        raise click.UsageError(message)
    client = invocation.client()
    gone: list[TransferView] = []
    while found := _over(client.ask(Call("GET", "/transfers"), Transfers).view.transfers, names, finished=finished):
        gone += found if dry_run else [_forget(client, one.id) for one in found]
        if dry_run or names:
            break
    data = {"transfers": msgspec.to_builtins(gone), "dry_run": dry_run}
    rows = [_row(one, invocation.clock.now()) for one in gone]
    invocation.out.result(data, [Table(_COLUMNS, rows)], [one.id for one in gone])
    if not gone:
        invocation.out.say("nothing in the list is over")


def _over(known: Sequence[TransferView], names: Sequence[str], *, finished: bool) -> list[TransferView]:
    """Those that are meant. Raises NotFoundError for a name that means none."""
    if finished:
        return [one for one in known if TransferState(one.state).over]
    by_id = {one.id: one for one in known}
    chosen = [_chosen(known, name) for name in names]
    for name, id_ in zip(names, chosen, strict=True):
        if id_ not in by_id:
            message = f"no download {name}"
            raise NotFoundError(message, hint="list them with `roundhouse downloads ls`")
    return [by_id[id_] for id_ in dict.fromkeys(chosen)]


def _forget(client: Client, id_: str) -> TransferView:
    return client.ask(Call("DELETE", path_of("/transfers", id_)), TransferView).view


@downloads.command(
    epilog=examples("roundhouse downloads prioritize 4f2a", "roundhouse downloads prioritize 4f2a --priority -1")
)
@click.argument("names", metavar="DOWNLOAD...", nargs=-1, required=True, shell_complete=complete_transfer)
@click.option("--priority", type=click.IntRange(-1000, 1000), help="The highest is next [default: above all others].")
@click.pass_obj
def prioritize(invocation: Invocation, names: tuple[str, ...], priority: int | None) -> None:
    """Let downloads be sooner or later than others that wait.

    What runs already is not sent back to the queue: pause it to make room.
    """
    if priority is None:
        waiting = invocation.client().ask(Call("GET", "/transfers"), Transfers).view.transfers
        highest = max((one.priority for one in waiting if not TransferState(one.state).over), default=0)
        priority = min(1000, highest + 1)
    body = {"priority": priority}
    _change(invocation, names, lambda id_: Call("PUT", path_of("/transfers", id_, "/priority"), body=body))


@downloads.command(
    epilog=examples(
        "roundhouse downloads limit",
        "roundhouse downloads limit 10MiB",
        "roundhouse downloads limit 2MiB Qwen/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M",
        "roundhouse downloads limit 5MiB --source hf",
        "roundhouse downloads limit none",
    )
)
@click.argument("rate", required=False)
@click.argument("names", metavar="[DOWNLOAD]...", nargs=-1, shell_complete=complete_transfer)
@click.option("--source", type=click.Choice(["hf", "ollama", "https"]), help="Only for what comes from there.")
@click.pass_obj
def limit(invocation: Invocation, rate: str | None, names: tuple[str, ...], source: str | None) -> None:
    """See or change how fast downloads may be.

    RATE is bytes per second, such as 10MiB, or none. It holds at once: for all downloads together until the next
    start (downloads.bandwidth in the settings holds for good), or for each DOWNLOAD that is named, for good.
    """
    if names:
        _change(invocation, names, lambda id_: Call("PUT", path_of("/transfers", id_, "/bandwidth"), body=_rate(rate)))
        return
    body = _rate(rate) | ({} if source is None else {"source": source})
    call = Call("GET", "/bandwidth") if rate is None else Call("PUT", "/bandwidth", body=body)
    reply = invocation.client().ask(call, Bandwidth)
    invocation.out.result(reply.data, [Table((Column("which"), Column("rate", right=True)), _limits(reply.view))], [])


def _limits(view: Bandwidth) -> list[list[Cell | str]]:
    """Every limit there is, and which of them holds."""
    words = {"limit": view.limit, "configured": view.configured}
    if view.schedule is not None:
        words[f"schedule {view.schedule}"] = view.scheduled
    words |= {f"from {source}": rate for source, rate in view.sources.items()}
    return [
        [f"{name} (holds)" if view.holds and name.startswith(view.holds) else name, Cell(_rate_words(rate), rate or "")]
        for name, rate in words.items()
    ]


def _rate(text: str | None) -> dict[str, object]:
    """The body that asks for a limit. Raises click's error for what is no rate."""
    if text is None or text.lower() in {"none", "0"}:
        return {"bandwidth": None}
    try:
        return {"bandwidth": size_of(text.removesuffix("/s"))}
    except ValueError as error:
        message = f"{text!r} is no rate: {error}, or none"
        raise click.BadParameter(message) from error


def _rate_words(value: int | None) -> str:
    return "-" if value is None else f"{wording.size(value)}/s"


def _steer(invocation: Invocation, names: tuple[str, ...], verb: str) -> None:
    """Do *verb* to each of *names*, and show what became of them."""
    _change(invocation, names, lambda id_: Call("POST", path_of("/transfers", id_, f"/{verb}")))


def _change(invocation: Invocation, names: Sequence[str], call: Callable[[str], Call]) -> None:
    """Make a *call* for the id of each of *names*, and show what became of them."""
    client = invocation.client()
    known = client.ask(Call("GET", "/transfers"), Transfers).view.transfers
    chosen = [_chosen(known, name) for name in names]
    replies = [client.ask(call(id_), TransferView) for id_ in chosen]
    rows = [_row(reply.view, invocation.clock.now()) for reply in replies]
    data = {"transfers": [reply.data for reply in replies]}
    invocation.out.result(data, [Table(_COLUMNS, rows)], chosen)


def _chosen(known: Sequence[TransferView], name: str) -> str:
    """The id that *name* means, those under way first. Raises ConflictError when it means several."""
    fits = [
        one for one in known if one.id == name or (name and one.id.startswith(name)) or name in {one.model, one.ref}
    ]
    moving = [one for one in fits if not TransferState(one.state).over] or fits[:1]
    if len(moving) > 1:
        message = f"{name} fits several downloads: {', '.join(one.id for one in moving)}"
        raise ConflictError(message, hint="name one of these ids")
    return moving[0].id if moving else name


def _row(one: TransferView, now: datetime) -> list[Cell | str]:
    return [
        one.model or one.ref,
        Cell(one.state, style=_STYLES.get(TransferState(one.state), "")),
        Cell(wording.size(one.bytes_done), one.bytes_done),
        Cell(wording.size(one.bytes_total), one.bytes_total or ""),
        Cell("-" if one.rate is None else f"{wording.size(one.rate)}/s", one.rate or ""),
        Cell(wording.duration(one.eta_s), one.eta_s or ""),
        Cell(_rate_words(one.bandwidth), one.bandwidth or ""),
        Cell(str(one.priority), one.priority),
        Cell(wording.ago(one.updated_at, now), one.updated_at),
        one.id,
    ]
