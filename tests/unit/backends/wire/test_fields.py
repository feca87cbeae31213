import json

from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.wire.fields import may_name

NAMES = ("grammar", "json_schema", "dimensions")


@st.composite
def spelt(draw: st.DrawFn) -> bytes:
    """A name as JSON may spell it: each of its letters plain or escaped, in either case."""
    name = draw(st.sampled_from(NAMES))
    ways = draw(st.lists(st.sampled_from(["%c", "\\u%04x", "\\u%04X"]), min_size=len(name), max_size=len(name)))
    return "".join(way % ord(char) for way, char in zip(ways, name, strict=True)).encode()


@given(spelt(), st.text())
def test_a_name_is_found_however_it_is_spelt(name: bytes, text: str) -> None:
    """Every parser behind us reads the same name."""
    body = b'{"prompt":%b,"%b":1}' % (json.dumps(text).encode(), name)
    assert any(known in json.loads(body) for known in NAMES)
    assert may_name(body, *(known.encode() for known in NAMES))


@given(st.text("abc\n\t\\ "))
def test_what_names_it_nowhere_is_not_parsed(text: str) -> None:
    """Nearly all bodies."""
    assert not may_name(json.dumps({"prompt": text}).encode(), b"grammar", b"tools")
