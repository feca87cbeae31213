"""``roundhouse pull``: get a model onto this machine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shlex import quote
from time import sleep

import click

from roundhouse.cli import wording
from roundhouse.cli.answers import Models, Planned
from roundhouse.cli.client import PATIENT_S, Call, Client, Reply, path_of
from roundhouse.cli.commands.agreeing import asking, license_words
from roundhouse.cli.errors import INTERRUPTED, rebuilt
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Command, examples
from roundhouse.cli.output import Bar, Cell, Column, Mode, Output, Table
from roundhouse.core.artifacts import TransferState
from roundhouse.core.desks.instead import refusal
from roundhouse.core.errors import AbortedError, NotFoundError
from roundhouse.core.views import ModelDetail, PullPlan, TransferView

_PAUSE_S = 0.2
_REMOTE = ("hf:", "ollama:", "https:", "http:")
#: How long after Ctrl-C a second one is waited for.
_SECOND_S = 2.0
_WORDS = {
    TransferState.QUEUED: "waiting",
    TransferState.RESOLVING: "looking it up",
    TransferState.REGISTERING: "checking and registering",
    TransferState.PAUSED: "paused",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be pulled, and what it shall be called."""

    ref: str
    name: str | None


@click.command(
    cls=Command,
    epilog=examples(
        "roundhouse pull hf:Qwen/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M",
        "roundhouse pull ollama:qwen2.5:1.5b",
        "roundhouse pull https://example.org/model.gguf#sha256=…",
        "roundhouse pull ./model.gguf --name mine",
        "roundhouse pull hf:owner/repo --dry-run",
        "roundhouse pull hf:owner/repo --accept-license",
    ),
)
@click.argument("ref")
@click.option("--name", metavar="NAME", help="Ask for it by this name later.")
@click.option("--dry-run", is_flag=True, help="Say what would be fetched, and fetch nothing.")
@click.option("--accept-license", is_flag=True, help="Accept the model's licence without being asked.")
@click.option("--detach", is_flag=True, help="Do not wait for the end (needs a running server).")
@click.pass_obj
def pull(
    invocation: Invocation, ref: str, name: str | None, *, dry_run: bool, accept_license: bool, detach: bool
) -> int:
    """Get a model onto this machine.

    REF is hf:owner/repo[@rev][:quant], ollama:[host/][owner/]name[:tag], an https
    address with #sha256=…, or a path.
    What was interrupted goes on where it stopped: pull it again, or start Roundhouse.
    """
    wish = Wish(_absolute(ref), name)
    if invocation.flags.offline and wish.ref.startswith(_REMOTE):
        here = invocation.client().ask(Call("GET", "/models"), Models).view.models
        raise refusal(wish.ref, [model.name for model in here if model.local])
    if detach and invocation.url is None:
        message = "--detach needs a running Roundhouse: start it with `roundhouse up`."
        raise click.UsageError(message)
    client = invocation.client()
    if dry_run:
        _show_plan(invocation.out, client, wish)
        return 0
    begin = partial(client.ask, _call(wish, dry_run=False), TransferView)
    reply = asking(invocation, begin, accept=accept_license)
    if detach:
        _show_start(invocation.out, reply)
        return 0
    return _attend(invocation, client, reply)


def _absolute(ref: str) -> str:
    """A path counts from where the person is, not from where the server is."""
    path = Path(ref.removeprefix("file:")).expanduser()
    is_path = ref.startswith(("/", "./", "../", "~", "file:")) or ref in {".", ".."}
    return str(path.absolute()) if is_path or (":" not in ref and path.exists()) else ref


def _call(wish: Wish, *, dry_run: bool) -> Call:
    body: dict[str, object] = {"ref": wish.ref, "dry_run": dry_run}
    if wish.name is not None:
        body["name"] = wish.name
    return Call("POST", "/transfers", body=body, timeout_s=PATIENT_S)


def _show_plan(out: Output, client: Client, wish: Wish) -> None:
    reply = client.ask(_call(wish, dry_run=True), Planned)
    plan = reply.view.plan
    rows = [
        [file.name, Cell(wording.size(file.size), file.size or ""), "here already" if file.present else "to fetch"]
        for file in plan.files
    ]
    out.result(reply.data, [Table((Column("file"), Column("size", right=True), Column("state")), rows)], [plan.model])
    for line in _plan_words(plan):
        out.say(line)


def _plan_words(plan: PullPlan) -> list[str]:
    because = [plan.reason] if plan.reason else []
    return [
        f"would become {plan.model}, from {plan.source} at {plan.revision[:12]}",
        license_words(plan),
        *(f"executes code: {flag}" for flag in plan.code),
        f"to fetch: {wording.size(plan.bytes_needed)} of {wording.size(plan.bytes_total)}, {_time_words(plan)}",
        _disk_words(plan),
        *_memory_words(plan),
        *because,
    ]


def _time_words(plan: PullPlan) -> str:
    """How long it would take, and what that is reckoned from."""
    if not plan.bytes_needed:
        return "nothing to wait for"
    if plan.rate is None or plan.duration_s is None:
        return "time unknown (no limit is set, and nothing is being measured)"
    source = "the limit" if plan.rate_from == "limit" else "what comes now"
    return f"{wording.duration(plan.duration_s)} at {wording.size(plan.rate)}/s ({source})"


