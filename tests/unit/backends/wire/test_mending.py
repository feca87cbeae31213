import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.wire.mending import read_mended


class Limits(msgspec.Struct):
    """Figures of an entry."""

    context: int | None = None


class Entry(msgspec.Struct, rename="camel"):
    """One of a list."""

    id: str
    context_length: int | None = None
    limits: Limits | None = None
    raw: dict[str, msgspec.Raw] | None = None


class Page(msgspec.Struct):
    """A list."""

    data: list[Entry] | None
    more: bool = False


class Told(msgspec.Struct):
    """Figures that are no list."""

    context: int | None = None
    slots: int | None = None
    limits: Limits | None = None


class One(msgspec.Struct):
    """A list, or its one entry."""

    data: list[Entry] | Entry


def ids(page: Page) -> list[str]:
    """Of what could be read."""
    return [entry.id for entry in page.data or []]


@pytest.mark.parametrize("number", ["131072.0", "1.31072e5"])
def test_whole_numbers_may_be_written_as_floats(number: str) -> None:
    """However deep they stand, and whatever stands beside them."""
    text = f'{{"id": "a", "contextLength": {number}, "limits": {{"context": {number}}}, "raw": {{"x": 1.5}}}}'
    (entry,) = read_mended(f'{{"data": [{text}]}}'.encode(), Page).data or []
    assert (131_072, 131_072) == (entry.context_length, entry.limits and entry.limits.context)
    assert {"x": b"1.5"} == {name: bytes(raw) for name, raw in (entry.raw or {}).items()}


@pytest.mark.parametrize(
    "bad",
    ['{"id": 1}', "{}", "3", "null", '{"id": "x", "contextLength": "many"}', '{"id": "x", "contextLength": 1e999}'],
)
def test_an_entry_that_cannot_be_read_is_left_out(bad: str) -> None:
    """It alone."""
    page = read_mended(f'{{"data": [{{"id": "a"}}, {bad}, {{"id": "b"}}], "more": true}}'.encode(), Page)
    assert (["a", "b"], True) == (ids(page), page.more)
    assert ["a"] == [entry.id for entry in read_mended(f'[{bad}, {{"id": "a"}}]'.encode(), list[Entry])]


def test_what_is_no_list_is_read_as_well() -> None:
    """What is missing may be left away or be nothing."""
    told = read_mended(b'{"slots": null, "limits": null, "context": 8.0}', Told)
    assert Told(8) == told
    assert Told(8, limits=Limits(4)) == read_mended(b'{"context": 8.0, "limits": {"context": 4.0}}', Told)
    assert Page(None, more=True) == read_mended(b'{"data": null, "more": true}', Page)


def test_one_of_several_shapes_is_read_as_that() -> None:
    """LiteLLM tells of one model without a list."""
    one = read_mended(b'{"data": {"id": "a", "contextLength": 8.0}}', One).data
    many = read_mended(b'{"data": [{"id": "a", "contextLength": 8.0}, 3]}', One).data
    assert isinstance(one, Entry)
    assert isinstance(many, list)
    assert (8, [8]) == (one.context_length, [each.context_length for each in many])


@pytest.mark.parametrize("data", [b'{"data": [{"id": 1}, 2]}', b"{}", b"[]", b'{"data": 3}', b'{"data": [', b"\xff"])
def test_what_is_no_list_is_refused(data: bytes) -> None:
    """Also one of which nothing can be read: somebody has to hear of that."""
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        read_mended(data, Page)


def test_endless_lists_are_not_looked_at_one_by_one() -> None:
    """Everybody would wait for it."""
    with pytest.raises(msgspec.ValidationError):
        read_mended(b'{"data": [%b3]}' % (b'{"id": "a"},' * 20_000), Page)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "data", "contextLength"]), inner)
    ),
    max_leaves=12,
)


@given(entries=st.lists(JSON, max_size=5))
def test_whatever_stands_beside_it_a_good_entry_is_read(entries: list[object]) -> None:
    """And nothing else than what such a list may hold."""
    data = json.dumps({"data": [*entries, {"id": "good", "contextLength": 1.0}]}).replace("NaN", "null")
    page = read_mended(data.replace("-Infinity", "0").replace("Infinity", "0").encode(), Page)
    assert "good" == ids(page)[-1]
