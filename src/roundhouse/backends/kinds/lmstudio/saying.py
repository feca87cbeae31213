"""What LM Studio's answers tell of who gave them. Pure; knows nothing about what is in memory.

With one model in memory it may answer for whatever was asked for, and names that one in its answer: a name that is not
the one of the copy that was asked is another model's answer.
"""

from __future__ import annotations

import re
from http import HTTPStatus

import msgspec

from roundhouse.core.errors import BackendError, NotFoundError, RoundhouseError, SchemaError

#: How it says that what was asked is not in memory (any more), with 400 or 404 as it comes.
_GONE = re.compile(
    r"no models? (is |are )?(currently )?loaded|model identifier|model\b.{0,120}\b(not found|not loaded|unloaded)",
    re.IGNORECASE | re.DOTALL,
)
_COPY = re.compile(r":\d{1,4}$")


class StrangerError(BackendError):
    """Another model answered than the one that was asked."""

    hint = "load the model in LM Studio, or let it load models just in time"


class _Speaker(msgspec.Struct):
    model: object = None


def is_gone(error: RoundhouseError) -> bool:
    """Whether *error* means that the copy that was asked is not there."""
    if isinstance(error, NotFoundError | StrangerError) or error.details.get("status") == HTTPStatus.NOT_FOUND:
        return True
    return isinstance(error, BackendError | SchemaError) and _GONE.search(error.message) is not None


def check_speaker(data: bytes, *names: str) -> None:
    """Raise StrangerError when *data*, an answer or a chunk of one, is told to be of none that is called so."""
    try:
        said = msgspec.json.decode(data, type=_Speaker).model
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):  # for whoever reads the answer to say
        return
    if isinstance(said, str) and said and _bare(said) not in {_bare(name) for name in names}:
        message = f"{said[:200]} answered, and {names[0]} was asked"
        raise StrangerError(message)


def _bare(name: str) -> str:
    """A name without whose it is, of which variant and which copy, which are told with some answers only."""
    return _COPY.sub("", name.lower().rpartition("/")[2]).partition("@")[0].removesuffix(".gguf")
