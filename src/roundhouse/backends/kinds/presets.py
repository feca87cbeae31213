"""Providers that speak OpenAI's dialect, as data: where each is, which variable its key is usually in, its quirks.

Knows nothing about the dialect. A provider is a kind of its own name, so that ``kind = "groq"`` is enough.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from roundhouse.backends.kinds.anthropic import backend as anthropic
from roundhouse.backends.kinds.gemini import calls as gemini
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.backends.openai.connection import Terms
from roundhouse.backends.wire.quirks import PLAIN, Prices, Quirks
from roundhouse.core.errors import ConfigError
from roundhouse.core.runtimes import Wish, Workshop

#: Those that only know the older name of the limit, and would ignore or refuse the newer one.
_OLD_LIMIT = {"max_completion_tokens": "max_tokens"}
_OPENAI = Quirks(
    # Its reasoning models refuse the older name, which most clients send.
    renames={"max_tokens": "max_completion_tokens"},
    renames_for=re.compile(r'^"(?:ft:)?(?:o\d|gpt-[5-9])'),
)
_MISTRAL = Quirks(
    renames=_OLD_LIMIT | {"seed": "random_seed"},
    # It refuses fields that it does not know, and tells the usage without being asked.
    drops=frozenset({"stream_options", "user", "store"}),
    drops_in_messages=frozenset({"reasoning_content", "reasoning"}),
)
_PER_TOKEN, _PER_MILLION = Prices("prompt", "completion"), Prices("input", "output", 1e6)


@dataclass(frozen=True, slots=True)
class Preset:
    """One provider."""

    url: str
    #: Where its own programs look for the key.
    key_env: str
    quirks: Quirks = PLAIN
    #: Headers that an option of the backend fills, by the option's name; nothing is sent unless somebody wants it.
    options: Mapping[str, str] = field(default_factory=dict)


PRESETS: Mapping[str, Preset] = {
    "openai": Preset(
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
        _OPENAI,
        {"organization": "OpenAI-Organization", "project": "OpenAI-Project"},
    ),
    "openrouter": Preset(
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        Quirks(prices=_PER_TOKEN),
        {"referer": "HTTP-Referer", "title": "X-Title"},
    ),
    "groq": Preset("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "mistral": Preset("https://api.mistral.ai/v1", "MISTRAL_API_KEY", _MISTRAL),
    "deepseek": Preset("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", Quirks(renames=_OLD_LIMIT)),
    "together": Preset("https://api.together.xyz/v1", "TOGETHER_API_KEY", Quirks(prices=_PER_MILLION)),
    "fireworks": Preset("https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    "cerebras": Preset("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", Quirks(renames=_OLD_LIMIT)),
    "xai": Preset("https://api.x.ai/v1", "XAI_API_KEY", Quirks(renames=_OLD_LIMIT)),
    "nvidia": Preset("https://integrate.api.nvidia.com/v1", "NVIDIA_API_KEY"),
    "perplexity": Preset("https://api.perplexity.ai", "PERPLEXITY_API_KEY", Quirks(is_unversioned=True)),
    "sambanova": Preset("https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY"),
    "cohere": Preset("https://api.cohere.ai/compatibility/v1", "COHERE_API_KEY"),
    "huggingface": Preset("https://router.huggingface.co/v1", "HF_TOKEN"),
    "moonshot": Preset("https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    "zai": Preset("https://api.z.ai/api/paas/v4", "ZAI_API_KEY"),
    "deepinfra": Preset("https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
    "minimax": Preset("https://api.minimax.io/v1", "MINIMAX_API_KEY"),
    "vercel": Preset("https://ai-gateway.vercel.sh/v1", "AI_GATEWAY_API_KEY"),
    "github": Preset("https://models.github.ai/inference", "GITHUB_TOKEN", Quirks(is_unversioned=True)),
    "ollama-cloud": Preset("https://ollama.com/v1", "OLLAMA_API_KEY"),
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
    terms = Terms(connect_s=wish.connect_s, idle_s=wish.idle_s, quirks=preset.quirks, headers=_headers(preset, wish))
    keys = wish.keys or ((usual,) if usual else ())
    return OpenAICompatible(wish.name, wish.url or preset.url, api_key=keys, models=wish.models, terms=terms)


def _headers(preset: Preset, wish: Wish) -> dict[str, str]:
    """What somebody wants the provider to be told with every request. Raises ConfigError."""
    if not preset.options:
        return {}
    for name in wish.options.keys() - preset.options.keys():
        message = f"backends.{wish.name}.options has {name!r}, which {wish.kind} does not know"
        raise ConfigError(message, hint=f"there is {', '.join(sorted(preset.options))}")
    return {preset.options[name]: str(value) for name, value in wish.options.items()}
