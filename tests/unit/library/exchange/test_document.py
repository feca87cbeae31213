import json
from dataclasses import replace
from typing import Any

import pytest

from roundhouse.core.errors import SchemaError, TooLargeError
from roundhouse.library.exchange import document
from roundhouse.testing.builders import a_file, an_artifact


def given(**changes: object) -> dict[str, Any]:
    """A good document with one model, changed."""
    made: dict[str, Any] = json.loads(document.write([an_artifact()]))
    made["artifacts"][0] |= changes
    return made


def file(**changes: object) -> list[dict[str, object]]:
    """One file, changed."""
    return [{"name": "a.gguf", "size": 1, "digest": "0" * 64} | changes]


def told(value: object) -> str:
    """What is wrong with a document: the path."""
    with pytest.raises(SchemaError) as raised:
        document.read(value if isinstance(value, bytes) else json.dumps(value).encode())
    return str(raised.value.details["path"])


def test_the_order_does_not_matter() -> None:
    """The same models give the same bytes."""
    one, two = an_artifact("a"), an_artifact("b")
    assert document.write([one, two]) == document.write([two, one])


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"name": "../etc"}, "$.artifacts[...].name"),
        ({"name": 7}, "$.artifacts[...].name"),
        ({"ref": "no scheme"}, "$.artifacts[...].ref"),
        ({"files": []}, "$.artifacts[...].files"),
        ({"created_at": "yesterday"}, "$.artifacts[...].created_at"),
        ({"created_at": "0001-01-01T00:00:00+14:00"}, "$.artifacts[0].created_at"),
        ({"context": -1}, "$.artifacts[...].context"),
        ({"tags": ["Not A Tag"]}, "$.artifacts[0].tags[0]"),
        ({"tags": ["a"] * 40}, "$.artifacts[0].tags"),
        ({"license": "a\nb"}, "$.artifacts[0].license"),
        ({"ref": "hf:a\u0000b"}, "$.artifacts[0].ref"),
        ({"files": file(digest="xyz")}, "$.artifacts[0].files[0].digest"),
        ({"files": file(digest="0" * 64 + "\n")}, "$.artifacts[0].files[0].digest"),
        ({"files": file(size=1 << 60)}, "$.artifacts[0].files[0].size"),
        ({"files": file(name="../../etc/passwd")}, "$.artifacts[0].files[0].name"),
        ({"files": file(name="/abs")}, "$.artifacts[0].files[0].name"),
        ({"files": [*file(), *file(name="A.gguf")]}, "$.artifacts[0].files[1].name"),
        ({"files": [*file(name="a"), *file(name="a/b")]}, "$.artifacts[0].files[0].name"),
        ({"files": [*file(), *file(name="b", size=2)]}, "$.artifacts[0].files[1].size"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, object], path: str) -> None:
    """The error says where."""
    assert path.replace("[...]", "[0]") == told(given(**changes))


def test_names_are_names_of_one() -> None:
    """Two models of one name are none."""
    twice = given()
    twice["artifacts"] *= 2
    assert "$.artifacts[1].name" == told(twice)


@pytest.mark.parametrize("value", [b"", b"[", b"null", b"\xff", b'{"x":' + b"[" * 100_000, b'{"version": 1}'])
def test_what_is_no_document(value: bytes) -> None:
    """It is refused as a whole."""
    assert "$" == told(value)


def test_versions() -> None:
    """Properties that nobody knows are passed over; another version is not read."""
    newer = given(colour="blue")
    assert (an_artifact(),) == document.read(json.dumps(newer | {"later": {}}).encode()).artifacts
    assert "$.version" == told(newer | {"version": 2})


def test_size() -> None:
    """A document that is too large is not looked at."""
    with pytest.raises(TooLargeError):
        document.read(bytes(document.LARGEST + 1))


def test_nothing_unknown_is_written() -> None:
    """What is not known is left out."""
    bare = replace(an_artifact("a", a_file()), license=None, context=None)
    assert not {"license", "context"} & set(json.loads(document.write([bare]))["artifacts"][0])
