"""``roundhouse backends pull|copy|delete``: what other runtimes keep in stores of their own."""

from __future__ import annotations

import json
from typing import Any

import click

from roundhouse.cli import wording
from roundhouse.cli.client import PATIENT_S, Call, path_of
from roundhouse.cli.completion import complete_backend
from roundhouse.cli.errors import rebuilt
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Command, examples
from roundhouse.cli.output import Bar, Column, Table
from roundhouse.core.desks.stores import Kept
from roundhouse.core.errors import InternalError


@click.command(cls=Command, epilog=examples("roundhouse backends pull ollama llama3.2"))
@click.argument("name", shell_complete=complete_backend)
@click.argument("model")
@click.pass_obj
def pull(invocation: Invocation, name: str, model: str) -> None:
    """Let a backend fetch a model into its own store; Ctrl-C stops it.

    `roundhouse pull` fetches into the library of Roundhouse instead.
    """
    call = Call("POST", path_of("/backends", name, "/pull"), body={"model": model}, timeout_s=PATIENT_S)
    step: dict[str, Any] = {}
    with invocation.out.progress(model) as bar, invocation.client().raw(call) as response:
        while line := response.readline():
            step = _step(line)
            _show(bar, step)
    invocation.out.result(step, [Table((Column("fetched"),), [[f"{name}/{model}"]])], [f"{name}/{model}"])


@click.command(cls=Command, epilog=examples("roundhouse backends copy ollama llama3.2 mine"))
@click.argument("name", shell_complete=complete_backend)
@click.argument("model")
@click.argument("second")
@click.pass_obj
def copy(invocation: Invocation, name: str, model: str, second: str) -> None:
    """Let a backend give a model a second name."""
    call = Call("POST", path_of("/backends", name, "/copy"), body={"model": model, "name": second})
    _tell(invocation, call, "copied to")


@click.command(cls=Command, epilog=examples("roundhouse backends delete ollama llama3.2"))
@click.argument("name", shell_complete=complete_backend)
@click.argument("model")
@click.pass_obj
def delete(invocation: Invocation, name: str, model: str) -> None:
    """Let a backend delete a model from its own store."""
    _tell(invocation, Call("DELETE", path_of("/backends", name, f"/models/{model}")), "deleted")


def _tell(invocation: Invocation, call: Call, heading: str) -> None:
    reply = invocation.client().ask(call, Kept)
    name = f"{reply.view.backend}/{reply.view.model}"
    invocation.out.result(reply.data, [Table((Column(heading),), [[name]])], [name])


def _step(line: bytes) -> dict[str, Any]:
    """One line of progress. Raises the error that it tells."""
    try:
        step = json.loads(line)
    except ValueError as error:
        message = "Roundhouse answered with something that is not JSON"
        raise InternalError(message) from error
    if "error" in step:
        raise rebuilt(step["error"], 0)
    return dict(step)


def _show(bar: Bar, step: dict[str, Any]) -> None:
    done, total = step.get("done"), step.get("total")
    words = f"{step['status']} {wording.size(done)} of {wording.size(total)}" if total else step["status"]
    bar.update(words, float(done or 0), float(total) if total else None)
