import msgspec

from roundhouse.backends.kinds.gemini.tools import schema_of


def test_a_constant_is_found_under_an_escaped_name() -> None:
    """Google reads it as what it does not know."""
    assert {"enum": [1]} == schema_of(msgspec.Raw(b'{"c\\u006fnst":1}'))
