"""What the fake of Google's API says and refuses, in the shapes of its documents. Knows nothing about HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from math import sqrt
from typing import Any

_RPC = "type.googleapis.com/google.rpc."
SIGNATURE = "c2lnbmF0dXJl"
#: Stands for a signature that was lost.
NO_SIGNATURE = "skip_thought_signature_validator"
_REQUEST = {
    "contents", "systemInstruction", "tools", "toolConfig", "safetySettings", "generationConfig", "cachedContent",
}  # fmt: skip
_CONFIG = {
    "temperature", "topP", "topK", "seed", "presencePenalty", "frequencyPenalty", "maxOutputTokens", "candidateCount",
    "stopSequences", "responseMimeType", "responseJsonSchema", "responseLogprobs", "logprobs", "thinkingConfig",
    "mediaResolution",
}  # fmt: skip
_MOST_STOPS, _MOST_TEXTS = 5, 100


@dataclass(frozen=True, slots=True)
class Model:
    """One model that it lists."""

    name: str
    methods: tuple[str, ...] = ("generateContent", "countTokens")
    thinking: bool = False
    input_limit: int = 1_048_576
    #: Numbers in a vector that nobody shortened.
    dimension: int = 16

    @property
    def is_newest(self) -> bool:
        """Whether it gives ids and signatures to calls, and refuses those that come back without."""
        return "gemini-3" in self.name

    def listed(self) -> dict[str, Any]:
        """As the list has it; what is false is left out."""
        named = {"name": f"models/{self.name}", "version": "001", "displayName": self.name}
        limits = {"inputTokenLimit": self.input_limit, "outputTokenLimit": 8192}
        methods = {"supportedGenerationMethods": list(self.methods)}
        return {**named, **limits, **methods, **({"thinking": True} if self.thinking else {})}


CHATTER = Model("gemini-2.0-flash")
THINKER = Model("gemini-3-flash", thinking=True)
EMBEDDER = Model("gemini-embedding-001", ("embedContent", "countTextTokens"), input_limit=2048)
USELESS = (Model("imagen-4.0", ("predict",)), Model("gemini-2.5-flash-preview-tts"))


class RefusedError(Exception):
    """It answers with a status that is no success."""

    def __init__(self, code: int, status: str, message: str, *details: dict[str, Any]) -> None:
        super().__init__(message)
        self.code = code
        self.body = {"error": {"code": code, "message": message, "status": status}}
        if details:
            self.body["error"]["details"] = list(details)


def detail(kind: str, **fields: Any) -> dict[str, Any]:
    """One detail of an error."""
    return {"@type": f"{_RPC}{kind}", **fields}


def invalid(message: str) -> RefusedError:
    """The refusal of a wrong request."""
    return RefusedError(400, "INVALID_ARGUMENT", message)


def unknown_key() -> RefusedError:
    """The refusal of a key, with a status that is for wrong requests elsewhere."""
    info = detail("ErrorInfo", reason="API_KEY_INVALID", domain="googleapis.com")
    return RefusedError(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", info)


def limited() -> RefusedError:
    """A quota is used up; how long to wait is in the body only."""
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
        "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
        "quotaValue": "15",
    }
    return RefusedError(
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
        detail("QuotaFailure", violations=[violation]),
        detail(
            "Help", links=[{"description": "Learn more", "url": "https://ai.google.dev/gemini-api/docs/rate-limits"}]
        ),
        detail("RetryInfo", retryDelay="34.5s"),
    )


def check(model: Model, body: dict[str, Any]) -> None:
    """Refuse what Google would refuse. Raises RefusedError."""
    for name in body.keys() - _REQUEST:
        message = f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
        raise invalid(message)
    config = body.get("generationConfig", {})
    for name in config.keys() - _CONFIG:
        message = f"Invalid JSON payload received. Unknown name \"{name}\" at 'generation_config': Cannot find field."
        raise invalid(message)
    if len(config.get("stopSequences", ())) > _MOST_STOPS:
        message = "The number of stop sequences exceeds the limit of 5."
        raise invalid(message)
    if not body.get("contents"):
        message = "* GenerateContentRequest.contents: contents is not specified\n"
        raise invalid(message)
    if "thinkingConfig" in config and not model.thinking:
        message = "Thinking is not enabled for this model"
        raise invalid(message)
    _check_contents(model, body["contents"])


def _check_contents(model: Model, contents: list[dict[str, Any]]) -> None:
    open_calls = 0
    for content in contents:
        if content.get("role") not in ("user", "model"):
            message = "Please use a valid role: user, model."
            raise invalid(message)
        parts = content.get("parts") or []
        if not parts or {"text": ""} in parts:
            message = "* GenerateContentRequest.contents[0].parts: contents.parts must not be empty.\n"
            raise invalid(message)
        results = sum("functionResponse" in part for part in parts)
        if results != open_calls:
            message = "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn."  # noqa: E501
            raise invalid(message)
        calls = [part for part in parts if "functionCall" in part]
        open_calls = len(calls)
        if calls and model.is_newest and "thoughtSignature" not in calls[0]:
            message = "Function call is missing a thought_signature in functionCall parts."
            raise invalid(message)


def said(model: Model, body: dict[str, Any]) -> tuple[list[list[dict[str, Any]]], dict[str, int]]:
    """What it answers, as the parts of each event, and the tokens: the last text that it was told, word by word."""
    config = body.get("generationConfig", {})
    texts = [part["text"] for content in body["contents"] for part in content["parts"] if "text" in part]
    words = " ".join(texts[-1:]).split()[: config.get("maxOutputTokens")]
    events: list[list[dict[str, Any]]] = [[{"text": word if at == 0 else f" {word}"}] for at, word in enumerate(words)]
    usage = {"promptTokenCount": sum(len(text.split()) for text in texts), "candidatesTokenCount": len(words)}
    if config.get("thinkingConfig", {}).get("includeThoughts"):
        events.insert(0, [{"text": "hm", "thought": True}])
        usage["thoughtsTokenCount"] = 7
    if "cachedContent" in body:
        usage["cachedContentTokenCount"] = 1
    if body.get("tools") and not any("functionResponse" in part for part in body["contents"][-1]["parts"]):
        events = [[_call(model, body["tools"][0]["functionDeclarations"][0]["name"])]]
    elif model.is_newest:
        # The signature of what was said comes last, on a text without a word.
        events.append([{"text": "", "thoughtSignature": SIGNATURE}])
    return events, usage


def _call(model: Model, name: str) -> dict[str, Any]:
    call: dict[str, Any] = {"name": name, "args": {"a": 1}}
    if not model.is_newest:
        return {"functionCall": call}
    return {"functionCall": {**call, "id": "google-1"}, "thoughtSignature": SIGNATURE}


def logprobs(words: list[str]) -> dict[str, Any]:
    """How likely each word was; a probability of one is left out, for its logarithm is zero."""
    chosen = [{"token": word, "tokenId": 7} for word in words]
    top = [{"candidates": [{"token": word}, {"token": "x", "logProbability": -3.5}]} for word in words]
    return {"chosenCandidates": chosen, "topCandidates": top}


def vectors(model: Model, body: dict[str, Any]) -> dict[str, Any]:
    """The vectors of a batch; those that are shortened are cut, and not made to length one again."""
    requests = body["requests"]
    if len(requests) > _MOST_TEXTS:
        message = "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch\n"
        raise invalid(message)
    for request in requests:
        if request["model"] != f"models/{model.name}":
            message = "* BatchEmbedContentsRequest.requests[0].model: must match the model of the batch\n"
            raise invalid(message)
    whole = [_vector(request["content"]["parts"][0]["text"], model.dimension) for request in requests]
    cut = [vector[: request.get("outputDimensionality")] for vector, request in zip(whole, requests, strict=True)]
    return {"embeddings": [{"values": vector} for vector in cut]}


def _vector(text: str, dimension: int) -> list[float]:
    """Numbers that only depend on *text*, of length one."""
    numbers = [byte + 1 for byte in sha256(text.encode()).digest()[:dimension]]
    length = sqrt(sum(number * number for number in numbers))
    return [number / length for number in numbers]
