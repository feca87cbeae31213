import pytest

from roundhouse.backends.wire.ndjson import LineParser
from roundhouse.core.errors import BackendError

STREAM = b'{"a":1}\n\n{"b":"\xc3\xa4"}\r\n{"c":3}'


@pytest.mark.parametrize("split", range(len(STREAM) + 1))
def test_lines_are_the_same_at_every_split(split: int) -> None:
    """Where the network cuts makes no difference."""
    parser = LineParser()
    lines = parser.feed(STREAM[:split]) + parser.feed(STREAM[split:]) + parser.finish()
    assert [b'{"a":1}', b'{"b":"\xc3\xa4"}', b'{"c":3}'] == lines


def test_bytes_one_by_one_are_lines_too() -> None:
    """The smallest pieces work as well."""
    parser = LineParser()
    lines = [line for byte in STREAM for line in parser.feed(bytes([byte]))]
    assert 3 == len(lines + parser.finish())


def test_a_line_has_a_limit() -> None:
    """A server that never ends its line does not fill the memory."""
    parser = LineParser(max_line=10)
    with pytest.raises(BackendError):
        parser.feed(b"x" * 11)
