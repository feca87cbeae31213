"""``roundhouse models ensure``: what ought to be here, is."""

from __future__ import annotations

import json
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from time import sleep

import click
import msgspec

from roundhouse.cli.client import PATIENT_S, Call, Client, Reply, path_of
from roundhouse.cli.errors import rebuilt
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Command, examples
from roundhouse.cli.output import Cell, Column, Table
from roundhouse.core.artifacts import TransferState
from roundhouse.core.desks.ensure import EnsuredModel, EnsureReport
from roundhouse.core.errors import AbortedError, DeadlineError, NotFoundError, SchemaError
from roundhouse.core.views import TransferView

_PAUSE_S = 0.3
_STYLES = {"present": "ok", "pending": "warn", "failed": "fail"}


@click.command(
    cls=Command,
    epilog=examples("roundhouse models ensure models.toml --dry-run", "roundhouse models ensure models.toml --wait"),
)
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--wait", is_flag=True, help="Wait until all are here (always so when no server runs).")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Wait no longer than that; exit 8.")
@click.pass_obj
def ensure(invocation: Invocation, file: Path, *, dry_run: bool, wait: bool, timeout: float | None) -> int:
    """Bring the models that FILE declares here, every byte of them right.

    What is here and right is left alone, what is missing, damaged or another revision is pulled. FILE is TOML or JSON,
    or - for stdin.
    """
    document = _declared(file)
    client = invocation.client()
    reply = _ask(client, document, dry_run=dry_run)
    pending = any(model.state == "pending" for model in reply.view.models)
    if pending and not dry_run and (wait or timeout is not None or invocation.url is None):
        reply = _wait(invocation, document, reply, timeout)
    _show(invocation, reply)
    return _judge(invocation, reply.view)


def _declared(file: Path) -> dict[str, object]:
    """What the file says, with paths that count from where it lies. Raises NotFoundError, SchemaError."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except OSError as error:
        message = f"cannot read {file}: {error.strerror or error}"
        raise NotFoundError(message) from error
    except UnicodeDecodeError as error:
        message = f"{file} is not text"
        raise SchemaError(message) from error
    is_json = file.suffix == ".json" or (str(file) == "-" and text.lstrip().startswith("{"))
    try:
        document = json.loads(text) if is_json else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        message = f"{file} is no {'JSON' if is_json else 'TOML'}: {error}"
        raise SchemaError(message) from error
    if not isinstance(document, dict):
        message = "$: a declaration is an object with the key `models`"
        raise SchemaError(message)
    return _placed(document, file.absolute().parent)


def _placed(document: dict[str, object], folder: Path) -> dict[str, object]:
    models = document.get("models")
    for model in models if isinstance(models, list) else []:
        ref = model.get("ref") if isinstance(model, dict) else None
        if isinstance(ref, str) and ref.startswith(("./", "../")):
            model["ref"] = str(folder / ref)
    return document


def _ask(client: Client, document: dict[str, object], *, dry_run: bool) -> Reply[EnsureReport]:
    body = json.loads(json.dumps(document, default=str))  # TOML has dates, which no key of ours takes
    query = {"dry_run": str(dry_run).lower()}
    return client.ask(Call("POST", "/ensure", query, body, timeout_s=PATIENT_S), EnsureReport)


def _wait(
    invocation: Invocation, document: dict[str, object], reply: Reply[EnsureReport], timeout: float | None
) -> Reply[EnsureReport]:
    """Wait for what is on its way, and look at everything once more. Raises DeadlineError."""
    client, start = invocation.client(), invocation.clock.monotonic()
    waiting = {model.transfer: model.name or model.ref for model in reply.view.models if model.transfer}
    errors: dict[str, dict[str, object]] = {}
    with invocation.out.progress("ensuring") as bar:
        for number, (transfer, name) in enumerate(waiting.items()):
            while not TransferState((view := _transfer(client, transfer)).state).over:
                bar.update(f"{name}: {view.state}", number, len(waiting))
                if timeout is not None and invocation.clock.monotonic() - start >= timeout:
                    message = f"{name} is not here after {timeout:g} s: it is {view.state}"
                    raise DeadlineError(message, hint="it goes on; see how far it is with `roundhouse downloads ls`")
                sleep(_PAUSE_S)
            if view.state != TransferState.DONE:
                errors[transfer] = dict(view.error or {}) or AbortedError("the download was cancelled").to_dict()
    refused = {each.ref: errors[each.transfer] for each in reply.view.models if each.transfer in errors}
    # Not a mere look when all came: pins and tags are put on what is here.
    return _with_errors(_ask(client, document, dry_run=bool(errors)).view, refused)


def _transfer(client: Client, transfer: str) -> TransferView:
    return client.ask(Call("GET", path_of("/transfers", transfer)), TransferView).view


def _with_errors(report: EnsureReport, errors: dict[str, dict[str, object]]) -> Reply[EnsureReport]:
    """How everything is at the end: what did not come has failed. What was fetched is no mere plan any more."""
    models = tuple(
        replace(each, state="failed", reason=str(errors[each.ref].get("message")), error=errors[each.ref])
        if each.ref in errors and each.state == "pending"
        else each
        for each in report.models
    )
    made = replace(report, models=models, dry_run=False)
    return Reply(made, msgspec.to_builtins(made))


def _show(invocation: Invocation, reply: Reply[EnsureReport]) -> None:
    columns = (Column("model"), Column("state"), Column("action", drop=1), Column("why", drop=2))
    invocation.out.result(
        reply.data,
        [Table(columns, [_row(each) for each in reply.view.models])],
        [each.name or each.ref for each in reply.view.models],
    )
    if not reply.view.models:
        invocation.out.say("nothing is declared")
    if any(each.transfer for each in reply.view.models):
        invocation.out.then("see how far they are", "roundhouse downloads ls")


def _row(model: EnsuredModel) -> list[Cell | str]:
    return [model.name or model.ref, Cell(model.state, style=_STYLES[model.state]), model.action, model.reason]


def _judge(invocation: Invocation, report: EnsureReport) -> int:
    """The exit code: that of the first model which cannot come."""
    failed = [model.error for model in report.models if model.state == "failed" and model.error]
    for error in failed:
        if error.get("hint"):
            invocation.out.say(f"hint: {error['hint']}")
    return rebuilt(failed[0]).exit_code if failed else 0
