"""The reference page of the HTTP API, read off the published schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from roundhouse.api.app import build
from roundhouse.testing.management_service import InMemoryManagement

_HEAD = """# HTTP API

Everything is at one address, `http://127.0.0.1:8484` unless told otherwise.
This page is generated from the published schema by `scripts/make_reference.py`.

## Keys

From this machine no key is needed to infer and to look; any placeholder that an SDK demands will do. Managing needs the
admin key: the file `admin.key` in the home, sent as `Authorization: Bearer rh-…` or `x-api-key: rh-…`. From any other
machine a key is always needed. A request whose `Host` or `Origin` is not ours is refused with `E_PERM`.

## For models: OpenAI's dialect

| method | path | what |
|---|---|---|
| POST | `/v1/chat/completions` | chat, whole or streamed; unknown fields are passed on |
| POST | `/v1/completions` | completion, whole or streamed |
| POST | `/v1/embeddings` | embeddings, as floats or base64 |
| POST | `/v1/rerank`, `/rerank` | the `top_n` best of `documents` for a `query`, as Jina and Cohere have it |
| GET | `/v1/models`, `/v1/models/{id}` | every name that may be asked for |

`model` is a model, an alias, `backend/model`, or `auto` for whatever fits best.

| header of an answer | meaning |
|---|---|
| `x-request-id`, `x-roundhouse-route-id` | the request; the same id is in `GET /api/v1/requests` and in the log |
| `x-roundhouse-model`, `x-roundhouse-backend` | who answered |
| `x-roundhouse-attempts` | tries it took, the last one included |
| `x-roundhouse-overhead-ms` | our own share of the time until the head of the answer |
| `x-roundhouse-cost-usd` | the cost, when it is known before the answer is sent |

An error is OpenAI's envelope with our code, a hint, and whether we (`roundhouse`) or an upstream is at fault:
`{"error": {"message", "type", "param", "code", "hint", "source", "request_id"}}`. Once all deployments of a route have
been tried, `x-should-retry: false` keeps SDKs from starting over. After the first token an error is the last event.
Codes and statuses: [errors](errors.md).

## For machines

| path | what |
|---|---|
| `/healthz` | the process lives |
| `/readyz` | it serves |
| `/metrics` | Prometheus' text format |
| `/api/v1/openapi.json` | the schema of what follows |

## Management

JSON in and out. An error is `{"error": {"code", "message", "hint", "retryable", "details", "request_id"}}`.

| method | path | needs | what |
|---|---|---|---|
"""
_SCHEMAS = "\n## Answers\n"


def page() -> str:
    """The whole page."""
    spec = build(InMemoryManagement()).openapi()
    return _HEAD + "".join(_operations(spec)) + _SCHEMAS + "".join(_schemas(spec))


def _operations(spec: Mapping[str, Any]) -> Iterator[str]:
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            query = "&".join(f"{each['name']}=" for each in operation.get("parameters", ()) if each["in"] == "query")
            address = f"`{path}{'?' + query if query else ''}`"
            permission, what = operation["x-roundhouse-permission"], operation["description"]
            yield f"| {method.upper()} | {address} | `{permission}` | {what} |\n"


def _schemas(spec: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in sorted(spec["components"]["schemas"].items()):
        if schema.get("properties"):
            fields = ", ".join(f"`{field}`" for field in schema["properties"])
            yield f"\n- **{name}**: {fields}"
    yield "\n"
