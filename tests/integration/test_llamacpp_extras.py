"""What a model is loaded with beside its weights, by the real llama.cpp: a projector, adapters, a draft."""

import json
import os
import struct
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse.backends.llamacpp.config import Adapter, Extras
from roundhouse.core.errors import BackendError
from roundhouse.testing.asking import ask_chat, ask_embedding
from roundhouse.testing.noise import write_adapter, write_noise, write_projector
from roundhouse.testing.runtime import LIMITS, NOISE, NOISE_FILE, Runtime

pytestmark = pytest.mark.slow

ENVIRON = dict(os.environ)  # noqa: TID251 - scrubbed on the way
Start = Callable[[Extras], Runtime]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Make a runtime whose only model is loaded with something."""
    async with AsyncExitStack() as stack:

        def make(extras: Extras) -> Runtime:
            runtime = Runtime(ENVIRON, replace(NOISE, extras=extras), limits=LIMITS)
            stack.push_async_callback(runtime.backend.close)
            return runtime

        yield make


def picture(red: int, blue: int) -> dict[str, object]:
    """One of a single colour, as a part of a message."""
    raw = (b"\0" + bytes((red, 0, blue)) * 28) * 28
    chunks = (b"IHDR", struct.pack(">IIBBBBB", 28, 28, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64encode(png).decode()}"}}


async def said(runtime: Runtime, *parts: dict[str, object], tokens: int = 24) -> str:
    """What it says to the same words, and to further parts of the message."""
    content = [{"type": "text", "text": "the engine turns"}, *parts]
    request = ask_chat(max_tokens=tokens, messages=[{"role": "user", "content": content}])
    answer = await runtime.backend.answer(request, await runtime.deployment())
    return str(json.loads(answer.data)["choices"][0]["message"]["content"])


async def test_a_model_with_a_projector_sees(start: Start, tmp_path: Path) -> None:
    """What it says depends on the picture; it also still embeds."""
    runtime = start(Extras(projector=str(write_projector(tmp_path / "mmproj.gguf"))))
    assert await said(runtime, picture(255, 0)) != await said(runtime, picture(0, 255))
    assert (await runtime.backend.answer(ask_embedding(), await runtime.deployment())).data


async def test_an_adapter_changes_what_is_said(start: Start, tmp_path: Path) -> None:
    """As much as its scale says: with none of it nothing changes."""
    path = str(write_adapter(tmp_path / "style.gguf"))
    plain = await said(start(Extras()))
    assert plain == await said(start(Extras(adapters=(Adapter(path, 0.0),))))
    assert plain != await said(start(Extras(adapters=(Adapter(path, 1.0),))))


async def test_a_draft_changes_nothing_that_is_said(start: Start) -> None:
    """It writes ahead, and only what the model would have said itself is kept."""
    plain, drafted = start(Extras()), start(Extras(draft=str(NOISE_FILE)))
    assert await said(plain, tokens=200) == await said(drafted, tokens=200)
    answer = await drafted.backend.answer(ask_chat(), await drafted.deployment())
    assert json.loads(answer.data)["timings"]["draft_n_accepted"] > 0


def no_gguf(path: Path) -> Path:
    """Not even its first four letters are right."""
    path.write_bytes(b"no model at all")
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (no_gguf, "not a GGUF file"),
        (lambda path: path, "No such file"),
        (write_noise, "it is no projector"),
        (lambda path: write_projector(path, reads=32), "mismatch"),
    ],
)
async def test_a_broken_projector_is_a_clear_error(
    start: Start, tmp_path: Path, make: Callable[[Path], Path], reason: str
) -> None:
    """It names the model and the file, and not the folder."""
    await fails(start(Extras(projector=str(make(tmp_path / "mmproj.gguf")))), tmp_path, reason)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (no_gguf, "not a GGUF file"),
        (lambda path: path, "No such file"),
        (write_noise, "it is no LoRA adapter"),
        (lambda path: write_adapter(path, width=32), "incorrect shape"),
    ],
)
async def test_a_broken_adapter_is_a_clear_error(
    start: Start, tmp_path: Path, make: Callable[[Path], Path], reason: str
) -> None:
    """Also one that was made for another model."""
    await fails(start(Extras(adapters=(Adapter(str(make(tmp_path / "style.gguf"))),))), tmp_path, reason)


@pytest.mark.parametrize(
    ("make", "reason"), [(no_gguf, "not a GGUF file"), (write_projector, "cannot be used as main model")]
)
async def test_a_broken_draft_is_a_clear_error(
    start: Start, tmp_path: Path, make: Callable[[Path], Path], reason: str
) -> None:
    """The model is not served by halves."""
    await fails(start(Extras(draft=str(make(tmp_path / "draft.gguf")))), tmp_path, reason)


async def fails(runtime: Runtime, folder: Path, reason: str) -> None:
    """Loading fails for that reason."""
    with pytest.raises(BackendError, match=reason) as caught:
        await said(runtime)
    assert ("noise" in caught.value.message, str(folder) in caught.value.message) == (True, False)
