"""Which models a managed MLX serves, and what each gets of the memory. Knows nothing about processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from roundhouse.backends.kinds.mlx.abilities import abilities_of
from roundhouse.backends.kinds.mlx.budget import Share, Wanted, share_of
from roundhouse.backends.kinds.mlx.config import Household
from roundhouse.backends.kinds.mlx.folders import described, is_model, template_in, weights_in
from roundhouse.backends.kinds.mlx.machine import Machine
from roundhouse.core.errors import BackendError, CapacityError, ConfigError
from roundhouse.core.inference import Capability
from roundhouse.core.runtimes import ModelFolder

_MOST_USUAL, _UNKNOWN = 8192, 4096


class Shelf:
    """The models of one backend, as of now."""

    def __init__(
        self,
        name: str,
        household: Household,
        machine: Machine,
        library: Callable[[], Sequence[ModelFolder]],
        wanted: Sequence[str] = (),
    ) -> None:
        self._name, self._household, self._machine, self._library = name, household, machine, library
        self._wanted = frozenset(wanted)
        self._own = self._configured(household.model)
        #: What each gets, or why it gets nothing; by its folder, whose content does not change.
        self._shares: dict[Path, Share | CapacityError | BackendError] = {}
        self._abilities: dict[Path, frozenset[Capability]] = {}

    @property
    def memory(self) -> int:
        """Bytes that all models together may take."""
        return self._household.memory or self._machine.for_models

    def models(self) -> Sequence[ModelFolder]:
        """All that is served."""
        if self._own is not None:
            return (self._own,)
        wanted = {self._household.model} if isinstance(self._household.model, str) else self._wanted
        return [each for each in self._library() if not wanted or each.name in wanted]

    def find(self, name: str) -> ModelFolder:
        """The model of that name. Raises BackendError."""
        for model in self.models():
            if model.name == name:
                return model
        message = f"{self._name}: {name} is not in the library"
        raise BackendError(message, hint="see what is with `roundhouse models ls`")

    def draft(self) -> Path | None:
        """The folder of the draft model, if one is configured. Raises BackendError."""
        draft = self._household.draft
        if draft is None or isinstance(draft, Path):
            return draft
        for model in self._library():
            if model.name == draft:
                return model.path
        message = f"{self._name}: the draft model {draft} is not in the library"
        raise BackendError(message, hint="see what is with `roundhouse models ls`")

    async def share(self, model: ModelFolder) -> Share:
        """What *model* gets. Raises CapacityError, BackendError."""
        known = self._shares.get(model.path)
        if known is None:
            known = self._shares[model.path] = await asyncio.to_thread(self._reckon, model)
        if isinstance(known, Share):
            return known
        raise type(known)(known.message, hint=known.hint, details=known.details)

    async def abilities(self, model: ModelFolder) -> frozenset[Capability]:
        """What *model* can do."""
        known = self._abilities.get(model.path)
        if known is None:
            template = await asyncio.to_thread(template_in, model.path) if model.has_chat_template else None
            known = self._abilities[model.path] = abilities_of(template)
        return known

    async def shares(self) -> Sequence[tuple[ModelFolder, Share | CapacityError | BackendError]]:
        """The same for all, without raising."""
        found: list[tuple[ModelFolder, Share | CapacityError | BackendError]] = []
        for model in self.models():
            try:
                found.append((model, await self.share(model)))
            except (CapacityError, BackendError) as error:
                found.append((model, error))
        return found

    def forget(self, name: str) -> None:
        """Look at the model of that name anew when it is asked for: its files may be others, or gone."""
        others = {model.path for model in self.models() if model.name != name}
        self._shares = {path: each for path, each in self._shares.items() if path in others}
        self._abilities = {path: each for path, each in self._abilities.items() if path in others}

    def _reckon(self, model: ModelFolder) -> Share | CapacityError | BackendError:
        try:
            draft = self.draft()
            weights = weights_in(model.name, model.path, *(() if draft is None else (draft,)))
            usual = min(model.context or _UNKNOWN, _MOST_USUAL)
            wishes = self._household
            wanted = Wanted(
                context=min(wishes.context, model.context or wishes.context),
                usual_context=usual,
                slots=wishes.slots,
                usual_slots=self._machine.slots,
                cache=wishes.prompt_cache,
            )
            return share_of(model.name, weights, self.memory, wanted, self._machine.working_set)
        except (CapacityError, BackendError) as error:
            return error

    def _configured(self, model: Path | str | None) -> ModelFolder | None:
        """The model whose folder is configured. Raises ConfigError."""
        if not isinstance(model, Path):
            return None
        if not is_model(model):
            message = f"backends.{self._name}.options.model: {model} holds no model of MLX"
            raise ConfigError(message, hint="it needs config.json and *.safetensors")
        try:
            return described(model.name, model)
        except BackendError as error:
            message = f"backends.{self._name}.options.model: {error.message}"
            raise ConfigError(message) from error
