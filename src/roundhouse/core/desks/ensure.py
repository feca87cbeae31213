"""Models that somebody declared, brought to "present and verified", for people. Knows nothing about formats."""

from dataclasses import dataclass
from typing import Literal, Protocol

# No postponed annotations: pydantic and msgspec read these types.

#: ``pending``: a pull is under way, or would be started.
EnsureState = Literal["present", "pending", "failed"]
#: What is needed: ``restore`` is to fetch what could not be repaired again, ``update`` to fetch another revision.
EnsureAction = Literal["none", "pull", "restore", "update"]


@dataclass(frozen=True, slots=True)
class EnsuredModel:
    """One declared model, and how it is."""

    ref: str
    #: What it is called here, as far as is known.
    name: str | None
    state: EnsureState
    action: EnsureAction
    #: Why, in one sentence.
    reason: str
    #: The transfer that brings it, once one is under way.
    transfer: str | None = None
    #: What is in the way: ``{"code", "message", "hint"}``.
    error: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class EnsureReport:
    """All declared models in their order."""

    models: tuple[EnsuredModel, ...]
    dry_run: bool

    @property
    def complete(self) -> bool:
        """Whether all are present and right."""
        return all(model.state == "present" for model in self.models)


class EnsureDesk(Protocol):
    """What ought to be here."""

    async def ensure(self, document: bytes, *, dry_run: bool, by: str | None = None) -> EnsureReport:
        """Bring the models of *document* here, on behalf of *by*. Raises SchemaError, which names the JSON path.

        What is in the way of one model is in the report, and keeps no other one from coming.
        """
