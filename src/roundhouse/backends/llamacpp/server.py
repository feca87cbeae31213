"""The program around llama.cpp: one model, one process, so that native code can only take itself down.

Started as ``python -m roundhouse.backends.llamacpp.server`` with one line of JSON on standard input. Answers with one
line of JSON on standard output, then serves until standard input ends: a parent that dies takes it along everywhere,
on Linux even if this process hangs. Knows nothing about the library, the parent's settings, or other models.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

import msgspec
import xllamacpp

from roundhouse.backends.llamacpp.config import ChildConfig, Extras, Greeting
from roundhouse.backends.llamacpp.gpu import layers_on

_PR_SET_PDEATHSIG = 1
#: Errors only: at "warning" llama.cpp has something to say about every request.
_VERBOSITY = 1


def parameters(config: ChildConfig) -> xllamacpp.CommonParams:
    """The same in llama.cpp's words."""
    params = xllamacpp.CommonParams()
    params.model.path = config.path
    params.model_alias = {config.model}
    params.n_parallel = config.parallel
    params.n_ctx = config.context * config.parallel
    # It pools as many tokens of each slot at a time, and dies where the batch cannot be shared out evenly.
    params.n_batch = params.n_ubatch = config.batch // config.parallel * config.parallel
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [config.api_key]
    params.ui = False
    params.endpoint_slots = False
    params.warmup = False
    params.verbosity = _VERBOSITY
    params.cache_ram_mib = config.prompt_cache_mib
    params.embedding = True
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type[f"GGML_TYPE_{config.cache_type.upper()}"]
    if config.gpu is not None and (free := free_on_cards()):
        params.n_gpu_layers, params.fit_params = layers_on(free, config.gpu), False
    if config.ranks:
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_RANK
    elif config.mean_pooling:
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    if config.threads:
        params.cpuparams.n_threads = config.threads
        params.cpuparams_batch.n_threads = config.threads
    add(config.extras, params)
    return params


def free_on_cards() -> list[int]:
    """Bytes that are free on each card that this llama.cpp can use; those that share the machine's come second."""
    kinds, devices = xllamacpp.ggml_backend_dev_type, xllamacpp.get_device_info()
    for kind in (kinds.GGML_BACKEND_DEVICE_TYPE_GPU, kinds.GGML_BACKEND_DEVICE_TYPE_IGPU):
        free = [int(device["memory_free"]) for device in devices if device["type"] == kind]
        if free:
            return free
    return []


def add(extras: Extras, params: xllamacpp.CommonParams) -> None:
    """Load *extras* too."""
    if extras.projector is not None:
        params.mmproj.path = extras.projector
    adapters = []
    for adapter in extras.adapters:
        info = xllamacpp.CommonAdapterLoraInfo()
        info.path, info.scale = adapter.path, adapter.scale
        adapters.append(info)
    params.lora_adapters = adapters
    if extras.draft is not None:
        params.speculative.draft.mparams.path = extras.draft
        params.speculative.types = [xllamacpp.common_speculative_type.COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE]


def die_with(parent: int) -> None:
    """Be killed when *parent* dies; go at once if it died already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if hasattr(os, "getppid") and os.getppid() != parent:
        os._exit(1)


def forgo_core_dumps() -> None:
    """A crash must not write the conversations in memory to disk."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - there is none on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def say(pipe: int, greeting: Greeting) -> None:
    """Tell the parent, on its own end of standard output."""
    os.write(pipe, msgspec.json.encode(greeting) + b"\n")


def main() -> None:
    """Load, say where, serve until standard input ends."""
    pipe = os.dup(1)
    # Native code that prints must not print into the conversation with the parent.
    os.dup2(2, 1)
    config = msgspec.json.decode(sys.stdin.buffer.readline(), type=ChildConfig)
    die_with(config.parent)
    forgo_core_dumps()
    params = parameters(config)
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        say(pipe, Greeting(error=str(error)))
        os._exit(1)
    say(pipe, Greeting(server.listening_address, gpu_layers=max(0, params.n_gpu_layers)))
    sys.stdin.buffer.read()
    # Native threads may be in the middle of an answer; there is nothing to save.
    os._exit(0)


if __name__ == "__main__":
    main()
