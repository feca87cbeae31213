"""``roundhouse backends``: those who serve."""

from __future__ import annotations

import click

from roundhouse.cli import wording
from roundhouse.cli.answers import Backends
from roundhouse.cli.client import PATIENT_S, Call, path_of
from roundhouse.cli.completion import complete_backend
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Group, examples
from roundhouse.cli.output import Cell, Column, Table
from roundhouse.core.errors import BackendError
from roundhouse.core.views import BackendStatus, BackendTest

_COLUMNS = (
    Column("name"),
    Column("state"),
    Column("kind", drop=3),
    Column("models", right=True),
    Column("loaded", drop=4),
    Column("answers in", right=True, drop=5),
    Column("address", drop=2),
    Column("detail", drop=1),
)


@click.group(cls=Group)
def backends() -> None:
    """List and try what serves the models."""


@backends.command(epilog=examples("roundhouse backends ls", "roundhouse backends ls --json"))
@click.pass_obj
def ls(invocation: Invocation) -> None:
    """List the backends and how they are."""
    reply = invocation.client().ask(Call("GET", "/backends"), Backends)
    found = reply.view.backends
    invocation.out.result(reply.data, [Table(_COLUMNS, [_row(one) for one in found])], [one.name for one in found])
    down = next((one.name for one in found if not one.ok), None)
    if down is not None:
        invocation.out.then("look closer", f"roundhouse backends test {down}")
    if not found:
        invocation.out.say("no backends: add one to roundhouse.toml")
        invocation.out.then("see how", "roundhouse config show --example")


def _row(one: BackendStatus) -> list[Cell | str]:
    return [
        one.name,
        Cell("ok" if one.ok else "down", style="ok" if one.ok else "fail"),
        one.kind + (" (found)" if one.url and not one.configured else ""),
        str(one.deployments),
        ", ".join(one.loaded) or "-",
        Cell(wording.millis(one.latency_ms), "" if one.latency_ms is None else one.latency_ms),
        one.url or "-",
        one.detail,
    ]


@backends.command(epilog=examples("roundhouse backends test local", "roundhouse backends test cloud --prompt"))
@click.argument("name", shell_complete=complete_backend)
@click.option("--prompt", is_flag=True, help="Also ask it for one token, which may cost money.")
@click.pass_obj
def test(invocation: Invocation, name: str, *, prompt: bool) -> int:
    """Try one backend.

    Does it answer, and with which models? Exit 9 when it does not.
    """
    call = Call("POST", path_of("/backends", name, "/test"), body={"prompt": prompt}, timeout_s=PATIENT_S)
    reply = invocation.client().ask(call, BackendTest)
    outcome = reply.view
    facts: list[list[Cell | str]] = [
        [Cell("backend", style="dim"), outcome.name],
        [Cell("state", style="dim"), Cell("ok" if outcome.ok else "failed", style="ok" if outcome.ok else "fail")],
        [Cell("detail", style="dim"), outcome.detail],
        [Cell("answered in", style="dim"), Cell(wording.millis(outcome.latency_ms), outcome.latency_ms or "")],
    ]
    if outcome.reply is not None:
        facts.append([Cell("said", style="dim"), outcome.reply])
    served = Table((Column("deployments"),), [[one] for one in outcome.deployments])
    invocation.out.result(reply.data, [Table((Column(""), Column("")), facts), served], outcome.deployments)
    return 0 if outcome.ok else BackendError.exit_code
