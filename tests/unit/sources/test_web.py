import hashlib

import pytest

from roundhouse.core.errors import NotFoundError, PolicyError, SchemaError
from roundhouse.sources.web import WebSource
from roundhouse.testing.hub import Hub

DATA = b"weights" * 100
SHA256 = hashlib.sha256(DATA).hexdigest()


def a_ref(hub: Hub, path: str = "acme/tiny/resolve/main/Tiny-Q8_0.gguf") -> str:
    """A web address of a file on *hub*."""
    return f"{hub.endpoint}/{path}#sha256={SHA256}"


async def test_a_file_is_planned_with_its_size_and_digest() -> None:
    """What the address, the server and the user say together."""
    async with Hub() as hub:
        hub.add("acme/tiny", {"Tiny-Q8_0.gguf": DATA})
        plan = await WebSource().resolve(a_ref(hub))
    file = plan.files[0]
    assert ("tiny-q8_0", "https", "Tiny-Q8_0.gguf", SHA256) == (plan.model, plan.source, file.name, file.digest)


async def test_what_follows_the_question_mark_is_not_shown() -> None:
    """It may be a signature: the reference that is kept goes without."""
    async with Hub() as hub:
        hub.add("acme/tiny", {"tiny.gguf": DATA})
        plan = await WebSource().resolve(a_ref(hub, "acme/tiny/resolve/main/tiny.gguf?key=secret"))
    assert "secret" not in plan.ref
    assert "secret" in plan.files[0].locator


async def test_a_file_that_is_not_there_is_not_found() -> None:
    """Before anything is fetched."""
    async with Hub() as hub:
        with pytest.raises(NotFoundError):
            await WebSource().resolve(a_ref(hub, "nothing/at-all.gguf"))


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("https://models.example/tiny.gguf", "needs the digest"),
        ("https://models.example/tiny.gguf#sha256=abc", "not a sha256"),
        ("https://models.example/tiny.gguf#md5=abc", "needs the digest"),
        (f"https://user:pass@models.example/tiny.gguf#sha256={SHA256}", "user name or a password"),
        (f"ftp://models.example/tiny.gguf#sha256={SHA256}", "not a web address"),
        (f"https:///tiny.gguf#sha256={SHA256}", "not a web address"),
        (f"https://[::1/tiny.gguf#sha256={SHA256}", "not a web address"),
    ],
)
async def test_an_address_that_cannot_be_trusted_is_refused(ref: str, words: str) -> None:
    """Without a request."""
    with pytest.raises(SchemaError, match=words):
        await WebSource().resolve(ref)


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        (f"http://models.example/tiny.gguf#sha256={SHA256}", "plain http"),
        (f"https://169.254.169.254/tiny.gguf#sha256={SHA256}", "not a public address"),
        (f"https://models.example/tiny.safetensors#sha256={SHA256}", "alone is no model"),
    ],
)
async def test_addresses_against_the_rules_are_refused(ref: str, words: str) -> None:
    """Plain http, machines of this network, other formats."""
    with pytest.raises(PolicyError, match=words):
        await WebSource().resolve(ref)
