"""``roundhouse chat``: ask a model, once or in a conversation."""

from __future__ import annotations

import sys

import click

from roundhouse.cli.client import PATIENT_S, Call
from roundhouse.cli.commands.conversation import Conversation, Wishes, converse
from roundhouse.cli.completion import complete_model
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Command, examples
from roundhouse.cli.output import Mode


@click.command(
    cls=Command,
    epilog=examples(
        "roundhouse chat",
        'roundhouse chat auto "Why is the sky blue?"',
        'cat notes.txt | roundhouse chat auto "Sum this up:" -',
        "echo hello | roundhouse chat roundhouse/noise",
    ),
)
@click.argument("model", default="auto", shell_complete=complete_model)
@click.argument("prompt", nargs=-1)
@click.option("--system", "-s", metavar="TEXT", help="What the model shall be, or shall keep to.")
@click.option("--temperature", type=click.FloatRange(0, 2), metavar="NUMBER", help="0 is sober, 1 is lively.")
@click.option("--max-tokens", type=click.IntRange(1), metavar="NUMBER", help="Length of the answer at most.")
@click.pass_obj
def chat(
    invocation: Invocation,
    model: str,
    prompt: tuple[str, ...],
    *,
    system: str | None,
    temperature: float | None,
    max_tokens: int | None,
) -> int:
    """Talk to a model.

    MODEL is a model, an alias, or `auto`. With a PROMPT it is asked once, without one you talk. A prompt of `-`,
    or none when standard input is a pipe, is read from standard input.
    """
    if not prompt and any(char.isspace() for char in model):
        # One argument with a space in it is a question: no model has such a name.
        model, prompt = "auto", (model,)
    talk = Conversation(invocation.client(), invocation.out, Wishes(model, system, temperature, max_tokens))
    if not prompt and sys.stdin.isatty():
        return converse(talk, invocation.home, invocation.clock)
    words = _prompt(prompt)
    if invocation.out.mode is Mode.JSON:
        headers, answer = talk.client.whole(
            Call("POST", "/v1/chat/completions", body=talk.body(words), timeout_s=PATIENT_S)
        )
        ours = {name.removeprefix("x-roundhouse-"): value for name, value in headers.items() if "x-roundhouse" in name}
        invocation.out.json({**answer, "roundhouse": ours} if isinstance(answer, dict) else answer)
        return 0
    talk.ask(words, invocation.clock)
    return 0


def _prompt(parts: tuple[str, ...]) -> str:
    """The words of the prompt, with standard input where it is asked for. Raises UsageError when there are none."""
    words = " ".join(part for part in parts if part != "-")
    if not parts or "-" in parts:
        words = "\n\n".join(text for text in (words, sys.stdin.read().strip()) if text)
    if not words.strip():
        message = "There is no prompt, and standard input is empty."
        raise click.UsageError(message)
    return words
