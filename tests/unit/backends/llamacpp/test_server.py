from pathlib import Path
from types import SimpleNamespace

import pytest
import xllamacpp

from roundhouse.backends.llamacpp import server
from roundhouse.backends.llamacpp.config import ChildConfig
from roundhouse.backends.llamacpp.gpu import Load
from roundhouse.testing.runtime import NOISE_FILE

GIB = 1 << 30
KINDS = xllamacpp.ggml_backend_dev_type


def a_config(path: Path = NOISE_FILE, **more: object) -> ChildConfig:
    """What a child is told."""
    return ChildConfig(str(path), "m", 512, 4, "key", 1, **more)  # type: ignore[arg-type]


def a_machine(monkeypatch: pytest.MonkeyPatch, *devices: tuple[object, int]) -> None:
    """Have llama.cpp see these devices, each with so much free."""
    found = [{"type": kind, "memory_free": free} for kind, free in devices]
    monkeypatch.setattr(server, "xllamacpp", SimpleNamespace(**{**vars(xllamacpp), "get_device_info": lambda: found}))


CPU, GPU, IGPU = (
    KINDS.GGML_BACKEND_DEVICE_TYPE_CPU,
    KINDS.GGML_BACKEND_DEVICE_TYPE_GPU,
    KINDS.GGML_BACKEND_DEVICE_TYPE_IGPU,
)


def test_without_a_card_nothing_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    """llama.cpp is left with its own choice."""
    a_machine(monkeypatch, (CPU, 64 * GIB))
    params = server.parameters(a_config(gpu=Load(33, GIB, GIB)))
    assert (-1, True) == (params.n_gpu_layers, params.fit_params)


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        ([(CPU, 64 * GIB), (GPU, 10 * GIB)], 8),
        ([(GPU, 10 * GIB), (GPU, 5 * GIB)], 11),
        ([(GPU, 10 * GIB), (IGPU, 60 * GIB)], 8),
        ([(IGPU, 60 * GIB)], 33),
        ([(GPU, GIB)], 0),
    ],
)
def test_cards_get_what_fits(monkeypatch: pytest.MonkeyPatch, devices: list[tuple[object, int]], expected: int) -> None:
    """Those that share the machine's memory only where there are no others."""
    a_machine(monkeypatch, *devices)
    params = server.parameters(a_config(gpu=Load(33, GIB, GIB)))
    assert (expected, False) == (params.n_gpu_layers, params.fit_params)


@pytest.mark.parametrize(("parallel", "expected"), [(1, 512), (3, 510), (4, 512), (64, 512)])
def test_the_batch_can_be_shared_out_evenly(parallel: int, expected: int) -> None:
    """llama.cpp dies of anything else."""
    params = server.parameters(ChildConfig(str(NOISE_FILE), "m", 512, parallel, "key", 1))
    assert (expected, expected) == (params.n_batch, params.n_ubatch)


@pytest.mark.parametrize(("wanted", "expected"), [("f16", 1), ("q8_0", 8), ("q4_0", 2)])
def test_contexts_are_kept_as_was_asked(wanted: str, expected: int) -> None:
    """Keys and values alike."""
    params = server.parameters(a_config(cache_type=wanted))
    assert (expected, expected) == (int(params.cache_type_k), int(params.cache_type_v))
