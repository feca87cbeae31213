import pytest

from roundhouse.core.browse import Query
from roundhouse.core.errors import NetworkError, NotFoundError, RoundhouseError, SchemaError
from roundhouse.sources.hub import HubSource
from roundhouse.sources.mirrored import MirroredHub
from roundhouse.testing.hub import Hub
from roundhouse.testing.hub_faults import FaultKind

TOKEN = "hf_canary"
REF = "hf:acme/m"


def mirrored(mirror: Hub, hub: Hub | None) -> MirroredHub:
    """Build a mirror without a token, and the hub behind it with one."""
    behind = None if hub is None else HubSource(hub.endpoint, token=TOKEN)
    return MirroredHub(HubSource(mirror.endpoint), mirror.endpoint, behind)


async def fetched(source: MirroredHub) -> bytes:
    """All bytes of the model."""
    plan = await source.resolve(REF)
    async with source.open(plan.files[0], 0) as stream:
        return b"".join([piece async for piece in stream.chunks])


async def test_the_mirror_is_asked_and_nobody_else() -> None:
    """And it never sees the token."""
    async with Hub() as mirror, Hub() as hub:
        for each in (mirror, hub):
            each.add("acme/m", {"m.gguf": b"weights"})
        assert b"weights" == await fetched(mirrored(mirror, hub))
        assert [] == hub.seen
        assert not [seen for seen in mirror.seen if TOKEN in str(seen.headers)]


async def test_a_mirror_that_fails_is_named() -> None:
    """Without a hub behind it that is the end; the hint names the setting."""
    async with Hub() as mirror:
        with pytest.raises(NotFoundError, match=mirror.endpoint) as caught:
            await mirrored(mirror, None).resolve(REF)
        mirror.plant(FaultKind.STATUS, where="api", status=503)
        with pytest.raises(NetworkError, match=mirror.endpoint) as away:
            await mirrored(mirror, None).browse(Query())
    assert [True, True] == ["downloads.mirror_fallback" in (each.value.hint or "") for each in (caught, away)]
    assert away.value.retryable


async def test_the_hub_is_asked_where_the_settings_say_so() -> None:
    """For what the mirror lacks."""
    async with Hub() as mirror, Hub() as hub:
        hub.add("acme/m", {"m.gguf": b"weights"})
        assert b"weights" == await fetched(mirrored(mirror, hub))
        assert ["acme/m"] == [offer.name for offer in await mirrored(hub, None).browse(Query())]


async def test_a_mirror_that_is_no_hub_is_named() -> None:
    """A login page is no answer."""
    async with Hub() as mirror:
        mirror.add("acme/m", {"m.gguf": b"weights"})
        mirror.plant(FaultKind.LOGIN_PAGE, where="api")
        with pytest.raises(SchemaError, match=mirror.endpoint):
            await mirrored(mirror, None).resolve(REF)


@pytest.mark.parametrize("ref", ["hf:a b", "hf:acme/m:Q9"])
async def test_a_wrong_question_is_nobodys_fault(ref: str) -> None:
    """The mirror is not blamed for it, unless it is what lacks the answer."""
    async with Hub() as mirror, Hub() as hub:
        mirror.add("acme/m", {"m.gguf": b"weights"})
        with pytest.raises(RoundhouseError) as caught:
            await mirrored(mirror, hub).resolve(ref)
    assert mirror.endpoint not in caught.value.message
