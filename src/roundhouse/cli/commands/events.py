"""``roundhouse events``: what happens, line by line, while it happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import click
import msgspec

from roundhouse.cli.client import API, Call
from roundhouse.cli.commands.pull import progress_words
from roundhouse.cli.completion import complete_model
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Command, examples
from roundhouse.cli.output import Mode, Output
from roundhouse.core.views import TransferView


@dataclass(frozen=True, slots=True)
class Heard:
    """One event."""

    id: str
    type: str
    at: datetime
    data: dict[str, Any]


@click.command(
    cls=Command,
    epilog=examples(
        "roundhouse events",
        "roundhouse events --type transfer --type model.added",
        "roundhouse events --json | jq .data.model",
    ),
)
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only this type or topic; may be given again.")
@click.option("--transfer", metavar="ID", help="Only of this download.")
@click.option("--model", metavar="MODEL", help="Only of this model.", shell_complete=complete_model)
@click.option("--after", metavar="EVENT", help="Go on after the event of this id.")
@click.pass_obj
def events(
    invocation: Invocation, types: tuple[str, ...], transfer: str | None, model: str | None, after: str | None
) -> int:
    """Follow what happens to models, downloads and backends.

    TYPE is transfer, model, backend, or one of their types, such as transfer.progress. Ctrl-C ends it.
    With --json, each event is one line of JSON.
    """
    if invocation.url is None:
        message = "there is nothing to follow: no Roundhouse runs on this home. Start it with `roundhouse up`."
        raise click.UsageError(message)
    wanted = [("type", each) for each in types]
    wanted += [(key, value) for key, value in (("transfer", transfer), ("model", model)) if value is not None]
    try:
        while after != "":
            after = _follow(invocation, wanted, after)
    except KeyboardInterrupt:
        invocation.out.say()
    return 0


def _follow(invocation: Invocation, wanted: list[tuple[str, str]], after: str | None) -> str:
    """Print what is told; the id to go on after, or nothing when the feed has ended."""
    query = urlencode(wanted if after is None else [*wanted, ("after", after)])
    with invocation.client().events(Call("GET", f"{API}/events{'?' if query else ''}{query}")) as (_, told):
        for text in told:
            heard = msgspec.json.decode(text, type=Heard)
            _print(invocation.out, heard, text)
            if heard.type == "stream.dropped":
                return heard.id
            if heard.type == "stream.closing":
                break
    return ""


def _print(out: Output, heard: Heard, text: str) -> None:
    aside = heard.type.startswith("stream.")
    if out.mode is Mode.JSON:
        out.text(text)
    elif aside:
        out.say(str(heard.data.get("message")), style="dim" if heard.type == "stream.ready" else "warn")
    elif out.mode is Mode.QUIET:
        out.text(str(heard.data.get("model") or heard.data.get("ref")))
    else:
        out.text(f"{heard.at.astimezone():%H:%M:%S}  {heard.type:<17}  {_words(heard.type, heard.data)}")


def _words(type_: str, data: Mapping[str, Any]) -> str:
    """What happened, for people."""
    if type_.startswith("transfer."):
        view = msgspec.convert(data, TransferView)
        why = (view.error or {}).get("message") if view.state == "failed" else view.waiting
        return f"{view.model or view.ref}  {view.state}, {progress_words(view)}{f' ({why})' if why else ''}"
    if type_ == "model.verified":
        how = "looked at" if data["quick"] else "read to the last byte"
        return f"{data['model']}  {'all right' if data['ok'] else 'DAMAGED'} ({how})"
    if type_.startswith("backend.") and type_ != "backend.residency":
        return _of_backend(type_, data)
    if type_ == "backend.residency":
        return f"{data['model']}  {'in memory' if data['loaded'] else 'out of memory'} at {data['backend']}"
    return str(data.get("model"))


def _of_backend(type_: str, data: Mapping[str, Any]) -> str:
    """What became of a backend."""
    if type_ == "backend.breaker":
        what = f"{data['backend']}/{data['model']}" if data.get("model") else f"all of {data['backend']}"
        held = f"keeps failing, next try in {data.get('open_s') or 0:.0f} s"
        return f"{what}  {held if data['open'] else 'answers again'}"
    if type_ in {"backend.degraded", "backend.restored"}:
        speed = "about as quick as when it is well"
        if type_ == "backend.degraded":
            speed = f"much slower than when it is well: {data.get('share') or 0:.0%}"
        return f"{data['backend']}/{data['model']}  {speed}"
    return f"{data['backend']}  {data.get('reason') or 'can be asked again'}"
