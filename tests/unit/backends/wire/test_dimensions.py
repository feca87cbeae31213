import json
from base64 import b64encode

import pytest

from roundhouse.backends.wire import dimensions
from roundhouse.core.errors import BackendError, SchemaError


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"input": "x"}, None),
        ({"input": "x", "dimensions": None}, None),
        ({"input": "x", "dimensions": 8}, 8),
        ({"input": '"dimensions"'}, None),
    ],
)
def test_a_wish_is_found(body: object, expected: int | None) -> None:
    """Nearly nobody has one."""
    assert expected == dimensions.wanted(json.dumps(body).encode())


def test_a_wish_is_found_under_an_escaped_name() -> None:
    """The backend reads it, so its answer has to be looked at."""
    assert 8 == dimensions.wanted(b'{"\\u0064imensions":8}')


def test_an_odd_wish_is_the_clients_error() -> None:
    """By its name."""
    with pytest.raises(SchemaError, match="dimensions"):
        dimensions.wanted(b'{"dimensions":"many"}')


@pytest.mark.parametrize("vector", [[0.5, 1], b64encode(bytes(8)).decode()])
def test_what_is_as_long_as_wished_passes(vector: object) -> None:
    """In either encoding; what is not names both lengths."""
    answer = json.dumps({"data": [{"embedding": vector}]}).encode()
    dimensions.check(answer, 2)
    with pytest.raises(SchemaError, match="gives 2 numbers here, and not 3"):
        dimensions.check(answer, 3)


@pytest.mark.parametrize("answer", [b"", b"{}", b'{"data":[{}]}', b'{"data":[{"embedding":"x"}]}'])
def test_what_is_no_vector_is_the_backends_error(answer: bytes) -> None:
    """Nothing foreign gets out."""
    with pytest.raises(BackendError):
        dimensions.check(answer, 2)


@pytest.mark.parametrize(
    ("given", "found", "fits"),
    [
        ("text", 1, True),
        (["text"], 1, True),
        (["one", "two"], 2, True),
        ([1, 2, 3], 1, True),
        ([[1, 2], [3]], 2, True),
        (["one", "two"], 1, False),
        (["one"], 2, False),
        ([1, 2, 3], 3, False),
        ("text", 2, False),
    ],
)
def test_there_is_one_vector_for_each_input(given: object, found: int, *, fits: bool) -> None:
    """Tokens of one text are one input, too."""
    body = json.dumps({"input": given}).encode()
    answer = json.dumps({"data": [{"embedding": [0.5]}] * found}).encode()
    if fits:
        dimensions.check_count(body, answer)
        return
    with pytest.raises(BackendError, match="inputs were to be embedded"):
        dimensions.check_count(body, answer)
