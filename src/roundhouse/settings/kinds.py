"""What a setting may be: its kinds, how each is read from text or TOML, and how it is shown.

Knows nothing about which settings exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

_UNITS = {"": 1, "b": 1} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("kmgt", start=1)
    for suffix, base in (("b", 1000), ("", 1024), ("ib", 1024))
}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: More digits than any length of time has.
_LONGEST_NUMBER = 12
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value. Every function raises ValueError with the end of the sentence "KEY must be …"."""

    name: str
    #: What a variable or a flag says, as TOML would have said it.
    from_text: Callable[[str], object]
    #: What TOML said, checked and turned into the value.
    check: Callable[[object], object]
    #: The value as TOML would say it; ``None`` stays None.
    show: Callable[[object], object] = lambda value: value
    schema: Mapping[str, object] = field(default_factory=dict)


def _as_is(text: str) -> object:
    return text


def _text(raw: object) -> str:
    if not isinstance(raw, str) or not raw.strip() or not raw.strip().isprintable():
        message = "text in quotes"
        raise ValueError(message)
    return raw.strip()


TEXT = Kind("text", _as_is, _text, schema={"type": "string", "minLength": 1})


def _variable(raw: object) -> str:
    if not isinstance(raw, str) or not _VARIABLE.fullmatch(raw.strip()):
        message = "the name of a variable (letters, digits and _), not what the variable holds"
        raise ValueError(message)
    return raw.strip()


