from pathlib import Path

import pytest

from roundhouse.backends.llamacpp.loadable import LoadableModel, RuntimeLimits
from roundhouse.backends.llamacpp.runtime import LlamaCpp, auto_memory
from roundhouse.core.events import Events
from roundhouse.core.inference import Capability, Deployment, Price, Residency

TALKER = {
    Capability.CHAT,
    Capability.COMPLETION,
    Capability.EMBEDDING,
    Capability.JSON_SCHEMA,
}


async def offered(model: LoadableModel) -> Deployment:
    """What the runtime says about *model*, without loading it."""
    limits = RuntimeLimits(memory=1 << 30)
    backend = LlamaCpp("local", lambda: [model], limits=limits, events=Events(), environ={})
    return (await backend.deployments())[0]


@pytest.mark.parametrize(
    ("architecture", "has_chat_template", "expected"),
    [
        ("llama", True, TALKER),
        ("llama", False, {Capability.COMPLETION, Capability.EMBEDDING}),
        (None, True, TALKER),
        ("bert", False, {Capability.EMBEDDING}),
        ("nomic-bert", True, {Capability.EMBEDDING}),
    ],
)
async def test_capabilities_follow_the_file(
    architecture: str | None, expected: set[Capability], *, has_chat_template: bool
) -> None:
    """Readers embed, writers without a chat template complete, the others talk."""
    model = LoadableModel("m", Path("m.gguf"), 1, 4096, architecture, has_chat_template)
    assert expected == (await offered(model)).capabilities


async def test_what_its_header_says_counts() -> None:
    """More than what can be guessed without it."""
    said = frozenset({Capability.CHAT, Capability.TOOLS})
    model = LoadableModel("m", Path("m.gguf"), 1, 4096, "llama", has_chat_template=False, abilities=said)
    assert said == (await offered(model)).capabilities


async def test_what_is_here_is_free_and_cold_until_asked_for() -> None:
    """A model of the library costs nothing per token and does not leave the machine."""
    deployment = await offered(LoadableModel("owner/repo:Q4_K_M", Path("m.gguf"), 1, 131_072))
    expected = (Price(0.0, 0.0), Residency.COLD, True, 8192)
    assert expected == (deployment.price, deployment.residency, deployment.local, deployment.context)


def test_the_automatic_limit_leaves_room_for_others() -> None:
    """Models do not get the whole machine."""
    assert 1 << 20 < auto_memory() < 1 << 50
