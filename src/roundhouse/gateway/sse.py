"""Server-sent events as OpenAI writes them: ``data:`` lines, ``[DONE]`` at the end. Knows nothing about sockets."""

from __future__ import annotations

import math

from roundhouse.core.inference import Chunk
from roundhouse.gateway.asgi import Headers
from roundhouse.serving.admission.rules import Waiting

#: Proxies that buffer would turn a stream into one late answer.
_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class OpenAIEvents:
    """The events of chat and text completions. They remember nothing: our canonical chunk is theirs."""

    headers = _HEADERS
    #: A comment: clients skip it.
    keep_alive = b": waiting\n\n"

    def chunk(self, chunk: Chunk) -> bytes:
        """One piece of the answer."""
        return b"data: %b\n\n" % _one_line(chunk.data)

    def waiting(self, waiting: Waiting) -> bytes:
        """A comment: ``: queued position=3 eta_s=12``."""
        words: list[str] = [waiting.reason]
        if waiting.position is not None:
            words.append(f"position={waiting.position}")
        if waiting.progress is not None:
            words.append(f"progress={waiting.progress:.2f}")
        if waiting.eta_s is not None:
            words.append(f"eta_s={math.ceil(waiting.eta_s)}")
        return f": {' '.join(words)}\n\n".encode("ascii")

    def end(self) -> bytes:
        """The answer is complete."""
        return b"data: [DONE]\n\n"

    def error(self, envelope: bytes) -> bytes:
        """The answer is not, and why. No ``[DONE]``: nothing is done."""
        return b"data: %b\n\n" % envelope


def _one_line(data: bytes) -> bytes:
    """Keep a JSON object from ending its event early: a line break in JSON is only ever space between tokens."""
    if b"\n" in data or b"\r" in data:
        return data.replace(b"\r", b" ").replace(b"\n", b" ")
    return data
