"""What the fake Ollama says, in the shapes of its own API. Knows nothing about HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

_CREATED = "2026-01-01T00:00:00.123456789Z"
#: Left out by Go when they are zero.
_OMITTED = ("prompt_eval_count", "eval_count", "load_duration", "completed", "total")


@dataclass(frozen=True, slots=True)
class Model:
    """One model that it has."""

    name: str
    capabilities: tuple[str, ...] = ("completion", "tools")
    family: str = "llama"
    #: What it was made for.
    context: int = 131_072
    size: int = 2 << 30
    #: Of that in memory, how much is on the GPU.
    gpu_percent: int = 100
    dimension: int = 8
    parameters: str = ""
    #: Set for stubs of Ollama's cloud.
    remote_host: str | None = None
    #: Newer versions give ids to tool calls.
    call_ids: bool = False

    @property
    def digest(self) -> str:
        """Of its manifest; the weights have another."""
        return sha256(self.name.encode()).hexdigest()


CHATTER = Model("echo:latest")
EMBEDDER = Model("embed:latest", ("embedding",), "bert", context=8192)


@dataclass(frozen=True, slots=True)
class Resident:
    """A model in memory."""

    model: Model
    context: int

    def listed(self) -> dict[str, Any]:
        """As ``/api/ps`` has it."""
        named = {"name": self.model.name, "model": self.model.name, "size": self.model.size}
        vram = self.model.size * self.model.gpu_percent // 100
        return {**named, "size_vram": vram, "context_length": self.context, "expires_at": _CREATED}


def tag(model: Model) -> dict[str, Any]:
    """As ``/api/tags`` has it."""
    listed = {
        "name": model.name,
        "model": model.name,
        "modified_at": _CREATED,
        "size": 384 if model.remote_host else model.size,
        "digest": model.digest,
        "details": _details(model),
    }
    return {**listed, "remote_host": model.remote_host} if model.remote_host else listed


def shown(model: Model) -> dict[str, Any]:
    """As ``/api/show`` has it."""
    weights = sha256(b"weights of " + model.name.encode()).hexdigest()
    return {
        "modelfile": f"# Modelfile\nFROM /models/blobs/sha256-{weights}\n",
        "parameters": model.parameters,
        "details": _details(model),
        "model_info": {
            "general.architecture": model.family,
            "general.parameter_count": 3_200_000_000,
            f"{model.family}.context_length": model.context,
            f"{model.family}.embedding_length": model.dimension,
            "tokenizer.ggml.tokens": None,
        },
        "capabilities": list(model.capabilities),
    }


def _details(model: Model) -> dict[str, Any]:
    return {"format": "gguf", "family": model.family, "parameter_size": "3.2B", "quantization_level": "Q4_K_M"}


def said_lines(model: Model, body: dict[str, Any], *, chat: bool, load_s: float) -> list[dict[str, Any]]:
    """What it answers, line by line: the last thing that it was told."""
    prompt = str(body["messages"][-1].get("content") if chat else body["prompt"])
    limit = (body.get("options") or {}).get("num_predict")
    words = (prompt.split() or ["nothing"])[: limit if limit and limit > 0 else None]
    texts = [word if number == 0 else f" {word}" for number, word in enumerate(words)]
    head = {"model": model.name, "created_at": _CREATED, "done": False}
    lines = [{**head, **_piece(text, chat=chat)} for text in texts]
    if chat and body.get("think"):
        lines.insert(0, {**head, "message": {"role": "assistant", "content": "", "thinking": "hm"}})
    if chat and body.get("tools"):
        call: dict[str, Any] = {"function": {"name": body["tools"][0]["function"]["name"], "arguments": {"a": 1}}}
        call |= {"id": "call_1"} if model.call_ids else {}
        lines = [{**head, "message": {"role": "assistant", "content": "", "tool_calls": [call]}}]
    last = {
        **head, **_piece("", chat=chat), "done": True, "done_reason": "stop", "total_duration": 10_000_000,
        "load_duration": int(load_s * 1e9), "prompt_eval_count": len(prompt.split()), "eval_count": len(words),
    }  # fmt: skip
    return [*lines, last]


def _piece(text: str, *, chat: bool) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}} if chat else {"response": text}


def whole(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The same lines as one answer."""
    last = lines[-1]
    if "response" in last:
        return without_zeros({**last, "response": "".join(line["response"] for line in lines)})
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    for line in lines:
        for key, value in line["message"].items():
            if key != "role":
                message[key] = message[key] + value if key in message else value
    return without_zeros({**last, "message": message})


def pull_lines() -> list[dict[str, Any]]:
    """A pull of two files, each counted for itself; what is zero is not said."""
    first, second = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    return [
        {"status": "pulling manifest"},
        {"status": "pulling aaaaaaaaaaaa", "digest": first, "total": 100, "completed": 0},
        {"status": "pulling aaaaaaaaaaaa", "digest": first, "total": 100, "completed": 100},
        {"status": "pulling bbbbbbbbbbbb", "digest": second, "total": 20, "completed": 0},
        {"status": "pulling bbbbbbbbbbbb", "digest": second, "total": 20, "completed": 20},
        {"status": "verifying sha256 digest"},
        {"status": "writing manifest"},
        {"status": "success"},
    ]


def without_zeros(line: dict[str, Any]) -> dict[str, Any]:
    """As Go writes it."""
    return {key: value for key, value in line.items() if value or key not in _OMITTED}


def vector(text: str, dimension: int) -> list[float]:
    """Numbers that only depend on *text*."""
    return [byte / 256 for byte in sha256(text.encode()).digest()[:dimension]]