def _disk_words(plan: PullPlan) -> str:
    promised = f", {wording.size(plan.disk_promised)} promised to other downloads" if plan.disk_promised else ""
    verdict = "fits" if plan.disk_fits else "DOES NOT FIT"
    return f"disk: {verdict} ({wording.size(plan.disk_free)} free, {wording.size(plan.disk_kept)} kept free{promised})"


def _memory_words(plan: PullPlan) -> list[str]:
    if plan.memory_need is None:
        return []
    verdict = "fits" if plan.memory_fits else "DOES NOT FIT"
    need, limit = wording.size(plan.memory_need), wording.size(plan.memory_limit)
    return [f"memory: {verdict} (about {need} of the {limit} that models may take)"]


def _show_start(out: Output, reply: Reply[TransferView]) -> None:
    started = reply.view
    out.result(reply.data, [Table((Column("download"), Column("ref")), [[started.id, started.ref]])], [started.id])
    out.then("see how far it is", "roundhouse downloads ls")


def _attend(invocation: Invocation, client: Client, reply: Reply[TransferView]) -> int:
    """Watch a transfer to its end."""
    started = invocation.clock.monotonic()
    try:
        with invocation.out.progress("pulling") as bar:
            while not TransferState(reply.view.state).over:
                _draw(bar, reply.view)
                sleep(_PAUSE_S)
                reply = client.ask(Call("GET", path_of("/transfers", reply.view.id)), TransferView)
    except KeyboardInterrupt:
        return _leave(invocation, client, reply.view)
    view = reply.view
    if view.state == TransferState.FAILED:
        raise rebuilt(view.error or {})
    if view.state == TransferState.CANCELLED:
        message = "the download was cancelled"
        raise AbortedError(message, hint=f"begin again with `{_again(view)}`")
    took = wording.duration(invocation.clock.monotonic() - started)
    _show_end(invocation.out, reply, took, _arrived(client, view))
    return 0


def _draw(bar: Bar, view: TransferView) -> None:
    words = _WORDS.get(TransferState(view.state), progress_words(view))
    if view.state == TransferState.PAUSED and view.error:
        words = f"{words}: {view.error.get('message')}"
    bar.update(words, view.bytes_done, view.bytes_total)


def progress_words(view: TransferView) -> str:
    """``45 %, 512 MiB of 1.1 GiB, 12.3 MiB/s, 43 s left``."""
    parts = []
    if view.bytes_total:
        parts.append(f"{100 * view.bytes_done // view.bytes_total} %")
    total = f" of {wording.size(view.bytes_total)}" if view.bytes_total else ""
    parts.append(f"{wording.size(view.bytes_done)}{total}")
    if view.rate is not None:
        parts.append(f"{wording.size(view.rate)}/s")
    if view.eta_s is not None:
        parts.append(f"{wording.duration(view.eta_s)} left")
    return ", ".join(parts)


def _leave(invocation: Invocation, client: Client, view: TransferView) -> int:
    """Ctrl-C: a server goes on; what runs in this process stops, and resumes later. A second one cancels."""
    if invocation.url is not None:
        invocation.out.say(f"the download goes on in the background ({progress_words(view)})")
        invocation.out.then("watch it again", _again(view))
    else:
        invocation.out.say(f"stopped ({progress_words(view)}); what is there is kept")
        invocation.out.then("go on", _again(view))
    invocation.out.say("press Ctrl-C once more to cancel it, and keep nothing")
    try:
        sleep(_SECOND_S)
    except KeyboardInterrupt:
        client.ask(Call("POST", path_of("/transfers", view.id, "/cancel")), TransferView)
        invocation.out.say("cancelled: nothing of it is kept")
    return INTERRUPTED


def _again(view: TransferView) -> str:
    """Join the transfer, or begin it again: a pull of the same reference does both."""
    return f"roundhouse pull {quote(view.ref)}"


def _arrived(client: Client, view: TransferView) -> ModelDetail | None:
    """What has just come; ``None`` when it is gone again."""
    try:
        return client.ask(Call("GET", path_of("/models", view.model or view.ref)), ModelDetail).view
    except NotFoundError:
        return None


def _show_end(out: Output, reply: Reply[TransferView], took: str, arrived: ModelDetail | None) -> None:
    view = reply.view
    model = view.model or view.ref
    if out.mode is not Mode.HUMAN or not out.stdout_tty:
        # A pipe gets the name alone: `model=$(roundhouse pull …)`.
        out.result(reply.data, [], [model])
        if out.mode is Mode.HUMAN:
            out.text(model)
    out.say(f"{model} is here: {wording.size(view.bytes_total)} in {took}, sha256 checked", style="ok")
    if arrived is not None:
        _remark(out, arrived)
    if arrived is None or arrived.unserved is None:
        out.then("talk to it", f"roundhouse chat {model}")
    else:
        out.say(f"{model} is {arrived.unserved}")


def _remark(out: Output, model: ModelDetail) -> None:
    """Say what somebody should know of a model before it is used."""
    if model.license_state == "unknown":
        out.say("nobody names a licence for it: find out whether you may use it", style="warn")
    if model.signed_by:
        out.say(f"signed by {model.signed_by}", style="ok")
    elif model.signature:
        out.say(model.signature, style="warn")
