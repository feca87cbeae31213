"""What a request used: the backend's count, else our guess, and what it costs. Knows nothing about attempts."""

from __future__ import annotations

from dataclasses import dataclass, replace

from roundhouse.core.inference import Answer, Chunk, Deployment, Operation, Profile, TokenUsage

#: Bytes of a whole answer per token, its JSON included: only for backends that do not count.
_BYTES_PER_TOKEN = 5
#: What is asked here makes a model read and write nothing.
_READ_ONLY = frozenset({Operation.EMBEDDING, Operation.RERANK})
#: Tokens of one answer: more is a mistake.
_MOST = 1 << 40


@dataclass(frozen=True, slots=True)
class Consumption:
    """Tokens, and whether they are our guess."""

    usage: TokenUsage
    estimated: bool = False

    def cost_usd(self, deployment: Deployment) -> float | None:
        """What it costs there, by the backend's own word or the price; ``None`` when neither is known."""
        if self.usage.cost_usd is not None:
            return self.usage.cost_usd
        return None if deployment.price is None else deployment.price.of(self.usage)


#: What a request used that nobody answered.
NOTHING = Consumption(TokenUsage())


def consumed_by(answer: Answer, profile: Profile) -> Consumption:
    """What a whole answer used."""
    if answer.usage is not None:
        return Consumption(possible(answer.usage))
    written = 0 if profile.operation in _READ_ONLY else len(answer.data) // _BYTES_PER_TOKEN
    return Consumption(TokenUsage(prompt=profile.prompt_tokens, completion=written), estimated=True)


def possible(told: TokenUsage) -> TokenUsage:
    """The same with counts that can be: bookkeeping is no reason to lose an answer, nor to add up nonsense."""
    if 0 <= told.prompt <= _MOST and 0 <= told.completion <= _MOST and 0 <= told.cached <= _MOST:
        return told
    prompt, completion, cached = (max(0, min(each, _MOST)) for each in (told.prompt, told.completion, told.cached))
    return replace(told, prompt=prompt, completion=completion, cached=cached)


class Tally:
    """What a stream used so far."""

    __slots__ = ("_pieces", "_usage")

    def __init__(self) -> None:
        self._pieces = 0
        self._usage: TokenUsage | None = None

    def add(self, chunk: Chunk) -> None:
        """Count one chunk."""
        if chunk.visible:
            self._pieces += 1
        if chunk.usage is not None:
            # Running totals are allowed on the wire: the last one is the total.
            self._usage = possible(chunk.usage)

    def total(self, profile: Profile, *, complete: bool) -> Consumption:
        """What it used; of a stream that was cut off, a running total may be behind what was already sent."""
        if self._usage is None:
            return Consumption(TokenUsage(prompt=profile.prompt_tokens, completion=self._pieces), estimated=True)
        return Consumption(self._usage, estimated=not complete)
