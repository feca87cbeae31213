import pytest

from roundhouse.core.errors import NotFoundError
from roundhouse.sources.bundled import NOISE_MODEL, NOISE_REF, BundledSource


async def test_the_noise_model_ships_with_the_program() -> None:
    """Under its own name, and openly licensed."""
    plan = await BundledSource().resolve(NOISE_REF)
    assert (NOISE_MODEL, "bundled", "apache-2.0") == (plan.model, plan.source, plan.license)
    async with BundledSource().open(plan.files[0], 0) as stream:
        assert (await anext(aiter(stream.chunks))).startswith(b"GGUF")


async def test_nothing_else_does() -> None:
    """The hint names what there is."""
    with pytest.raises(NotFoundError) as caught:
        await BundledSource().resolve("bundled:../../etc/passwd")
    assert NOISE_REF in (caught.value.hint or "")
