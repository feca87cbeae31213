"""Providers as data."""

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from roundhouse.backends.kinds.presets import PRESETS, made
from roundhouse.core.clock import SystemClock
from roundhouse.core.errors import ConfigError
from roundhouse.core.events import Events
from roundhouse.core.runtimes import Wish, Workshop
from roundhouse.testing.asking import ask_chat
from roundhouse.testing.upstream import Upstream


def workshop(**environ: str) -> Workshop:
    """One with these variables."""
    return Workshop(Events(), SystemClock(), environ, Path("unused"))


@pytest.mark.parametrize("kind", sorted(PRESETS))
def test_a_kind_is_enough(kind: str) -> None:
    """Each provider is an entry point of its name, and knows its address."""
    assert ["roundhouse.backends.kinds.presets:made"] == [
        door.value for door in entry_points(group="roundhouse.backends", name=kind)
    ]
    assert PRESETS[kind].url == made(Wish("cloud", kind), workshop()).url


@pytest.mark.parametrize(("keys", "used"), [((), "usual"), (("own",), "own")])
async def test_the_usual_variable_holds_the_key_unless_one_is_named(keys: tuple[str, ...], used: str) -> None:
    """What somebody named comes first."""
    async with Upstream(api_key=used) as upstream:
        wish = Wish("cloud", "groq", upstream.url, keys)
        backend = made(wish, workshop(GROQ_API_KEY="usual"))
        assert (await backend.answer(ask_chat(), (await backend.deployments())[0])).data
        await backend.close()


def test_what_is_no_preset_is_refused() -> None:
    """With the names that there are."""
    with pytest.raises(ConfigError, match="no preset"):
        made(Wish("cloud", "nobody"), workshop())
