"""How a model is loaded by llama.cpp: what its child is told, and the way to it. Knows nothing about other models."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Mapping

from roundhouse.backends.children.pulse import QUESTIONS
from roundhouse.backends.children.resident import Loaded
from roundhouse.backends.llamacpp.child import Child
from roundhouse.backends.llamacpp.config import ChildConfig
from roundhouse.backends.llamacpp.extras import checked
from roundhouse.backends.llamacpp.gpu import vram_of
from roundhouse.backends.llamacpp.loadable import Fit, LoadableModel, RuntimeLimits
from roundhouse.backends.llamacpp.memory import batch_of, prompt_cache
from roundhouse.backends.openai.compatible import OpenAICompatible
from roundhouse.backends.openai.connection import Terms
from roundhouse.core.errors import BackendError, RoundhouseError
from roundhouse.core.inference import Capability
from roundhouse.library.gguf import read_header


async def start(model: LoadableModel, fit: Fit, limits: RuntimeLimits, environ: Mapping[str, str]) -> Loaded:
    """Start a child for *model* and wait until it has loaded it. Raises BackendError."""
    gpu = limits.gpu_load(model, fit.need)
    pools = await asyncio.to_thread(_pools_by_itself, model)
    config = ChildConfig(
        path=str(model.path),
        model=model.name,
        context=fit.context,
        parallel=limits.parallel,
        api_key=secrets.token_urlsafe(24),
        parent=os.getpid(),
        mean_pooling=not pools,
        ranks=Capability.RERANK in model.abilities,
        threads=limits.threads,
        batch=batch_of(fit.context, reads=pools or model.reads),
        cache_type=limits.cache_type_of(model.shape),
        gpu=gpu,
        prompt_cache_mib=max(1, prompt_cache(fit.need.cache) >> 20),
        extras=await asyncio.to_thread(checked, model.name, model.extras),
    )
    child = await Child.start(config, environ, limits.load_s)
    vram = vram_of(child.gpu_layers, gpu) if gpu is not None and child.gpu_layers else None
    terms = Terms(local=True, keep_alive=False, list_s=limits.hang_s / QUESTIONS)
    client = OpenAICompatible("llama.cpp", child.address, api_key=config.api_key, terms=terms)
    return Loaded(child, client, vram)


def _pools_by_itself(model: LoadableModel) -> bool:
    """Whether its file says how to make one embedding of many. Raises BackendError when it is no sound GGUF file."""
    try:
        header = read_header(model.path)
    except (RoundhouseError, OSError) as error:
        message = f"{model.name} cannot be loaded: {error}"
        raise BackendError(message, hint=f"check its files with `roundhouse models verify {model.name}`") from error
    return bool(header.metadata.get(f"{header.architecture}.pooling_type"))
