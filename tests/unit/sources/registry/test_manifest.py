import json

import pytest

from roundhouse.core.errors import PolicyError, SchemaError
from roundhouse.sources.registry.manifest import files_of, license_of
from roundhouse.testing.registry_push import OLLAMA, Layer, a_manifest

HERE = "https://registry.example/v2/library/tiny"
WEIGHTS = Layer(f"{OLLAMA}model", b"weights")


def names(*layers: Layer) -> list[str]:
    """What the files of a model of *layers* are called."""
    return [file.name for file in files_of(a_manifest(layers), "tiny", HERE)]


def test_the_manifest_vouches_for_size_and_digest() -> None:
    """Before a byte of the file is fetched."""
    (file,) = files_of(a_manifest([WEIGHTS]), "tiny", HERE)
    assert ("tiny.gguf", 7, WEIGHTS.digest) == (file.name, file.size, f"sha256:{file.digest}")
    assert f"{HERE}/blobs/{WEIGHTS.digest}" == file.locator


def test_the_weights_come_first() -> None:
    """A runtime is pointed at the first file; the others lie beside it under names that say what they are."""
    beside = [Layer(OLLAMA + kind, kind.encode()) for kind in ("template", "params", "license", "license", "projector")]
    assert ["tiny.gguf", "template", "params.json", "license", "license-2", "mmproj-tiny.gguf"] == names(
        *beside, WEIGHTS
    )


def test_layers_that_we_do_not_know_stay_where_they_are() -> None:
    """They may be anything."""
    assert ["tiny.gguf"] == names(WEIGHTS, Layer(f"{OLLAMA}novelty", b"?"))


def test_several_layers_of_weights_are_shards() -> None:
    """Named so that a runtime finds the others by the first."""
    shards = [Layer(f"{OLLAMA}model", bytes([number])) for number in range(2)]
    assert ["tiny-00001-of-00002.gguf", "tiny-00002-of-00002.gguf"] == names(*shards)


def test_other_tools_name_their_layers_in_other_ways() -> None:
    """Docker by media types of its own, plain OCI by the title of the file."""
    title = {"org.opencontainers.image.title": "Tiny-Q4_0.gguf"}
    plain = Layer("application/octet-stream", b"weights").described() | {"annotations": title}
    (file,) = files_of(json.dumps({"layers": [plain]}).encode(), "tiny", HERE)
    assert "tiny.gguf" == file.name
    assert ["tiny.gguf"] == names(Layer("application/vnd.docker.ai.gguf.v3", b"weights"))


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (Layer(f"{OLLAMA}tensor", b"x"), "no GGUF layer"),
        (Layer("application/vnd.docker.image.rootfs.diff.tar.gzip", b"x"), "no GGUF layer"),
        (Layer(f"{OLLAMA}adapter", b"x"), "needs an adapter"),
    ],
)
def test_what_the_runtime_could_not_serve_is_refused(layer: Layer, words: str) -> None:
    """Rather than served as something else."""
    with pytest.raises(PolicyError, match=words):
        names(layer)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"<html>", b"[]", b"{}", b'{"layers": 1}', b'{"layers": [1]}', b'{"layers": null}', b"[" * 100_000,
        b'{"manifests": [{"digest": "sha256:00"}]}', b'{"x": ' + b"[" * 100_000, b'{"layers": [\xff]}',
        a_manifest([WEIGHTS]).replace(b'"size": 7', b'"size": -7'),
        a_manifest([WEIGHTS]).replace(b'"size": 7', b'"size": 1e99'),
        a_manifest([WEIGHTS]).replace(b"sha256:", b"sha512:"),
        a_manifest([WEIGHTS]).replace(b"sha256:", b"../../"),
        json.dumps({"layers": [WEIGHTS.described()] * 1001}).encode(),
    ],
)  # fmt: skip
def test_a_hostile_manifest_is_refused(raw: bytes) -> None:
    """Whatever its shape: by an error of ours."""
    with pytest.raises(SchemaError):
        files_of(raw, "tiny", HERE)


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b'{"annotations": {"org.opencontainers.image.licenses": "Apache-2.0 AND MIT"}}', "apache-2.0 and mit"),
        (b'{"annotations": {"org.opencontainers.image.licenses": "MIT OR Gemma"}}', "other"),
        (b'{"annotations": {}}', None),
        (b"{}", None),
        (b'{"annotations": 3}', None),
        (b"nonsense", None),
    ],
)
def test_an_oci_manifest_may_name_a_license(raw: bytes, named: str | None) -> None:
    """As SPDX; what is more than a list of them is asked about."""
    assert named == license_of(raw)
