"""Whatever a registry answers: a model, or an error of ours."""

import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from roundhouse.core.errors import RoundhouseError
from roundhouse.sources.connector import Guard
from roundhouse.sources.ranges import Remote
from roundhouse.sources.registry.api import token_url
from roundhouse.sources.registry.manifest import files_of
from roundhouse.sources.registry.reference import parse
from roundhouse.testing.registry_push import OLLAMA

HERE = "https://registry.example/v2/library/tiny"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
DIGESTS = st.text("0123456789abcdefABCDEF", min_size=62, max_size=66).map("sha256:{}".format) | st.text(max_size=80)
LAYERS = st.fixed_dictionaries(
    {
        "mediaType": st.sampled_from(["model", "projector", "license", "template"]).map(OLLAMA.__add__) | VALUES,
        "digest": DIGESTS | VALUES,
        "size": st.integers(-10, 1 << 70) | VALUES,
    },
    optional={"annotations": st.dictionaries(st.just("org.opencontainers.image.title"), st.text()) | VALUES},
)
MANIFESTS = st.fixed_dictionaries({"layers": st.lists(LAYERS, max_size=5)}).map(json.dumps).map(str.encode)


@given(MANIFESTS | VALUES.map(json.dumps).map(str.encode) | st.binary(max_size=200))
def test_a_manifest_is_read_or_refused(raw: bytes) -> None:
    """And every file of what is read has a name of its own."""
    with contextlib.suppress(RoundhouseError):
        files = files_of(raw, "tiny", HERE)
        assert len(files) == len({file.name for file in files})


@given(st.text(max_size=100) | st.text("ab.:/@[]%-_~\\ 019", max_size=40))
def test_a_reference_stays_below_its_registry(name: str) -> None:
    """No path escapes, whatever is typed."""
    with contextlib.suppress(RoundhouseError):
        place = parse(f"ollama:{name}", URL("https://registry.example"))
        assert "/../" not in place.manifest.path
        assert str(place.manifest).startswith(f"{str(place.origin).rstrip('/')}/v2/")
        assert not place.manifest.query_string
        assert place.manifest.user is None


@given(st.text(max_size=100) | st.text(max_size=60).map('Bearer realm="{}",service="x"'.format))
def test_a_challenge_leads_to_the_registry_or_nowhere(challenge: str) -> None:
    """Never to another host."""
    remote = Remote("tiny", URL(f"{HERE}/manifests/latest"), Guard())
    with contextlib.suppress(RoundhouseError):
        assert "registry.example" == token_url([challenge], remote).host
