import msgspec

from roundhouse.backends.wire.quirks import Quirks


def test_what_is_dropped_may_be_escaped() -> None:
    """The provider reads the same name, and would refuse it."""
    body = {"messages": msgspec.Raw(b'[{"content":"x","re\\u0061soning":"hm"}]')}
    Quirks(drops_in_messages=frozenset({"reasoning"})).suit(body, b'"m"')
    assert b'[{"content":"x"}]' == bytes(body["messages"])