VARIABLE = Kind(
    "name of a variable", _as_is, _variable, schema={"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
)


def one_of(*choices: str) -> Kind:
    """One of a few words."""

    def check(raw: object) -> object:
        if raw not in choices:
            message = "one of " + ", ".join(choices)
            raise ValueError(message)
        return raw

    return Kind(
        "one of " + ", ".join(f"`{choice}`" for choice in choices), _as_is, check, schema={"enum": list(choices)}
    )


def whole(low: int, high: int) -> Kind:
    """A whole number between *low* and *high*."""
    sentence = f"a whole number from {low} to {high}"

    def from_text(text: str) -> object:
        try:
            return int(text)
        except ValueError:
            raise ValueError(sentence) from None

    def check(raw: object) -> object:
        if isinstance(raw, bool) or not isinstance(raw, int) or not low <= raw <= high:
            raise ValueError(sentence)
        return raw

    return Kind("whole number", from_text, check, schema={"type": "integer", "minimum": low, "maximum": high})


def number(low: float, high: float) -> Kind:
    """A number between *low* and *high*."""
    sentence = f"a number from {low:g} to {high:g}"

    def from_text(text: str) -> object:
        try:
            return float(text)
        except ValueError:
            raise ValueError(sentence) from None

    def check(raw: object) -> object:
        if isinstance(raw, bool) or not isinstance(raw, int | float) or not low <= raw <= high:
            raise ValueError(sentence)
        return float(raw)

    return Kind("number", from_text, check, schema={"type": "number", "minimum": low, "maximum": high})


def _switch_text(text: str) -> object:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        message = "true or false"
        raise ValueError(message)
    return word in _TRUE


def _switch(raw: object) -> object:
    if not isinstance(raw, bool):
        message = "true or false"
        raise ValueError(message)  # noqa: TRY004 - one exception type means "does not fit"
    return raw


SWITCH = Kind("true or false", _switch_text, _switch, schema={"type": "boolean"})


def size_of(text: str) -> int:
    """Bytes of ``32MiB``, ``2 GB``, ``1.5g`` or ``4096``. Raises ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[2].lower() not in _UNITS:
        message = 'a size such as "32MiB", "2GB" or a number of bytes'
        raise ValueError(message)
    unit = _UNITS[match[2].lower()]
    return int(float(match[1]) * unit) if "." in match[1] else int(match[1]) * unit


def size_text(value: int) -> str:
    """Bytes in the largest unit that says them exactly."""
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if value and value % 1024**power == 0:
            return f"{value // 1024**power}{unit}"
    return str(value)


def _size(raw: object) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int | str) or (isinstance(raw, int) and raw < 0):
        return size_of("")  # says what it must be
    return raw if isinstance(raw, int) else size_of(raw)


_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(s|min|h|d|w)")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


def span_of(text: str) -> float:
    """Seconds of ``30d``, ``12h``, ``90min``, ``2w`` or ``45s``. Raises ValueError."""
    match = _SPAN.fullmatch(text.strip().lower())
    if match is None or len(match[1]) > _LONGEST_NUMBER:
        message = 'a length of time such as "30d", "12h", "90min", "2w" or "45s"'
        raise ValueError(message)
    return float(match[1]) * _SECONDS[match[2]]


def span_text(value: float) -> str:
    """Seconds in the largest unit that says them exactly."""
    for unit in ("w", "d", "h", "min"):
        if value and value % _SECONDS[unit] == 0:
            return f"{value / _SECONDS[unit]:.0f}{unit}"
    return f"{value:g}s"


def _span(raw: object) -> float:
    return span_of(raw if isinstance(raw, str) else "")  # says what it must be


SPAN = Kind(
    "length of time",
    _as_is,
    _span,
    lambda value: span_text(float(str(value))),
    schema={"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*(s|min|h|d|w)$"},
)

_SIZE_SCHEMA = {
    "type": ["string", "integer"],
    "pattern": r"^[0-9]+(\.[0-9]+)?\s*([kKmMgGtT]?([iI]?[bB])?)$",
    "minimum": 0,
}
SIZE = Kind("size", _as_is, _size, lambda value: size_text(int(str(value))), schema=_SIZE_SCHEMA)


def _size_or_auto(raw: object) -> object:
    return None if raw == "auto" else _size(raw)


SIZE_OR_AUTO = Kind(
    "size or `auto`",
    _as_is,
    _size_or_auto,
    lambda value: "auto" if value is None else size_text(int(str(value))),
    schema={"type": ["string", "integer"]},
)


def whole_or_auto(low: int, high: int) -> Kind:
    """A whole number, or ``auto``, which is None."""
    number = whole(low, high)

    def check(raw: object) -> object:
        if raw == "auto":
            return None
        try:
            return number.check(raw)
        except ValueError as error:
            message = f"`auto` or {error}"
            raise ValueError(message) from None

    return Kind(
        f"{number.name} or `auto`",
        lambda text: text if text == "auto" else number.from_text(text),
        check,
        lambda value: "auto" if value is None else value,
        schema={"type": ["string", "integer"]},
    )


def _url(raw: object) -> object:
    message = "an address such as http://127.0.0.1:8080, without user and password"
    if not isinstance(raw, str):
        raise ValueError(message)  # noqa: TRY004 - one exception type means "does not fit"
    parts = urlsplit(raw.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError(message)
    _ = parts.port  # raises ValueError when it is no number
    if not _can_be_host(parts.hostname):
        message = "an address whose host can be looked up: no part of its name empty or longer than 63 characters"
        raise ValueError(message)
    return raw.strip().rstrip("/")


def _can_be_host(name: str) -> bool:
    """Whether that can be looked up at all: who tries otherwise meets no error of the network."""
    try:
        return bool(name.encode("idna"))
    except UnicodeError:
        return False


URL = Kind("address", _as_is, _url, schema={"type": "string", "pattern": "^https?://"})


def _database(raw: object) -> object:
    if not isinstance(raw, str) or not raw.startswith(("sqlite:///", "postgresql://", "postgres://")):
        message = "sqlite:///PATH or postgresql://…"
        raise ValueError(message)
    return raw


def _valkey(raw: object) -> object:
    message = "redis://HOST:PORT/0, rediss://… or unix://PATH"
    schemes = ("redis://", "rediss://", "unix://", "valkey://", "valkeys://")
    if not isinstance(raw, str) or not raw.startswith(schemes):
        raise ValueError(message)
    _ = urlsplit(raw).port  # raises ValueError when it is no number
    # The client knows only the older name of what both speak.
    return raw.replace("valkey", "redis", 1) if raw.startswith("valkey") else raw


VALKEY = Kind("address", _as_is, _valkey, schema={"type": "string", "pattern": "^(rediss?|valkeys?|unix)://"})


def without_password(url: object) -> str:
    """A database address that may be shown."""
    parts = urlsplit(str(url))
    if not parts.password:
        return str(url)
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:***@{host}"))


DATABASE = Kind("address", _as_is, _database, schema={"type": "string", "pattern": "^(sqlite|postgres(ql)?)://"})


def _names_text(text: str) -> object:
    return [part.strip() for part in text.split(",") if part.strip()]


def _names(raw: object) -> object:
    listed = [raw] if isinstance(raw, str) else raw
    if not isinstance(listed, list) or not all(
        isinstance(part, str) and part.strip().isprintable() and part.strip() for part in listed
    ):
        message = 'a list of names such as ["a", "b"]'
        raise ValueError(message)
    return tuple(str(part).strip() for part in listed)


NAMES = Kind(
    "list of names",
    _names_text,
    _names,
    lambda value: list(value) if isinstance(value, tuple) else value,
    schema={"type": "array", "items": {"type": "string"}},
)


def _variables(raw: object) -> object:
    listed = [raw] if isinstance(raw, str) else raw
    if not isinstance(listed, list):
        message = 'a list of names of variables such as ["A", "B"]'
        raise ValueError(message)  # noqa: TRY004 - what every kind raises
    return tuple(_variable(each) for each in listed)


VARIABLES = Kind("list of names of variables", _names_text, _variables, NAMES.show, schema=NAMES.schema)
