import pytest

from roundhouse.core.desks.browse import Memory, Offer, Query
from roundhouse.core.errors import LimitError, NetworkError, OfflineError, RoundhouseError, SchemaError
from roundhouse.sources import hub_api
from roundhouse.sources.hub import HubSource
from roundhouse.testing.hub import Hub
from roundhouse.testing.hub_faults import FaultKind

#: Room for a file of fifty bytes, whatever it was trained on.
MEMORY = Memory(100, lambda size, _: 2 * size)


async def browse(hub: Hub, query: Query) -> list[Offer]:
    """What *hub* offers."""
    return list(await HubSource(hub.endpoint, memory=MEMORY).browse(query))


async def test_each_variant_tells_what_it_is_and_whether_it_fits() -> None:
    """From small to large, each with what to pull."""
    async with Hub() as hub:
        files = {"m-Q8_0.gguf": bytes(51), "m-Q4_K_M.gguf": bytes(50), "README.md": b"x"}
        hub.add("acme/m", files, license="mit", downloads=7, context=4096)
        (offer,) = await browse(hub, Query())
    assert ("acme/m", "hf:acme/m", "mit", 7, 4096, False) == (
        offer.name, offer.ref, offer.license, offer.downloads, offer.context, offer.gated,
    )  # fmt: skip
    assert [("hf:acme/m:Q4_K_M", 50, 100, True), ("hf:acme/m:Q8_0", 51, 102, False)] == [
        (variant.ref, variant.size, variant.need, variant.fits) for variant in offer.variants
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(text="TINY"), ["acme/tiny", "zoo/tiny"]),
        (Query(owner="acme"), ["acme/big", "acme/tiny"]),
        (Query(text="tiny", owner="zoo"), ["zoo/tiny"]),
        (Query(sort="likes", limit=1), ["zoo/tiny"]),
        (Query(sort="updated", limit=2), ["acme/tiny", "acme/big"]),
        (Query(text="nothing"), []),
    ],
)
async def test_a_hub_is_searched_by_text_and_owner(query: Query, expected: list[str]) -> None:
    """In the order and the number that was asked for; what has no GGUF file is not among it."""
    async with Hub() as hub:
        weights = {"m-Q4_0.gguf": b"x"}
        hub.add("acme/big", weights, downloads=30, likes=1, updated_at="2026-02-01T00:00:00.000Z")
        hub.add("acme/tiny", weights, downloads=20, likes=2, updated_at="2026-03-01T00:00:00.000Z")
        hub.add("zoo/tiny", weights, downloads=10, likes=3)
        hub.add("zoo/tiny-original", {"model.safetensors": b"x"}, downloads=99)
        assert expected == [offer.name for offer in await browse(hub, query)]


async def test_two_files_of_one_quantisation_are_told_apart_by_name() -> None:
    """The quantisation alone would fit both."""
    async with Hub() as hub:
        hub.add("acme/m", {"a-Q4_0.gguf": b"x", "b-Q4_0.gguf": b"xx"})
        (offer,) = await browse(hub, Query())
        source = HubSource(hub.endpoint)
        sizes = [(await source.resolve(variant.ref)).files[0].size for variant in offer.variants]
    assert [1, 2] == sizes


async def test_what_a_pull_would_take_is_suggested() -> None:
    """The best that fits, by the same rule; a projector counts."""
    async with Hub() as hub:
        files = {"m-Q4_K_M.gguf": bytes(40), "m-Q8_0.gguf": bytes(49), "mmproj-m-F16.gguf": b"xx"}
        hub.add("acme/m", files)
        (offer,) = await browse(hub, Query())
        plan = await HubSource(hub.endpoint, memory=MEMORY).resolve("hf:acme/m")
    assert ("hf:acme/m:Q4_K_M", "acme/m:Q4_K_M") == (offer.suggested, plan.model)
    assert [42, 51] == [variant.size for variant in offer.variants]


async def test_a_gated_model_is_shown_as_such() -> None:
    """Its files can be seen, though not had."""
    async with Hub() as hub:
        hub.add("acme/m", {"m-Q4_0.gguf": b"x"}, gated=True)
        assert [True] == [offer.gated for offer in await browse(hub, Query())]


@pytest.mark.parametrize(("status", "expected"), [(503, NetworkError), (429, LimitError)])
async def test_a_hub_that_refuses_in_between_ends_it(status: int, expected: type[RoundhouseError]) -> None:
    """One error of ours, not a bundle of them."""
    async with Hub() as hub:
        hub.add("acme/m", {"m-Q4_0.gguf": b"x"})
        source = HubSource(hub.endpoint, memory=MEMORY)
        await source.browse(Query())
        fault = hub.plant(FaultKind.STATUS, where="api", status=status)
        with pytest.raises(expected):
            await source.browse(Query())
        assert fault.fired == 1


async def test_what_is_gone_by_the_time_it_is_looked_at_is_left_out() -> None:
    """The list was a moment older."""
    async with Hub() as hub:
        hub.add("acme/m", {"m-Q4_0.gguf": b"x"})
        hub.vanishing.add("acme/m")
        assert [] == await browse(hub, Query())


async def test_names_that_could_not_be_pulled_are_left_out() -> None:
    """A reference has no room for blanks."""
    async with Hub() as hub:
        hub.add("acme/m", {"m Q4_0.gguf": b"x", "m\x1b[31m-Q8_0.gguf": b"x"})
        assert [] == await browse(hub, Query())


async def test_what_is_no_hub_is_told_so() -> None:
    """Rather than listed."""
    async with Hub() as hub:
        fault = hub.plant(FaultKind.LOGIN_PAGE, where="api")
        with pytest.raises(SchemaError):
            await browse(hub, Query())
        assert fault.fired == 1


async def test_an_offline_client_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_HUB_OFFLINE is somebody's word too."""
    monkeypatch.setattr(hub_api, "is_offline_mode", lambda: True)
    async with Hub() as hub:
        with pytest.raises(OfflineError):
            await browse(hub, Query())
        assert [] == hub.seen
