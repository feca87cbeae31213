import pytest
from yarl import URL

from roundhouse.core.errors import SchemaError
from roundhouse.sources.registry.reference import parse

USUAL = URL("https://registry.example")
SHA256 = "a" * 64


@pytest.mark.parametrize(
    ("ref", "url", "model"),
    [
        ("ollama:tiny", "https://registry.example/v2/library/tiny/manifests/latest", "tiny:latest"),
        ("ollama:tiny:1.5b", "https://registry.example/v2/library/tiny/manifests/1.5b", "tiny:1.5b"),
        ("ollama:acme/tiny:q4", "https://registry.example/v2/acme/tiny/manifests/q4", "acme/tiny:q4"),
        ("ollama:oci.example/acme/tiny:q4", "https://oci.example/v2/acme/tiny/manifests/q4", "acme/tiny:q4"),
        ("ollama:oci.example:8443/a/b/c", "https://oci.example:8443/v2/a/b/c/manifests/latest", "a/b/c:latest"),
        ("ollama:127.0.0.1:5000/a/b:t", "http://127.0.0.1:5000/v2/a/b/manifests/t", "a/b:t"),
        ("ollama:localhost/a/b:t", "http://localhost/v2/a/b/manifests/t", "a/b:t"),
        ("ollama:[::1]:5000/a/b:t", "http://[::1]:5000/v2/a/b/manifests/t", "a/b:t"),
        (
            f"ollama:tiny@sha256:{SHA256}",
            f"https://registry.example/v2/library/tiny/manifests/sha256:{SHA256}",
            "tiny:aaaaaaaaaaaa",
        ),
    ],
)
def test_a_reference_names_one_manifest(ref: str, url: str, model: str) -> None:
    """With or without host, owner and tag; https everywhere but on this machine."""
    place = parse(ref, USUAL)
    assert (url, model) == (str(place.manifest), place.model)


@pytest.mark.parametrize(
    "name",
    [
        "", "/", ":", "tiny:", ":t", "a//b", "../tiny", "a/../b", "a/.b", "tiny:../x", "tiny:a/b", "a b", "tiny?x=1",
        "tiny#x", "tiny%2e", "tiny@md5:00", "tiny@sha256:00", "tiny@", "host.example:99999/a/b",
        "user:pass@host.example/a/b", "host.example:port/a/b", "[::1/a/b", "ho st.example/a/b",
        "x" * 81, "tïny", "host.example\\x/a/b",
    ],
)  # fmt: skip
def test_what_could_mean_something_else_is_refused(name: str) -> None:
    """Paths that escape, addresses in disguise, names longer than a registry takes."""
    with pytest.raises(SchemaError):
        parse(f"ollama:{name}", USUAL)
