import io
import struct

import pytest

from roundhouse.core.errors import SchemaError
from roundhouse.library.bounded import BoundedReader

U32 = struct.Struct("<I")


def a_reader(data: bytes, size: int | None = None) -> BoundedReader:
    """A reader over *data*, whose file claims *size*."""
    return BoundedReader(io.BytesIO(data), len(data) if size is None else size)


def test_bytes_and_numbers_come_in_order() -> None:
    """The cursor moves by what was taken."""
    reader = a_reader(b"ab" + U32.pack(7) + b"rest")
    assert (b"ab", 7, b"re", 2) == (reader.take(2), reader.count(U32), reader.take(2), reader.left)


def test_skipping_reads_nothing_and_moves_on() -> None:
    """Also far beyond what is in memory."""
    data = bytes(3 << 20) + b"end"
    reader = a_reader(data)
    assert reader.take(1) == b"\0"
    reader.skip((3 << 20) - 1)
    assert reader.take(3) == b"end"


@pytest.mark.parametrize(("count", "width"), [(11, 1), (3, 4), (1 << 62, 8)])
def test_a_promise_beyond_the_end_is_refused_before_it_is_read(count: int, width: int) -> None:
    """Nothing is allocated for a length that the file cannot have."""
    with pytest.raises(SchemaError, match="10 bytes are left"):
        a_reader(bytes(10)).bounded(count, width)


def test_a_file_that_shrinks_while_it_is_read_is_refused() -> None:
    """What the size promised and the file does not have is no surprise for the caller."""
    with pytest.raises(SchemaError, match="shorter"):
        a_reader(b"abc", size=10).take(5)
