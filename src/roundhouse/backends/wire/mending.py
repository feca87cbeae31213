"""Lists of models of which something does not fit: what can be read of them. Knows no list.

Python and JavaScript write whole numbers as ``131072.0`` at times, and one entry that nobody can read is no reason to
do without the others.
"""

from __future__ import annotations

from types import UnionType
from typing import Any, TypeVar, cast, get_args, get_origin

import msgspec

#: More than this is not looked at one by one: it takes a hundred times longer, while everybody waits.
_MOST_BYTES, _MOST_ENTRIES = 2 << 20, 10_000
#: Beyond it, a float does not know whether it is whole.
_EXACT = 1 << 53

_T = TypeVar("_T")


def read_mended(data: bytes, shape: type[_T]) -> _T:
    """What *data* says, without the entries of its lists that cannot be read.

    Raises:
        msgspec.DecodeError, RecursionError, UnicodeDecodeError: it is no such thing, or not one entry can be read.

    """
    try:
        return msgspec.json.decode(data, type=shape)
    except msgspec.ValidationError:
        if len(data) > _MOST_BYTES:
            raise
    return cast("_T", _mended(data, shape))


def _mended(data: bytes, shape: Any) -> object:
    shape = _meant(data, shape)
    if get_origin(shape) is list:
        return _entries(data, get_args(shape)[0])
    if not _has_fields(shape):
        return _with_whole_numbers(data, shape)
    told = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    fields = {each.encode_name: each for each in msgspec.structs.fields(shape)}
    if missing := next((name for name, each in fields.items() if each.required and name not in told), None):
        message = f"Object missing required field `{missing}`"
        raise msgspec.ValidationError(message)
    return shape(**{each.name: _mended(bytes(told[name]), each.type) for name, each in fields.items() if name in told})


def _entries(data: bytes, shape: Any) -> list[object]:
    """Those that can be read; all of them when none can be, so that somebody hears of it."""
    raws = msgspec.json.decode(data, type=list[msgspec.Raw])
    if len(raws) > _MOST_ENTRIES:
        message = f"more than {_MOST_ENTRIES} entries, of which not all can be read"
        raise msgspec.ValidationError(message)
    entries, wrong = [], None
    for raw in raws:
        try:
            entries.append(_with_whole_numbers(bytes(raw), shape))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            wrong = error
    if wrong is not None and not entries:
        raise wrong
    return entries


def _with_whole_numbers(data: bytes, shape: Any) -> object:
    try:
        return msgspec.json.decode(data, type=shape)
    except msgspec.ValidationError:
        return msgspec.json.decode(msgspec.json.encode(_whole(msgspec.json.decode(data))), type=shape)


def _whole(value: object) -> object:
    """The same with each float that is a whole number as that."""
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT else value


def _meant(data: bytes, shape: Any) -> Any:
    """Which of several shapes *data* has: a list, or something with fields."""
    if not isinstance(shape, UnionType):
        return shape
    begins = data.lstrip()[:1]
    for each in get_args(shape):
        if (begins == b"[" and get_origin(each) is list) or (begins == b"{" and _has_fields(each)):
            return each
    return shape


def _has_fields(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, msgspec.Struct)
