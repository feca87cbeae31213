"""Starts one mlx_lm.server for one model, and waits until it answers. Knows nothing about other models."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from roundhouse.backends.children.child import Child, Program, scrubbed
from roundhouse.backends.children.pulse import QUESTIONS, felt
from roundhouse.backends.children.resident import Loaded
from roundhouse.backends.kinds.mlx.budget import Share
from roundhouse.backends.kinds.mlx.foreign import launch
from roundhouse.backends.kinds.mlx.remote import MLX
from roundhouse.backends.openai.connection import Terms
from roundhouse.core.errors import NetworkError, RoundhouseError
from roundhouse.core.inference import Capability, Deployment, InferenceRequest, Operation, Profile

RUNTIME = "mlx_lm.server"
#: What mlx_lm.server calls the model that it was started with; any other name makes it load another one.
OWN_MODEL = "default_model"
_LAUNCHER = str(Path(launch.__file__).resolve())
#: Every library in there that could fetch something is told not to.
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
_WARM = b'{"model":"default_model","prompt":"a","max_tokens":1,"temperature":0}'


class Order(msgspec.Struct, frozen=True):
    """What the launcher is told, on one line of its standard input."""

    arguments: list[str]
    key: str
    #: The process that it must not outlive.
    parent: int
    #: Tokens of one request, prompt and answer.
    context: int
    #: Bytes that the GPU may wire; ``None`` leaves it to mlx_lm.
    wired: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where children run, and with what."""

    python: Path
    #: A folder of their own, for what their libraries want to write down.
    folder: Path
    environ: Mapping[str, str]
    load_s: float
    hang_s: float
    #: For its libraries to be imported, until it listens.
    greet_s: float = 120.0
    #: Silence that is allowed once an answer has begun.
    idle_s: float = 120.0


def arguments_of(model: Path, draft: Path | None, share: Share) -> list[str]:
    """The command line of mlx_lm.server."""
    told: dict[str, object] = {
        "--model": model,
        "--host": "127.0.0.1",
        "--port": 0,
        "--allowed-origins": "",
        "--log-level": "WARNING",
        "--decode-concurrency": share.slots,
        "--prompt-concurrency": min(share.slots, 8),
        "--prompt-cache-size": share.prompts,
        "--prompt-cache-bytes": share.cache,
        # What is asked for without saying how long gets what there is, as everywhere else; usual there is 512.
        "--max-tokens": share.context,
    }
    if draft is not None:
        told["--draft-model"] = draft
    return [f"{name}={value}" for name, value in told.items()]


def environ_of(place: Place) -> dict[str, str]:
    """What the child sees of our environment, and what keeps it at home."""
    home = place.folder / "huggingface"
    kept = {name: value for name, value in scrubbed(place.environ).items() if not name.startswith("PYTHONPATH")}
    return {**kept, **_OFFLINE, "HF_HOME": str(home), "PYTHONUNBUFFERED": "1"}


async def start(name: str, model: Path, draft: Path | None, share: Share, place: Place) -> Loaded:
    """Start a child for the model in the folder *model*, and have it answer once. Raises BackendError."""
    key = secrets.token_urlsafe(24)
    order = Order(arguments_of(model, draft, share), key, os.getpid(), share.context, share.wired)
    program = Program(
        runtime=RUNTIME,
        command=(str(place.python), _LAUNCHER),
        model=name,
        path=str(model),
        environ=environ_of(place),
        order=msgspec.json.encode(order),
        folder=place.folder,
    )
    child = await Child.begin(program, place.greet_s)
    terms = Terms(local=True, keep_alive=False, list_s=place.hang_s / QUESTIONS, idle_s=place.idle_s)
    client = MLX(RUNTIME, child.address, api_key=key, terms=terms)
    try:
        async with felt(child, client, place.hang_s, share.total):
            # It listens before it has a model, and says that it is well: only an answer proves that there is one.
            await client.answer(_warm_up(place.load_s), _DEPLOYMENT)
    except RoundhouseError as error:
        await client.close()
        raise await child.failed_to_load(error.message, broke_off=isinstance(error, NetworkError)) from error
    except BaseException:
        await client.close()
        await child.stop()
        raise
    return Loaded(child, client)


_DEPLOYMENT = Deployment(RUNTIME, OWN_MODEL, OWN_MODEL, frozenset({Capability.COMPLETION}))


def _warm_up(within_s: float) -> InferenceRequest:
    profile = Profile(Operation.COMPLETION, OWN_MODEL, frozenset({Capability.COMPLETION}), 1, 1)
    return InferenceRequest("warm-up", profile, _WARM, timeout_s=within_s)
