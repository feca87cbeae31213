from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse.core.errors import SchemaError
from roundhouse.testing.builders import an_artifact
from roundhouse.upkeep.references import addresses, checked_name, normal, origin, pinned, scheme_of, unpinned


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ("hf:acme/tiny:Q4_K_M", "hf"),
        ("https://models.example/tiny.gguf", "https"),
        ("http://127.0.0.1:1/tiny.gguf", "https"),
        ("file:/models/tiny.gguf", "file"),
        ("ollama:tiny:1b", "ollama"),
        ("bundled:noise", "bundled"),
    ],
)
def test_a_reference_tells_its_source(ref: str, expected: str) -> None:
    """By what stands before the first colon."""
    assert expected == scheme_of(ref)


@pytest.mark.parametrize("ref", ["./m.gguf", "../m.gguf", "/m.gguf", "~/m.gguf", ".", "file:m.gguf", "file:///m.gguf"])
def test_paths_become_absolute(ref: str) -> None:
    """So that they mean the same after a restart in another folder."""
    made = normal(ref)
    assert made.startswith("file:/")
    assert ".." not in Path(made).name


@pytest.mark.parametrize("ref", ["hf:acme/tiny", "https://models.example/x#sha256=00", "bundled:noise"])
def test_what_needs_no_change_stays(ref: str) -> None:
    """But for white space around it."""
    assert ref == normal(f" {ref}\n")


def test_a_bare_repository_gets_a_hint() -> None:
    """It is what people type first."""
    with pytest.raises(SchemaError) as caught:
        normal("acme/tiny:Q4_0")
    assert caught.value.hint == "did you mean hf:acme/tiny:Q4_0?"


@pytest.mark.parametrize("ref", ["", "  ", "tiny", "ftp://x/y", "hf:acme/ti\x1bny"])
def test_what_is_no_reference_is_refused(ref: str) -> None:
    """With the forms that are."""
    with pytest.raises(SchemaError) as caught:
        normal(ref)
    assert "hf:owner/repo" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("hf:acme/tiny", "hf:Acme/tiny@v2:Q4_0"),
        ("https://m.example/a.gguf#sha256=1", "https://m.example/a.gguf#sha256=2"),
        ("ollama:acme/tiny:1b", "ollama:Acme/tiny:2b"),
        ("ollama:tiny", "ollama:library/tiny:1b"),
        ("ollama:oci.example:5000/a/b:t", "ollama:oci.example:5000/a/b@sha256:00"),
        ("file:/a.gguf", "file:/a.gguf"),
    ],
)
def test_versions_of_one_model_have_one_origin(one: str, other: str) -> None:
    """The revision and the digest may change."""
    assert origin(one) == origin(other)


def test_different_places_have_different_origins() -> None:
    """Also when their files have the same name."""
    refs = ["hf:acme/tiny", "hf:other/tiny", "file:/a.gguf", "file:/b.gguf", "https://m.example/a.gguf#x"]
    refs += ["ollama:a", "ollama:a/b", "ollama:oci.example:1/a/b", "ollama:oci.example:2/a/b"]
    assert len({origin(ref) for ref in refs}) == len(refs)


@pytest.mark.parametrize("name", ["tiny", "acme/tiny:Q4_K_M", "a", "roundhouse/noise", "v1.5-x_y"])
def test_ordinary_names_pass(name: str) -> None:
    """Slashes and colons between parts."""
    assert name == checked_name(name)


@pytest.mark.parametrize("name", ["", "-x", "/x", "x/", "x//y", "x:", "a b", "x\n", "ü", "x" * 201, "../x"])
def test_odd_names_are_refused(name: str) -> None:
    """They would have to be quoted everywhere, or worse."""
    with pytest.raises(SchemaError):
        checked_name(name)


@pytest.mark.parametrize(
    ("ref", "revision", "expected"),
    [
        ("hf:acme/tiny", "c0ffee", "hf:acme/tiny@c0ffee"),
        ("hf:acme/tiny@main:Q4_K_M", "c0ffee", "hf:acme/tiny@c0ffee:Q4_K_M"),
        ("hf:acme/tiny", "not: one", "hf:acme/tiny"),
        ("ollama:tiny:1b", "sha256:ab", "ollama:tiny:1b@sha256:ab"),
        ("ollama:tiny:1b@sha256:00", "sha256:ab", "ollama:tiny:1b@sha256:ab"),
        ("file:/models/tiny.gguf", "1", "file:/models/tiny.gguf"),
    ],
)
def test_a_reference_is_pinned(ref: str, revision: str, expected: str) -> None:
    """Where a source has revisions that can be asked for."""
    assert expected == pinned(ref, revision)
    assert unpinned(ref) == unpinned(expected)


def test_an_address_is_the_same_whatever_its_signature_is() -> None:
    """What stands behind the question mark is no part of the place."""
    assert unpinned("https://a.example/x.gguf?sig=1#sha256=AB") == unpinned("https://a.example/x.gguf#sha256=ab")


@pytest.mark.parametrize(
    ("ref", "revision", "expected"),
    [
        ("hf:o/r", "c0", ["hf:o/r@c0", "hf:o/r@c0:IQ2", "hf:o/r@c0:Q4_K_M", "hf:o/r"]),
        ("hf:o/r:Q8_0", "c0", ["hf:o/r@c0:Q8_0", "hf:o/r:Q8_0"]),
        ("hf:o/r@main:Q8_0", "c0", ["hf:o/r@c0:Q8_0", "hf:o/r@main:Q8_0"]),
        ("ollama:o/r:tag", "sha256:ab", ["ollama:o/r:tag@sha256:ab", "ollama:o/r:tag"]),
        ("file:/m.gguf", "mtime:1", ["file:/m.gguf"]),
    ],
)
def test_bytes_are_had_again_from_their_own_revision(ref: str, revision: str, expected: list[str]) -> None:
    """And then from whatever stands there by now."""
    artifact = replace(an_artifact("o/r:IQ2"), ref=ref, revision=revision)
    assert expected == list(addresses(artifact))
