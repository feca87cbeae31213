from collections.abc import AsyncIterator

import pytest

from roundhouse.core.artifacts import PlannedFile
from roundhouse.core.errors import AuthError, ConfigError, NotFoundError, PolicyError, SchemaError, VerifyError
from roundhouse.sources.registry import RegistrySource
from roundhouse.testing.registry import Registry
from roundhouse.testing.registry_push import OLLAMA, Layer, push

DATA = b"weights" * 1000
WEIGHTS = Layer(f"{OLLAMA}model", DATA)


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    """A registry that wants tokens, with one model in it."""
    async with Registry() as registry:
        await push(registry.url, "library/tiny", "1b", [WEIGHTS])
        yield registry


async def read(source: RegistrySource, file: PlannedFile) -> bytes:
    """All bytes of *file*."""
    async with source.open(file, 0) as stream:
        return b"".join([piece async for piece in stream.chunks])


async def test_a_token_is_got_once(registry: Registry) -> None:
    """And shown to the registry for everything of that repository."""
    source = RegistrySource(registry.url)
    plan = await source.resolve("ollama:tiny:1b")
    assert DATA == await read(source, plan.files[0])
    assert ["/token?service=tests&scope=repository:library/tiny:pull"] == [
        each.path for each in registry.asked_of("token")
    ]


async def test_the_storage_sees_no_token(registry: Registry) -> None:
    """It is another origin."""
    source = RegistrySource(registry.url)
    plan = await source.resolve("ollama:tiny:1b")
    await read(source, plan.files[0])
    assert [""] == [each.token for each in registry.asked_of("storage")]


async def test_after_a_restart_a_token_is_got_anew(registry: Registry) -> None:
    """The plan was kept, the token was not: it stands in no file."""
    plan = await RegistrySource(registry.url).resolve("ollama:tiny:1b")
    assert "token" not in plan.files[0].locator
    assert DATA == await read(RegistrySource(registry.url), plan.files[0])


async def test_an_expired_token_is_renewed(registry: Registry) -> None:
    """In the middle of a pull."""
    source = RegistrySource(registry.url)
    plan = await source.resolve("ollama:tiny:1b")
    registry.wishes.revoked.add("token-0-repository:library/tiny:pull")
    assert DATA == await read(source, plan.files[0])
    assert len(registry.asked_of("token")) == 2


async def test_a_manifest_can_be_named_by_its_digest(registry: Registry) -> None:
    """It is what the plan calls the revision."""
    source = RegistrySource(registry.url)
    plan = await source.resolve("ollama:tiny:1b")
    assert plan.files == (await source.resolve(f"ollama:tiny@{plan.revision}")).files


async def test_any_registry_can_be_named(registry: Registry) -> None:
    """The one of the settings is only the usual one."""
    host = registry.url.removeprefix("http://")
    plan = await RegistrySource().resolve(f"ollama:{host}/library/tiny:1b")
    assert ("tiny:1b", "ollama") == (plan.model, plan.source)


async def test_a_realm_elsewhere_is_not_followed(registry: Registry) -> None:
    """Not even to this machine under another name."""
    registry.wishes.realm = registry.url.replace("127.0.0.1", "localhost") + "/token"
    with pytest.raises(PolicyError, match="not its own host"):
        await RegistrySource(registry.url).resolve("ollama:tiny:1b")
    assert [] == registry.asked_of("token")


async def test_a_manifest_with_another_digest_is_refused(registry: Registry) -> None:
    """Than the registry itself told, or the reference names."""
    registry.wishes.manifest = b'{"layers": []}'
    with pytest.raises(VerifyError):
        await RegistrySource(registry.url).resolve("ollama:tiny:1b")


@pytest.mark.parametrize("body", [b"", b"[]", b'{"token": 1}', b'{"token": ""}', b'{"token": "a\\nb"}', b"x" * 70_000])
async def test_a_token_has_to_look_like_one(registry: Registry, body: bytes) -> None:
    """It becomes a header."""
    registry.wishes.token_body = body
    with pytest.raises(SchemaError):
        await RegistrySource(registry.url).resolve("ollama:tiny:1b")


async def test_a_token_that_is_not_good_ends_it(registry: Registry) -> None:
    """After one try, not in a circle."""
    registry.wishes.token_body = b'{"access_token": "worthless"}'
    with pytest.raises(AuthError):
        await RegistrySource(registry.url).resolve("ollama:tiny:1b")
    assert len(registry.asked_of("token")) == 1


async def test_a_tag_that_is_not_there_is_not_found(registry: Registry) -> None:
    """And the message names the model."""
    with pytest.raises(NotFoundError, match="tiny:2b"):
        await RegistrySource(registry.url).resolve("ollama:tiny:2b")


async def test_a_registry_of_this_network_has_to_be_configured() -> None:
    """A reference alone leads to public addresses, or to this machine."""
    with pytest.raises(PolicyError, match="not a public address"):
        await RegistrySource().resolve("ollama:169.254.169.254/a/b:t")


@pytest.mark.parametrize("address", ["", "registry.example", "ftp://registry.example", "http://registry.example"])
def test_a_registry_answers_over_https(address: str) -> None:
    """E_CONFIG when the program starts; plain http only on this machine."""
    RegistrySource("http://127.0.0.1:5000")
    with pytest.raises(ConfigError):
        RegistrySource(address)


async def test_the_layers_of_a_license_are_its_text(registry: Registry) -> None:
    """Named by their digests, as all layers are."""
    layers = [Layer(f"{OLLAMA}license", text) for text in (b"Gemma Terms of Use", b"a policy of use")]
    await push(registry.url, "library/kind", "1b", [WEIGHTS, *layers])
    plan = await RegistrySource(registry.url).resolve("ollama:kind:1b")
    assert ("registry", [layer.digest for layer in layers]) == (
        plan.license_source,
        [f"sha256:{file.digest}" for file in plan.license_files],
    )
