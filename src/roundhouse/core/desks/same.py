"""Deployments that are one model, as people see them: field names are the keys of the JSON under ``/api/v1``."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Twin:
    """Another deployment of a model, under whatever name."""

    id: str
    quantization: str | None
    parameters: int | None
    #: ``weights``: it would answer alike; ``model``: in another quantisation, or not known to be the same file.
    same: Literal["weights", "model"]
    #: The evidence, for or against.
    why: str
    #: It answers requests for the name that was asked about.
    serves: bool
    #: Why it does not although its weights are the same.
    hindrance: str | None = None
