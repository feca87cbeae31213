"""What the tests of Google's API share."""

from collections.abc import AsyncIterator

import pytest

from roundhouse.backends.kinds.gemini.backend import Gemini
from roundhouse.backends.kinds.gemini.calls import Calls
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.gemini import FakeGemini


@pytest.fixture
async def fake() -> AsyncIterator[FakeGemini]:
    """Google with a chatter, a thinker and an embedder."""
    async with FakeGemini() as it:
        yield it


@pytest.fixture
async def gemini(fake: FakeGemini) -> AsyncIterator[Gemini]:
    """The backend that speaks to it."""
    backend = Gemini(Calls("google", fake.url, ["first-key", "second-key"]), FakeClock())
    await backend.deployments()
    yield backend
    await backend.close()
