"""``roundhouse backends add|rm`` and ``roundhouse models load|unload``: who serves, and what is in memory."""

from __future__ import annotations

from collections.abc import Sequence

import click

from roundhouse.cli import wording
from roundhouse.cli.answers import Unloaded
from roundhouse.cli.client import PATIENT_S, Call, path_of
from roundhouse.cli.completion import complete_backend, complete_model
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Command, examples
from roundhouse.cli.output import Cell, Column, Table
from roundhouse.core.desks.roster import InMemory, Retired
from roundhouse.core.views import BackendStatus
from roundhouse.settings.kinds import span_of

_FACTS = (Column(""), Column(""))


@click.command(
    cls=Command,
    epilog=examples(
        "roundhouse backends add openrouter --key-env OPENROUTER_API_KEY",
        "roundhouse backends add box --url http://gpu-box:8000",
        "roundhouse backends add ollama",
    ),
)
@click.argument("name")
@click.option("--kind", help="What it speaks; the name if that is a kind, else openai-compatible.")
@click.option("--url", help="Its address, with or without /v1.")
@click.option("--key-env", "keys", multiple=True, help="Variable that holds a key, where the server runs.")
@click.option("--model", "models", multiple=True, help="A model to use from it; without any, all that it lists.")
@click.option("--price-in", type=click.FloatRange(0), help="USD per million prompt tokens.")
@click.option("--price-out", type=click.FloatRange(0), help="USD per million answer tokens.")
@click.option("--max-concurrent", type=click.IntRange(0), help="Requests that it gets at a time; 0 is no limit.")
@click.pass_obj
def add(  # noqa: PLR0913 - one for each option
    invocation: Invocation,
    name: str,
    *,
    kind: str | None,
    url: str | None,
    keys: Sequence[str],
    models: Sequence[str],
    price_in: float | None,
    price_out: float | None,
    max_concurrent: int | None,
) -> None:
    """Take a backend in, at once and for good.

    A runtime that was found on this machine needs its name only. What else a backend can be told stands in
    roundhouse.toml: see `roundhouse config show --example`.
    """
    wishes = {
        "kind": kind,
        "url": url,
        "api_key_env": next(iter(keys), None),
        "api_keys_env": list(keys[1:]) or None,
        "models": list(models) or None,
        "price_in": price_in,
        "price_out": price_out,
        "max_concurrent": max_concurrent,
    }
    body = {"name": name, **{key: value for key, value in wishes.items() if value is not None}}
    reply = invocation.client().ask(Call("POST", "/backends", body=body, timeout_s=PATIENT_S), BackendStatus)
    _show_added(invocation, reply.view, reply.data)


def _show_added(invocation: Invocation, added: BackendStatus, data: object) -> None:
    facts: list[list[Cell | str]] = [
        [Cell("added", style="dim"), added.name],
        [Cell("kind", style="dim"), added.kind],
        [Cell("address", style="dim"), added.url or "-"],
        [Cell("state", style="dim"), Cell("ok" if added.ok else "down", style="ok" if added.ok else "fail")],
        [Cell("detail", style="dim"), added.detail],
        [Cell("models", style="dim"), str(added.deployments)],
    ]
    invocation.out.result(data, [Table(_FACTS, facts)], [added.name])
    if added.ok:
        invocation.out.then("see what it serves", "roundhouse models ls")
    else:
        invocation.out.say("it is asked again every 30 seconds")
        invocation.out.then("look closer", f"roundhouse backends test {added.name}")


@click.command(cls=Command, epilog=examples("roundhouse backends rm box"))
@click.argument("name", shell_complete=complete_backend)
@click.pass_obj
def rm(invocation: Invocation, name: str) -> None:
    """Let go of a backend that was added; what it is answering is answered."""
    reply = invocation.client().ask(Call("DELETE", path_of("/backends", name)), Retired)
    gone = reply.view.deployments
    invocation.out.result(reply.data, [Table((Column("removed"),), [[each] for each in gone or [name]])], [name])


@click.command(
    cls=Command,
    epilog=examples("roundhouse models load roundhouse/noise", "roundhouse models load llama3.2 --context 16384"),
)
@click.argument("name", shell_complete=complete_model)
@click.option("--context", type=click.IntRange(1), help="Tokens that fit, where the backend lets us choose.")
@click.option("--keep", help="How long it stays when idle, such as 30m, where the backend lets us choose.")
@click.pass_obj
def load(invocation: Invocation, name: str, *, context: int | None, keep: str | None) -> None:
    """Bring a model into memory before it is needed; returns when it is there."""
    wishes = {"context": context, "keep_s": None if keep is None else _seconds(keep)}
    body = {key: value for key, value in wishes.items() if value is not None}
    call = Call("POST", path_of("/models", name, "/load"), body=body, timeout_s=PATIENT_S)
    with invocation.out.progress(f"loading {name}"):
        reply = invocation.client().ask(call, InMemory)
    row: list[Cell | str] = [reply.view.deployment, wording.millis(reply.view.seconds * 1e3)]
    table = Table((Column("in memory"), Column("took", right=True)), [row])
    invocation.out.result(reply.data, [table], [reply.view.deployment])


@click.command(cls=Command, epilog=examples("roundhouse models unload roundhouse/noise"))
@click.argument("name", shell_complete=complete_model)
@click.pass_obj
def unload(invocation: Invocation, name: str) -> None:
    """Let go of a model's weights, wherever they are in memory; the files stay."""
    call = Call("POST", path_of("/models", name, "/unload"), body={}, timeout_s=PATIENT_S)
    reply = invocation.client().ask(call, Unloaded)
    gone = [each.deployment for each in reply.view.unloaded]
    invocation.out.result(reply.data, [Table((Column("unloaded"),), [[each] for each in gone])], gone)
    if not gone:
        invocation.out.say(f"{name} was in no memory")


def _seconds(text: str) -> float:
    """The length of a time. Raises UsageError."""
    try:
        return span_of(text)
    except ValueError as error:
        message = f"--keep must be {error}"
        raise click.UsageError(message) from error
