"""The fake registry is held against Debian's `docker-registry`, and our source against the real one's challenge."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

import roundhouse
from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.sources.registry import RegistrySource
from roundhouse.sources.registry.manifest import ACCEPT
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.jobs import MemoryJobs
from roundhouse.testing.memory import MemoryArtifacts, MemoryTransfers
from roundhouse.testing.registry import Registry, Wishes
from roundhouse.testing.registry_push import OLLAMA, Layer, push
from roundhouse.testing.registry_server import Challenge, registry_server
from roundhouse.upkeep import Pulls, PullSettings

NOISE = Path(roundhouse.__file__).with_name("assets").joinpath("noise.gguf").read_bytes()
WEIGHTS = Layer(f"{OLLAMA}model", NOISE)
LAYERS = [WEIGHTS, Layer(f"{OLLAMA}template", b"{{ .Prompt }}"), Layer(f"{OLLAMA}license", b"Apache License")]
REPOSITORY = "/v2/acme/noise"
#: Where nobody listens: only the words are compared.
REALM = "http://127.0.0.1:9/token"

pytestmark = pytest.mark.slow


@pytest.fixture(params=["real", "fake"])
async def registry(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """Each of the two, with one model, open to all."""
    if request.param == "real":
        url = request.getfixturevalue("docker_registry")
        await push(url, "acme/noise", "tiny", LAYERS)
        yield url
        return
    async with Registry(Wishes(token=False)) as fake:
        await push(fake.url, "acme/noise", "tiny", LAYERS)
        yield fake.url


async def test_a_manifest_tells_its_digest(registry: str) -> None:
    """By tag and by digest it is the same."""
    # Without a word about formats the real one answers in its oldest, made anew for each.
    async with aiohttp.ClientSession(headers={"Accept": ACCEPT}) as session:
        async with session.get(f"{registry}{REPOSITORY}/manifests/tiny") as answer:
            by_tag, digest = await answer.read(), answer.headers["Docker-Content-Digest"]
        async with session.get(f"{registry}{REPOSITORY}/manifests/{digest}") as answer:
            assert by_tag == await answer.read()


@pytest.mark.parametrize("path", ["/manifests/nothing", f"/blobs/sha256:{'0' * 64}", f"/manifests/sha256:{'0' * 64}"])
async def test_what_is_not_there_is_404(registry: str, path: str) -> None:
    """In the protocol's words."""
    async with aiohttp.ClientSession() as session, session.get(f"{registry}{REPOSITORY}{path}") as answer:
        assert 404 == answer.status
        assert {"code", "message"} <= set((await answer.json())["errors"][0])


async def test_blobs_come_in_ranges(registry: str) -> None:
    """Wherever they are kept."""
    url, headers = f"{registry}{REPOSITORY}/blobs/{WEIGHTS.digest}", {"Range": "bytes=100-"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        assert (206, f"bytes 100-{len(NOISE) - 1}/{len(NOISE)}") == (answer.status, answer.headers["Content-Range"])
        assert NOISE[100:] == await answer.read()


async def test_a_wrong_digest_is_not_taken(registry: str) -> None:
    """A registry hashes what is pushed."""
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{registry}{REPOSITORY}/blobs/uploads/") as started:
            place = started.headers["Location"]
        url = place if place.startswith("http") else f"{registry}{place}"
        async with session.put(f"{url}&digest=sha256:{'0' * 64}", data=b"other") as answer:
            assert 400 == answer.status


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[str]:
    """A real registry that wants tokens."""
    with registry_server(tmp_path, challenge=Challenge(REALM, "tests")) as url:
        yield url


async def test_both_challenge_in_the_same_words(guarded: str) -> None:
    """Scheme, realm, service and scope."""
    path = "/v2/acme/noise/manifests/tiny"
    async with Registry(Wishes(realm=REALM)) as fake, aiohttp.ClientSession() as session:
        told = []
        for url in (guarded, fake.url):
            async with session.get(url + path) as answer:
                told.append((answer.status, answer.headers["WWW-Authenticate"]))
    assert told[0] == told[1]


async def test_a_real_registry_is_satisfied_with_the_token_that_it_wanted(tmp_path: Path) -> None:
    """The token server is another port of the same host."""
    async with Registry() as tokens:
        with registry_server(tmp_path, challenge=Challenge(f"{tokens.url}/token", "tests")) as url:
            await push(url, "acme/noise", "tiny", LAYERS)
            source = RegistrySource(url)
            plan = await source.resolve("ollama:acme/noise:tiny")
            async with source.open(plan.files[0], 0) as stream:
                assert NOISE == b"".join([piece async for piece in stream.chunks])
        assert 1 == len(tokens.asked_of("token"))


async def test_a_model_of_a_registry_becomes_one_of_the_library(registry: str, tmp_path: Path) -> None:
    """With its template and licence beside the weights, ready to load."""

    async def perform(job_id: str, argument: str) -> None:
        await pulls.run(job_id, argument)

    library, jobs = Library(tmp_path, MemoryArtifacts(), Events(), FakeClock()), MemoryJobs(perform)
    sources = {"ollama": RegistrySource(registry)}
    pulls = Pulls(sources, library, MemoryTransfers(), FakeClock(), jobs.start, PullSettings(min_free=0))
    await jobs.wait((await pulls.start("ollama:acme/noise:tiny")).id)
    artifact = await library.find("acme/noise")
    await jobs.close()
    assert ["noise.gguf", "template", "license"] == [file.name for file in artifact.files]
    assert NOISE == library.path_to_load(artifact).read_bytes()
