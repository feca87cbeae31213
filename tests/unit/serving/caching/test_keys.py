import pytest

from roundhouse.serving.caching.keys import may_be_deterministic


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model": "m", "messages": []}', False),
        (b'{"model": "m", "temperature": 0}', True),
        (b'{"model": "m", "seed":7}', True),
        (b'{"model": "m", "messages": [{"role": "user", "content": "set the temperature"}]}', False),
    ],
)
def test_most_bodies_are_not_read(body: bytes, *, expected: bool) -> None:
    """Only those that name what makes an answer repeatable may be kept without being asked to."""
    assert expected == may_be_deterministic(body)
