"""A conversation with a model in a terminal: one answer as it comes, or turn after turn.

Knows nothing about how a model is chosen; keeps what was said only in memory.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, cast

from roundhouse.cli import wording
from roundhouse.cli.answers import Models
from roundhouse.cli.client import PATIENT_S, Call, Client
from roundhouse.cli.commands import waiting
from roundhouse.cli.errors import rebuilt, tell
from roundhouse.cli.output import Output, Passing
from roundhouse.core.clock import Clock
from roundhouse.core.errors import RoundhouseError

_HELP = """\
/model [NAME]   talk to another model; alone: list them
/clear          forget what was said
/bye            leave (or Ctrl-D)
Ctrl-C stops an answer. Three quotes (\""") begin and end a text of several lines."""
_QUOTES = '"""'
_HISTORY = 1000


@dataclass(frozen=True, slots=True)
class Wishes:
    """Who shall answer, and how."""

    model: str
    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None


@dataclass(slots=True)
class Tally:
    """What one answer took."""

    model: str = ""
    backend: str = ""
    first_s: float | None = None
    tokens: int | None = None
    text: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Conversation:
    """What was said so far, and to whom."""

    client: Client
    out: Output
    wishes: Wishes
    messages: list[dict[str, str]] = field(default_factory=list)

    def body(self, words: str) -> dict[str, object]:
        """The request for the next turn."""
        system = [{"role": "system", "content": self.wishes.system}] if self.wishes.system else []
        turn = {"role": "user", "content": words}
        body: dict[str, object] = {"model": self.wishes.model, "messages": [*system, *self.messages, turn]}
        wished = {"temperature": self.wishes.temperature, "max_tokens": self.wishes.max_tokens}
        return body | {name: value for name, value in wished.items() if value is not None}

    def ask(self, words: str, clock: Clock) -> None:
        """Print the answer to *words* as it comes, then who gave it. Raises what the server tells."""
        body = {**self.body(words), "stream": True, "stream_options": {"include_usage": True}}
        started, tally, line = clock.monotonic(), Tally(), Passing(self.out)

        def remark(comment: str) -> None:
            if words := waiting.told(comment):
                line.show(words)

        call = Call("POST", "/v1/chat/completions", body=body, timeout_s=PATIENT_S)
        try:
            with self.client.events(call, remark) as (headers, events):
                tally.model = headers.get("x-roundhouse-model", self.wishes.model)
                tally.backend = headers.get("x-roundhouse-backend", "")
                for event in events:
                    line.clear()
                    self._show(_decoded(event), tally, clock.monotonic() - started)
        finally:
            line.clear()
            if tally.text:
                self.out.text("")
                answer = {"role": "assistant", "content": "".join(tally.text)}
                self.messages += [{"role": "user", "content": words}, answer]
        self.out.say(_summary(tally, clock.monotonic() - started), style="dim")

    def _show(self, event: Mapping[str, object], tally: Tally, elapsed: float) -> None:
        """Print what one event adds."""
        if isinstance(error := event.get("error"), dict):
            raise rebuilt(error)
        if isinstance(usage := event.get("usage"), dict):
            tally.tokens = int(usage.get("completion_tokens") or 0)
        for delta in _deltas(event):
            text = delta.get("content")
            thought = delta.get("reasoning_content") or delta.get("reasoning")
            if isinstance(thought, str) and self.out.stdout_tty:
                self.out.text(self.out.styled(wording.printable(thought), "dim"), newline=False)
            if isinstance(text, str) and text:
                tally.first_s = elapsed if tally.first_s is None else tally.first_s
                tally.text.append(text)
                self.out.text(text, newline=False)


def _decoded(event: str) -> Mapping[str, object]:
    try:
        said = json.loads(event)
    except ValueError:
        said = None
    return said if isinstance(said, dict) else {}


def _deltas(event: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    choices = event.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and isinstance(choice.get("delta"), dict):
            yield choice["delta"]


def _summary(tally: Tally, took: float) -> str:
    """``noise at local: 42 tokens, 31 tokens/s, first after 0.2 s``."""
    who = f"{tally.model} at {tally.backend}" if tally.backend else tally.model
    parts = []
    if tally.tokens is not None:
        parts.append(wording.some(tally.tokens, "token"))
        span = took - (tally.first_s or 0.0)
        if tally.tokens > 1 and span > 0:
            parts.append(f"{(tally.tokens - 1) / span:.0f} tokens/s")
    if tally.first_s is not None:
        parts.append(f"first after {wording.duration(tally.first_s)}")
    return f"{who}: {', '.join(parts) or wording.duration(took)}"


class _Readline(Protocol):
    """What is used of the standard library's readline."""

    def read_history_file(self, path: str) -> None: ...
    def write_history_file(self, path: str) -> None: ...
    def set_history_length(self, length: int) -> None: ...


def converse(talk: Conversation, home: Path, clock: Clock) -> int:
    """Take turns until the person leaves."""
    talk.out.say(f"talking to {talk.wishes.model}; /help lists what else you can type, Ctrl-D leaves", style="dim")
    readline, history = _line_editor(), home / "chat_history"
    if readline is not None and history.exists():
        readline.read_history_file(str(history))
    try:
        while (line := _line(talk.out)) is not None and line.strip() not in {"/bye", "/exit", "/quit"}:
            _turn(talk, line.strip(), clock)
    finally:
        if readline is not None:
            _keep(readline, history)
    return 0


def _line_editor() -> _Readline | None:
    """Editing and history, where the platform has them."""
    try:
        return cast("_Readline", importlib.import_module("readline"))
    except ImportError:
        return None


def _keep(readline: _Readline, history: Path) -> None:
    """Keep the history for this user alone."""
    try:
        history.touch(mode=0o600)
        readline.set_history_length(_HISTORY)
        readline.write_history_file(str(history))
    except OSError:
        return


def _line(out: Output) -> str | None:
    """What the person typed; ``None`` when they left."""
    while True:
        try:
            line = input(">>> ")
            if not line.lstrip().startswith(_QUOTES):
                return line
            return _block(line.lstrip().removeprefix(_QUOTES))
        except EOFError:
            out.say()
            return None
        except KeyboardInterrupt:
            out.say("\n(Ctrl-D or /bye leaves)", style="dim")


def _block(first: str) -> str:
    """Lines up to three quotes."""
    lines = [first]
    while not lines[-1].rstrip().endswith(_QUOTES):
        lines.append(input("... "))
    return "\n".join(lines).rstrip().removesuffix(_QUOTES)


def _turn(talk: Conversation, line: str, clock: Clock) -> None:
    """One turn: a command, or a question. An error ends the turn, not the conversation."""
    if not line:
        return
    try:
        if line.startswith("/"):
            _obey(talk, line)
        else:
            talk.ask(line, clock)
    except KeyboardInterrupt:
        talk.out.say("\n(stopped)", style="dim")
    except RoundhouseError as error:
        tell(error, as_json=False, colour=talk.out.colour)


def _obey(talk: Conversation, line: str) -> None:
    command, _, rest = line.partition(" ")
    if command == "/clear":
        talk.messages.clear()
        talk.out.say("forgotten", style="dim")
    elif command == "/model" and rest.strip():
        talk.wishes = replace(talk.wishes, model=rest.strip())
        talk.out.say(f"talking to {talk.wishes.model}", style="dim")
    elif command == "/model":
        found = talk.client.ask(Call("GET", "/models"), Models).view.models
        talk.out.say("\n".join(["auto", *(model.name for model in found)]))
    else:
        talk.out.say(_HELP if command in {"/help", "/?"} else f"there is no {command}\n{_HELP}")
