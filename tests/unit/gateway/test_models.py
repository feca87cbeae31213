import json
import timeit

from roundhouse.gateway.models import ModelEntry, all_of, one


def test_one() -> None:
    """OpenAI's shape of a model."""
    expected = {"id": "a/b:c", "object": "model", "created": 5, "owned_by": "me"}
    assert json.loads(one(ModelEntry("a/b:c", 5, "me"))) == expected


def test_none() -> None:
    """An empty house has an empty list."""
    assert json.loads(all_of([])) == {"object": "list", "data": []}


def test_ten_thousand() -> None:
    """A long list is told in less than 50 ms."""
    entries = [ModelEntry(f"backend/model-{number}", number, "me") for number in range(10_000)]
    assert min(timeit.repeat(lambda: all_of(entries), number=1, repeat=5)) < 0.05
