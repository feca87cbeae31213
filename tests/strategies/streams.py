"""One realistic stream of each dialect, as bytes: with characters of several bytes, and with all that its servers do.

Each is written by hand from what the servers are known to send, so that a test knows what has to come out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

_POEM = (
    "Die Lokomotive schnauft über die Brücke. ", "Größe: 4 µm, 20 °C. ", "蒸気機関車が走る。", "Паровоз едет. ",
    "🚂💨 ", "fin\u2028", '\u0000\u001f"\\', "e\u0301 ", "data: not one\n\n", "[DONE] ", "ﷺ ",
)  # fmt: skip
#: What all of them say.
SAID = "".join(_POEM)
#: Every way to end a line, twice, which ends an event.
_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r", b"\r\n\n", b"\n\r\n", b"\r\r\n")
_BOM = b"\xef\xbb\xbf"


def encoded(event: object) -> bytes:
    """Without escapes: characters are their bytes."""
    return json.dumps(event, ensure_ascii=False).encode()


def _chunk(delta: dict[str, object], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    head = {"id": "chatcmpl-7", "object": "chat.completion.chunk", "created": 1, "model": "büro/modell"}
    return encoded({**head, "choices": [choice]})


def openai_payloads() -> list[bytes]:
    """What an event parser has to find in `openai_stream`; some are on two lines, as JSON may be."""
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "zähle", "arguments": '{"tür":"'}}
    usage = {"prompt_tokens": 11, "completion_tokens": 12, "total_tokens": 23}
    payloads = [
        _chunk({"role": "assistant", "content": ""}),
        _chunk({"reasoning_content": "hm … ünd"}),
        *[_chunk({"content": text}) for text in (*_POEM, *_POEM)],
        _chunk({"tool_calls": [call]}),
        _chunk({"tool_calls": [{"index": 0, "function": {"arguments": '東"}'}}]}),
        _chunk({}, "tool_calls"),
        encoded({"object": "chat.completion.chunk", "choices": [], "usage": usage}),
        b"[DONE]",
    ]
    for number in range(4, len(payloads), 6):
        payloads[number] = payloads[number].replace(b', "choices"', b',\n"choices"')
    return payloads


def openai_stream() -> bytes:
    """About 4 KiB: a byte order mark, comments, other fields, all line ends, data in two lines, and ``[DONE]``."""
    stream = bytearray(_BOM + b": bonjour \xc3\xa9\r\n\r\n")
    for number, payload in enumerate(openai_payloads()):
        end = _ENDS[number % len(_ENDS)]
        line_end = end[: len(end) // 2]
        if number % 5 == 1:
            stream += b": \xf0\x9f\x9a\x82 keep-alive" + end
        if number % 7 == 2:
            stream += b"event: message" + line_end + b"id: \xc3\xbc7" + line_end + b"retry: 10" + line_end
        space = b"" if number % 4 == 3 else b" "
        stream += line_end.join(b"data:" + space + line for line in payload.split(b"\n")) + end
    return bytes(stream + b": bye\n\n")


def anthropic_stream() -> bytes:
    """A thought with its signature, a text, a call, pings, and an event of a kind that nobody knows yet."""
    start: dict[str, object] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
    }
    call = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}}
    events: list[dict[str, object]] = [
        {"type": "message_start", "message": {**start, "usage": {"input_tokens": 25, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "ping"},
        *[_delta(0, {"type": "thinking_delta", "thinking": text}) for text in ("Größer … ", "蒸気 ")],
        _delta(0, {"type": "signature_delta", "signature": "EqQB+/=="}),
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        *[_delta(1, {"type": "text_delta", "text": text}) for text in _POEM],
        {"type": "content_block_stop", "index": 1},
        {"type": "of_next_year", "what": ["nö", 1.5]},
        {"type": "content_block_start", "index": 2, "content_block": call},
        *[_delta(2, {"type": "input_json_delta", "partial_json": part}) for part in ("", '{"tür": ', '"東🚂"', "}")],
        {"type": "content_block_stop", "index": 2},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 89}},
        {"type": "message_stop"},
    ]
    return b"".join(b"event: %b\ndata: %b\n\n" % (str(each["type"]).encode(), encoded(each)) for each in events)


def _delta(index: int, delta: dict[str, str]) -> dict[str, object]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def gemini_stream() -> bytes:
    """A thought, texts, a call with its signature, counts in each event, and CR LF as Google has it."""
    call = {"functionCall": {"name": "zähle", "args": {"tür": "東🚂"}}, "thoughtSignature": "EqQB+/=="}
    parts: list[Mapping[str, object]] = [
        {"text": "Größer … ", "thought": True},
        *[{"text": text} for text in _POEM],
        {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
        call,
    ]
    events: list[dict[str, object]] = [
        {"candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}], "usageMetadata": _counted(number)}
        for number, part in enumerate(parts)
    ]
    last = {"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0}
    events.append({"candidates": [last], "usageMetadata": _counted(20), "modelVersion": "gemini-2.5-pro"})
    return b"".join(b"data: " + encoded(each) + b"\r\n\r\n" for each in events)


def _counted(number: int) -> dict[str, int]:
    return {"promptTokenCount": 25, "candidatesTokenCount": number, "totalTokenCount": 25 + number}


def ollama_stream() -> bytes:
    """Thoughts, texts, a call, and the line with the counts, in nanoseconds."""
    call = {"function": {"name": "zähle", "arguments": {"tür": "東🚂"}}}
    messages: list[Mapping[str, object]] = [
        {"role": "assistant", "content": "", "thinking": "Größer … "},
        *[{"role": "assistant", "content": text} for text in _POEM],
        {"role": "assistant", "content": "", "tool_calls": [call]},
    ]
    head = {"model": "echo:latest", "created_at": "2026-01-01T00:00:00.123456789Z"}
    lines: list[dict[str, object]] = [{**head, "message": each, "done": False} for each in messages]
    counts = {"total_duration": 5_000_000_000, "load_duration": 1_500_000_000, "prompt_eval_count": 25, "eval_count": 9}
    silent = {"role": "assistant", "content": ""}
    lines.append({**head, "message": silent, "done_reason": "stop", "done": True, **counts})
    ends = (b"\n", b"\r\n", b"\n\n")
    return b"".join(encoded(line) + ends[number % 3] for number, line in enumerate(lines))
