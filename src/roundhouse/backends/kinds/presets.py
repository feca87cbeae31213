"""Providers that speak OpenAI's dialect, as data: where each is, and which variable its key is usually in.

Knows nothing about the dialect. A provider is a kind of its own name, so that ``kind = "groq"`` is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from roundhouse.backends.kinds.anthropic import backend as anthropic
from roundhouse.backends.kinds.gemini import calls as gemini
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.core.errors import ConfigError
from roundhouse.core.runtimes import Wish, Workshop


@dataclass(frozen=True, slots=True)
class Preset:
    """One provider."""

    url: str
    #: Where its own programs look for the key.
    key_env: str


PRESETS: Mapping[str, Preset] = {
    "openai": Preset("https://api.openai.com/v1", "OPENAI_API_KEY"),
    "openrouter": Preset("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "groq": Preset("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "mistral": Preset("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "deepseek": Preset("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "together": Preset("https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    "fireworks": Preset("https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    "cerebras": Preset("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    "xai": Preset("https://api.x.ai/v1", "XAI_API_KEY"),
    "nvidia": Preset("https://integrate.api.nvidia.com/v1", "NVIDIA_API_KEY"),
}


#: Where those are that have an API, and so a kind, of their own.
_ADDRESSES: Mapping[str, str] = {"anthropic": anthropic.URL, "gemini": gemini.ADDRESS}


def address_of(kind: str) -> str | None:
    """Where the provider of that name is; ``None`` for what is none."""
    preset = PRESETS.get(kind)
    return preset.url if preset else _ADDRESSES.get(kind)


def made(wish: Wish, workshop: Workshop) -> OpenAICompatible:
    """Make the provider that the kind names; configured address and keys come before its own. Raises ConfigError."""
    preset = PRESETS.get(wish.kind)
    if preset is None:
        message = f"backends.{wish.name}.kind is {wish.kind!r}, which is no preset"
        raise ConfigError(message, hint=f"there is {', '.join(sorted(PRESETS))}")
    usual = workshop.environ.get(preset.key_env, "").strip()
    keys = wish.keys or ((usual,) if usual else ())
    return OpenAICompatible.made(replace(wish, url=wish.url or preset.url, keys=keys), workshop)
