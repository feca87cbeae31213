"""Whether JSON may name a field, told without parsing it. Pure; knows nothing about what fields mean."""

from __future__ import annotations

#: How every escape of an ASCII character begins that has no escape of its own.
_ESCAPED = b"\\u00"


def may_name(data: bytes, *names: bytes) -> bool:
    r"""Whether a field in *data* may have one of *names*, which are plain ASCII. ``False`` is certain, ``True`` is not.

    What is spelt ``"gramm\u0061r"`` is the same name to every parser behind us.
    """
    return _ESCAPED in data or any(b'"%b"' % name in data for name in names)
