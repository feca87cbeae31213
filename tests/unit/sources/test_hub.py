import pytest

from roundhouse.core.browse import Memory
from roundhouse.core.errors import ConfigError, NotFoundError, SchemaError
from roundhouse.sources.hub import HubSource
from roundhouse.testing.hub import Hub
from roundhouse.testing.safetensors import a_model_folder

TOKEN = "hf_test"


async def test_a_reference_is_pinned_to_a_commit() -> None:
    """The plan stays what it was when the branch moves on."""
    async with Hub() as hub:
        commit = hub.add("acme/tiny", {"tiny-Q4_K_M.gguf": b"weights"}, license="mit")
        plan = await HubSource(hub.endpoint).resolve("hf:acme/tiny")
        hub.add("acme/tiny", {"tiny-Q4_K_M.gguf": b"other weights"})
    assert (commit, "acme/tiny:Q4_K_M", "mit") == (plan.revision, plan.model, plan.license)
    assert commit in plan.files[0].locator


async def test_size_and_digest_come_with_the_plan() -> None:
    """Before a byte of the file is fetched."""
    async with Hub() as hub:
        hub.add("acme/tiny", {"tiny.gguf": b"weights"})
        plan = await HubSource(hub.endpoint).resolve("hf:acme/tiny")
        assert (7, [hub._repos["acme/tiny"].commits[plan.revision]["tiny.gguf"].sha256]) == (
            plan.files[0].size,
            [file.digest for file in plan.files],
        )


async def test_a_branch_and_a_quantisation_can_be_named() -> None:
    """``@`` for the one, ``:`` for the other, also with slashes in them."""
    async with Hub() as hub:
        hub.add("acme/tiny", {"a-Q4_0.gguf": b"old", "a-Q8_0.gguf": b"old"})
        hub.add("acme/tiny", {"a-Q4_0.gguf": b"newer"}, branch="refs/pr/1")
        plan = await HubSource(hub.endpoint).resolve("hf:acme/tiny@refs/pr/1:q4_0")
    assert ("acme/tiny:Q4_0", 5) == (plan.model, plan.files[0].size)


async def test_shards_in_a_folder_lie_side_by_side() -> None:
    """Their folder on the hub is not theirs here."""
    names = [f"Q8_0/big-Q8_0-0000{number}-of-00002.gguf" for number in (1, 2)]
    async with Hub() as hub:
        hub.add("acme/big", dict.fromkeys(names, b"x"))
        plan = await HubSource(hub.endpoint).resolve("hf:acme/big")
    assert ["big-Q8_0-00001-of-00002.gguf", "big-Q8_0-00002-of-00002.gguf"] == [file.name for file in plan.files]


async def test_a_repository_of_safetensors_is_resolved_to_the_whole_set() -> None:
    """Weights first; their model is called as the repository, and is honest about who serves it."""
    async with Hub() as hub:
        hub.add("acme/tiny", a_model_folder() | {"pytorch_model.bin": b"pickle", "original/model.safetensors": b"x"})
        plan = await HubSource(hub.endpoint, memory=Memory(1 << 30, lambda size, _context: size)).resolve(
            "hf:acme/tiny"
        )
    assert ("acme/tiny", set(a_model_folder())) == (plan.model, {file.name for file in plan.files})
    assert "no backend here serves them" in (plan.reason or "")


async def test_a_renamed_repository_is_found_under_its_old_name() -> None:
    """Relative redirects are followed with the token."""
    async with Hub(tokens={TOKEN: frozenset({"new/tiny"})}) as hub:
        hub.add("old/tiny", {"tiny.gguf": b"weights"}, private=True)
        hub.rename("old/tiny", "new/tiny")
        source = HubSource(hub.endpoint, token=TOKEN)
        plan = await source.resolve("hf:old/tiny")
        async with source.open(plan.files[0], 0) as stream:
            assert b"weights" == b"".join([piece async for piece in stream.chunks])


async def test_a_branch_that_is_not_there_is_not_found() -> None:
    """And the message names it."""
    async with Hub() as hub:
        hub.add("acme/tiny", {"tiny.gguf": b"weights"})
        with pytest.raises(NotFoundError, match="acme/tiny@v9"):
            await HubSource(hub.endpoint).resolve("hf:acme/tiny@v9")


@pytest.mark.parametrize(
    "ref", ["hf:", "hf:a/b/c", "hf:../x", "hf:a/b:", "hf:a b", "hf:a/b?x=1", "hf:--x/y", "acme/tiny"]
)
async def test_what_is_no_repository_is_refused(ref: str) -> None:
    """Before anybody is asked, or by the hub's own rules."""
    with pytest.raises(SchemaError):
        await HubSource("http://127.0.0.1:9").resolve(ref)


@pytest.mark.parametrize("endpoint", ["ftp://hub.example", "hub.example", ""])
def test_an_endpoint_has_to_be_a_web_address(endpoint: str) -> None:
    """E_CONFIG when the program starts, not when somebody pulls."""
    with pytest.raises(ConfigError):
        HubSource(endpoint)


def test_a_token_does_not_travel_unencrypted() -> None:
    """Except to this machine itself."""
    HubSource("http://127.0.0.1:9", token=TOKEN)
    with pytest.raises(ConfigError, match="unencrypted"):
        HubSource("http://hub.example", token=TOKEN)


async def test_what_fits_is_chosen_and_the_plan_says_why() -> None:
    """By this machine's memory, with the file that reads pictures."""
    files = {"m-Q4_K_M.gguf": bytes(4), "m-Q8_0.gguf": bytes(8), "mmproj-F16.gguf": b"x"}
    async with Hub() as hub:
        hub.add("acme/m", files, context=4096)
        plan = await HubSource(
            hub.endpoint, memory=Memory(10, lambda size, context: size * ((context or 0) // 2048))
        ).resolve("hf:acme/m")
    assert ["m-Q4_K_M.gguf", "mmproj-F16.gguf"] == [file.name for file in plan.files]
    assert "Q4_K_M is the best that fits" in (plan.reason or "")
