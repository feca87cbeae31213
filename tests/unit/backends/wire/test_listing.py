import json

import pytest

from roundhouse.backends.wire.listing import Listed, read_list, undeclared
from roundhouse.backends.wire.quirks import Prices
from roundhouse.core.errors import BackendError
from roundhouse.core.inference import Capability, Residency

WRITER = {Capability.CHAT, Capability.COMPLETION, Capability.TOOLS, Capability.JSON_SCHEMA}


def listed(**entry: object) -> Listed:
    """The one model of a list with this entry."""
    return read_list(json.dumps({"object": "list", "data": [{"id": "m", **entry}]}).encode())[0]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"meta": {"n_ctx": 1024, "n_ctx_train": 4096}}, 1024),
        ({"max_model_len": 2048}, 2048),
        ({"max_model_len": 2048.0}, 2048),
        ({"meta": {"n_ctx": 1024.0}}, 1024),
        ({"context_length": 8192}, 8192),
        ({"max_context_length": 4096, "loaded_context_length": 512}, 512),
        ({"max_context_length": 4096}, 4096),
        ({"meta": None}, None),
        ({}, None),
    ],
)
def test_the_context_is_read_wherever_it_stands(entry: dict[str, object], expected: int | None) -> None:
    """What is served counts more than what the model could."""
    assert expected == listed(**entry).context


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({}, WRITER),
        ({"type": "llm"}, WRITER),
        ({"type": "vlm"}, WRITER | {Capability.VISION}),
        ({"type": "embeddings"}, {Capability.EMBEDDING}),
        ({"architecture": {"input_modalities": ["text", "image"]}}, WRITER | {Capability.VISION}),
        ({"id": "text-embedding-3-small"}, {Capability.EMBEDDING}),
        ({"id": "BAAI/bge-m3"}, {Capability.EMBEDDING}),
        ({"id": "BAAI/bge-reranker-v2-m3"}, {Capability.RERANK}),
        ({"id": "Qwen3-Reranker-0.6B"}, {Capability.RERANK}),
        ({"id": "cohere/re-rank-v3"}, {Capability.RERANK}),
        ({"id": "intfloat/e5-large"}, {Capability.EMBEDDING}),
        ({"id": "phi-3.5-mini"}, WRITER),
        ({"id": "model-e50"}, WRITER),
        ({"id": "some-embedder", "type": "llm"}, WRITER),
    ],
)
def test_capabilities_follow_the_rule(entry: dict[str, object], expected: set[Capability]) -> None:
    """What is declared counts; a name that says embedding counts; the rest is a writer."""
    assert expected == listed(**entry).capabilities


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"state": "loaded"}, Residency.LOADED),
        ({"state": "not-loaded"}, Residency.COLD),
        ({"status": {"value": "unloaded"}}, Residency.COLD),
        ({}, Residency.UNKNOWN),
    ],
)
def test_residency_is_read_where_it_is_told(entry: dict[str, object], expected: Residency) -> None:
    """LM Studio and llama-server's router tell; nobody else does."""
    assert expected == listed(**entry).residency


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("/home/me/models/tiny", "tiny"),
        ("../models/7B/ggml-model-f16.gguf", "ggml-model-f16"),
        ("C:\\models\\tiny.gguf", "tiny"),
        ("tiny-Q4_K_M.gguf", "tiny-Q4_K_M"),
        ("owner/repo:Q4_K_M", "owner/repo:Q4_K_M"),
        ("llama3.2:latest", "llama3.2:latest"),
        ("/", "/"),
    ],
)
def test_a_path_is_named_by_its_last_part(model: str, name: str) -> None:
    """Nobody wants to ask for a model by a folder of the backend's machine; its id stays what it was."""
    assert (model, name) == (undeclared(model).id, undeclared(model).name)


def test_a_model_that_is_listed_twice_is_one() -> None:
    """Ids are unique at a backend."""
    assert 1 == len(read_list(b'{"data":[{"id":"m"},{"id":"m"}]}'))


def test_an_empty_list_is_a_list() -> None:
    """Ollama without models says null."""
    assert [] == read_list(b'{"object":"list","data":null}')


@pytest.mark.parametrize("data", [b"<html>", b"{}", b'{"data":[{"name":"m"}]}', b"[]", b'{"data":3}'])
def test_what_is_no_list_is_a_backend_error(data: bytes) -> None:
    """Something else answers at that address."""
    with pytest.raises(BackendError):
        read_list(data)


@pytest.mark.parametrize("price", ["1" + "0" * 400, "-1", "2", '"nan"', '"1e-6x"', "[]", "null"])
def test_a_price_that_cannot_be_is_not_known(price: str) -> None:
    """Nobody is charged two dollars for a token."""
    listed = f'{{"data":[{{"id":"m","pricing":{{"prompt":{price},"completion":0}}}}]}}'
    (model,) = read_list(listed.encode(), Prices("prompt", "completion"))
    assert model.price is None


def test_an_entry_that_cannot_be_read_costs_nobody_else() -> None:
    """A list of hundreds is written by many hands."""
    data = json.dumps({"data": [{"id": "a"}, {"id": "b", "context_length": "8k"}, {"id": "c"}]}).encode()
    assert ["a", "c"] == [each.id for each in read_list(data)]
