import pytest

from roundhouse.core.desks.browse import Memory
from roundhouse.core.errors import ConfigError, LicenseError, NotFoundError, SchemaError
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


async def test_the_plan_says_under_which_terms_a_model_comes() -> None:
    """What its publisher calls them, and the file with their text at this very commit."""
    files = {"m.gguf": b"x", "LICENSE": b"Be kind.", "docs/LICENSE": b"of the docs", "README.md": b"# m"}
    async with Hub() as hub:
        commit = hub.add("acme/m", files, license="other", license_name="kindness", license_link="LICENSE")
        plan = await HubSource(hub.endpoint).resolve("hf:acme/m")
        page = f"{hub.endpoint}/acme/m/blob/{commit}/LICENSE"
    assert ("other", "kindness", page, "hub") == (
        plan.license, plan.license_name, plan.license_url, plan.license_source,
    )  # fmt: skip
    assert [f"acme/m/resolve/{commit}/LICENSE"] == [file.locator for file in plan.license_files]


async def test_a_license_may_stand_elsewhere() -> None:
    """Then its address is the publisher's own, and the text is not of this commit."""
    async with Hub() as hub:
        hub.add("acme/m", {"m.gguf": b"x"}, license="gemma", license_link="https://ai.example/terms")
        plan = await HubSource(hub.endpoint).resolve("hf:acme/m")
    assert ("https://ai.example/terms", ()) == (plan.license_url, plan.license_files)


async def test_files_that_execute_code_are_flagged_and_not_planned() -> None:
    """Also those that nobody wants to fetch."""
    async with Hub() as hub:
        hub.add("acme/m", {"m.gguf": b"x", "modeling_m.py": b"import os"}, remote_code=True)
        plan = await HubSource(hub.endpoint).resolve("hf:acme/m")
    assert ["m.gguf"] == [file.name for file in plan.files]
    assert [True, True] == [
        any(word in flag for flag in plan.code) for word in ("trust_remote_code", "modeling_m.py is Python")
    ]


async def test_a_gated_model_without_a_token_names_its_page() -> None:
    """There its owner is asked."""
    async with Hub() as hub:
        hub.add("acme/m", {"m.gguf": b"x"}, gated=True)
        with pytest.raises(LicenseError) as caught:
            await HubSource(hub.endpoint).resolve("hf:acme/m@main")
        assert {"url": f"{hub.endpoint}/acme/m", "gated": True} == caught.value.details


async def test_a_token_that_was_not_let_in_is_told_so() -> None:
    """When the bytes are asked for; the token itself is in no message."""
    async with Hub(tokens={TOKEN: frozenset()}) as hub:
        hub.add("acme/m", {"m.gguf": b"x"}, gated=True)
        source = HubSource(hub.endpoint, token=TOKEN)
        plan = await source.resolve("hf:acme/m")
        with pytest.raises(LicenseError, match="gated") as caught:
            async with source.open(plan.files[0], 0):
                pass
        assert f"{hub.endpoint}/acme/m" in (caught.value.hint or "")
    assert TOKEN not in f"{caught.value.to_dict()} {plan}"
