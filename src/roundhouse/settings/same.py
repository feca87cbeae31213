"""What the owner says about models that are one, or look as if they were. Knows nothing about who serves them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from roundhouse.settings.key import Key
from roundhouse.settings.kinds import NAMES, Kind

#: A name as it stands in a line.
Line = tuple[str, ...]
_SENTENCE = 'a list of lines such as ["gpt-oss:120b = lmstudio/gpt-oss-120b"], each of two names or more'


def _lines(raw: object) -> object:
    try:
        texts = NAMES.check(raw)
    except ValueError:
        raise ValueError(_SENTENCE) from None
    lines = [_line(str(text)) for text in texts] if isinstance(texts, tuple) else []
    return tuple(lines)


def _line(text: str) -> Line:
    names = tuple(part.strip() for part in text.split("="))
    if len(names) < len("ab") or not all(names) or len(set(names)) < len(names):
        raise ValueError(_SENTENCE)
    return names


def _shown(value: object) -> object:
    return [" = ".join(line) for line in value] if isinstance(value, tuple) else value


_SCHEMA: Mapping[str, object] = {"type": "array", "items": {"type": "string", "pattern": "^[^=]+(=[^=]+)+$"}}
SAME_LINES = Kind("list of lines", NAMES.from_text, _lines, _shown, schema=_SCHEMA)


@dataclass(frozen=True, slots=True)
class SameSettings:
    """Models that are the same under several names, where what is known of them is not enough, or misleads."""

    together: Annotated[
        tuple[Line, ...],
        Key(
            [],
            SAME_LINES,
            'Names that are one model, such as `["gpt-oss:120b = lmstudio/gpt-oss-120b"]`; also elsewhere, '
            "and in other quantisations",
        ),
    ]
    apart: Annotated[
        Line,
        Key([], NAMES, "Names, also by pattern, that are the same as no other; `*` leaves only what `together` says"),
    ]


def contradictions(values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What in the values of this section cannot all be true: the sentence and the hint of each."""
    together, apart = values.get("same.together", ()), values.get("same.apart", ())
    lines = together if isinstance(together, tuple) else ()
    names = Counter(name for line in lines for name in line)
    for name, times in names.items():
        if times > 1:
            yield f"same.together names {name} in {times} lines", "put all names of one model into one line"
        if isinstance(apart, tuple) and name in apart:
            yield f"same.together and same.apart both name {name}", "take it out of one of them"
