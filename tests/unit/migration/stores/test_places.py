"""Stores are where their programs put them, and some folders are nobody's store."""

from pathlib import Path

import pytest

from roundhouse.core.errors import ForbiddenError, NotFoundError, RoundhouseError, SchemaError
from roundhouse.migration.found import Kind
from roundhouse.migration.stores import Surroundings, kind_of, look, usual_places
from roundhouse.testing.stores import HuggingFaceCache, OllamaStore


def places(home: Path, **environ: str) -> list[tuple[Kind, Path]]:
    """The usual places for *home*."""
    return [(place.kind, place.path) for place in usual_places(Surroundings(home, environ))]


def test_variables_of_the_other_programs_count(tmp_path: Path) -> None:
    """Whoever moved a store told its program by a variable."""
    found = places(tmp_path, HF_HOME="/a", OLLAMA_MODELS="/b", LLAMA_CACHE="/c")
    assert {(Kind.HUGGINGFACE, Path("/a/hub")), (Kind.OLLAMA, Path("/b")), (Kind.LLAMACPP, Path("/c"))} <= set(found)


def test_a_folder_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    """Nobody has to say whose it is."""
    ollama, cache = OllamaStore(tmp_path / "o"), HuggingFaceCache(tmp_path / "h")
    cache.add("ada/tiny", {})
    kinds = [kind_of(ollama.root), kind_of(cache.root), kind_of(tmp_path)]
    assert [Kind.OLLAMA, Kind.HUGGINGFACE, Kind.FOLDER] == kinds


def test_the_folder_above_a_store_will_do(tmp_path: Path) -> None:
    """People name the folder that they know."""
    store = OllamaStore(tmp_path / ".ollama")
    assert store.root == look(store.home, Surroundings(tmp_path, {})).root


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/", ForbiddenError),
        ("/proc/self", ForbiddenError),
        ("/sys", ForbiddenError),
        ("/dev/fd", ForbiddenError),
        ("/nowhere/at/all", NotFoundError),
        ("/etc/hostname", SchemaError),
        ("relative", SchemaError),
        ("/nul\0byte", NotFoundError),
    ],
)
def test_what_is_no_store_is_refused(tmp_path: Path, path: str, error: type[RoundhouseError]) -> None:
    """A path in a request is somebody else's word."""
    with pytest.raises(error):
        look(Path(path), Surroundings(tmp_path, {}))


def test_our_own_home_is_no_store_not_even_by_a_link(tmp_path: Path) -> None:
    """The real folder counts."""
    (tmp_path / "ours" / "blobs").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "ours" / "blobs")
    with pytest.raises(ForbiddenError):
        look(tmp_path / "link", Surroundings(tmp_path, {}, (tmp_path / "ours",)))
