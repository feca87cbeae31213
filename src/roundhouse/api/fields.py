"""What clients may send, field by field, with its bounds.

Knows nothing about what is done with it. Unknown keys are refused, except in a body that is meant for a model.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from roundhouse.core.inference import Operation


def _printable(value: str) -> str:
    """Refuse control characters and lone surrogates: no database, log or terminal wants them."""
    if not value.isprintable():
        message = "holds characters that cannot be printed"
        raise ValueError(message)
    return value


def _utc(value: datetime) -> datetime:
    """Take a time without a zone as UTC, and refuse one that leaves the calendar on the way there."""
    try:
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        message = "is outside the calendar"
        raise ValueError(message) from None


Text = Annotated[str, AfterValidator(_printable)]
#: A name in a path: a model (with ``/`` and ``:``), a backend, a transfer.
Name = Annotated[Text, Path(min_length=1, max_length=512)]
When = Annotated[datetime, AfterValidator(_utc)]


class PullRequest(BaseModel):
    """What to pull."""

    model_config = ConfigDict(extra="forbid", strict=True)

    ref: Text = Field(
        min_length=1,
        max_length=4096,
        description="`hf:owner/repo[@rev][:quant]`, `ollama:name[:tag]`, `https://…`, or a path",
    )
    name: Text | None = Field(default=None, min_length=1, max_length=255, description="ask for it by this name later")
    dry_run: bool = Field(default=False, description="resolve and plan, but fetch nothing")


class LimitRequest(BaseModel):
    """How fast downloads may be."""

    model_config = ConfigDict(extra="forbid", strict=True)

    bandwidth: int | None = Field(ge=1024, le=1 << 50, description="bytes per second; null is no limit")


class SharedLimitRequest(LimitRequest):
    """How fast all downloads may be, or those from one source."""

    source: Literal["hf", "ollama", "https"] | None = Field(default=None, description="only what comes from there")


class PriorityRequest(BaseModel):
    """How urgent a download is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    priority: int = Field(ge=-1000, le=1000, description="among those that wait, the highest is next")


class TrialRequest(BaseModel):
    """How hard to try a backend."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: bool = Field(default=False, description="also have a model count to 20, which may cost money")
    model: str | None = Field(
        default=None, max_length=512, description="which one; the first that can chat if not given"
    )
    baseline: bool = Field(
        default=False, description="keep how quick that was as its baseline, also when it has one; implies prompt"
    )


class ExplainRequest(BaseModel):
    """Any request in OpenAI's shape; what is not named here is passed on as it is."""

    model_config = ConfigDict(extra="allow", strict=True)

    model: Text = Field(min_length=1, max_length=512, description="an alias, a model, or `backend/model`")
    operation: Operation | None = Field(
        default=None, strict=False, description="guessed from `messages`, `prompt` or `input` when absent"
    )
