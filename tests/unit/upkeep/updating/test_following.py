from dataclasses import replace

import pytest

from roundhouse.testing.builders import a_file, an_artifact
from roundhouse.upkeep.updating import Course, course_of

COMMIT = "0f3c2a9d" * 5


def course(ref: str, name: str = "Tiny-Q4_K_M.gguf", revision: str = COMMIT) -> Course:
    """The course of a model that came by *ref*."""
    return course_of(replace(an_artifact("m", a_file(name)), ref=ref, revision=revision))


@pytest.mark.parametrize(
    ("ref", "name", "expected"),
    [
        ("hf:acme/tiny:Q4_K_M", "x.gguf", "hf:acme/tiny:Q4_K_M"),
        ("hf:acme/tiny", "Tiny-Q4_K_M.gguf", "hf:acme/tiny:Tiny-Q4_K_M.gguf"),
        ("hf:acme/tiny@dev", "Tiny-Q8_0.gguf", "hf:acme/tiny@dev:Tiny-Q8_0.gguf"),
        ("hf:acme/tiny@dev:Q8_0", "Tiny-Q8_0.gguf", "hf:acme/tiny@dev:Q8_0"),
        ("hf:acme/big", "big-Q8_0-00001-of-00002.gguf", "hf:acme/big:big-Q8_0-?????-of-?????.gguf"),
        ("hf:acme/odd", "a[1].gguf", "hf:acme/odd:a?1?.gguf"),
        ("hf:acme/tiny", "model-00001-of-00002.safetensors", "hf:acme/tiny:safetensors"),
        ("ollama:tiny:1b", "tiny.gguf", "ollama:tiny:1b"),
        ("file:/models/tiny.gguf", "tiny.gguf", "file:/models/tiny.gguf"),
    ],
)
def test_what_floats_is_followed(ref: str, name: str, expected: str) -> None:
    """As the same file, whatever else its repository holds by now."""
    assert Course(expected) == course(ref, name)


@pytest.mark.parametrize(
    ("ref", "pinned_to"),
    [
        (f"hf:acme/tiny@{COMMIT}:Q4_K_M", COMMIT),
        (f"hf:acme/tiny@{COMMIT[:8]}", COMMIT[:8]),
        (f"ollama:tiny@sha256:{'ab' * 32}", f"sha256:{'ab' * 32}"),
        (f"https://models.example/tiny.gguf#sha256={'ab' * 32}", f"sha256={'ab' * 32}"),
    ],
)
def test_what_names_its_bytes_is_pinned(ref: str, pinned_to: str) -> None:
    """There can be nothing newer under that name."""
    assert Course(None, pinned_to) == course(ref)


def test_a_branch_that_looks_like_a_commit_floats() -> None:
    """When it is not the commit that is here."""
    assert course("hf:acme/tiny@deadbeef:Q4_0").ref == "hf:acme/tiny@deadbeef:Q4_0"
