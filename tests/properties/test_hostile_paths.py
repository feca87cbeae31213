"""Names that people and servers give: safe ones, or an error of ours; and nothing is ever written outside the home."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PureWindowsPath

import pytest
from tests.strategies.hostile import paths

from roundhouse.core.artifacts import Artifact, Digest, FileName
from roundhouse.core.errors import RoundhouseError
from roundhouse.library.blobs import Blobs
from roundhouse.library.folders import Folders, folder_name
from roundhouse.sources.folder import FolderSource
from roundhouse.sources.registry.manifest import files_of
from roundhouse.testing.builders import NOON
from roundhouse.testing.builders import an_artifact as a_model
from roundhouse.testing.registry_push import OLLAMA
from roundhouse.upkeep.plans import Plans
from roundhouse.upkeep.references import checked_name, normal

PATHS = paths()
DIGEST = "ab" * 32


def accepted(strings: Sequence[str]) -> Iterator[FileName]:
    """Those that may be names."""
    for text in strings:
        with suppress(RoundhouseError):
            yield FileName(text)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with neighbours that must not change."""
    (tmp_path / "neighbour").write_text("mine", encoding="ascii")
    home = tmp_path / "outer" / "home"
    home.mkdir(parents=True)
    return home


def strangers(home: Path) -> list[str]:
    """What is beside the home, and should not be."""
    tops = [path.relative_to(home.parents[1]).as_posix() for path in home.parents[1].rglob("*")]
    return sorted(path for path in tops if not path.startswith("outer/home/"))


UNTOUCHED = ["neighbour", "outer", "outer/home"]


def test_there_are_five_hundred_of_them() -> None:
    """And most of them are refused."""
    safe = list(accepted(PATHS))
    assert len(PATHS) > 500
    assert 0 < len(safe) < len(PATHS) // 4
    print(f"{len(PATHS)} hostile paths, {len(safe)} of them harmless as names")


def test_what_may_be_a_name_leads_nowhere_else(home: Path) -> None:
    """Under the rules of both worlds."""
    for name in accepted(PATHS):
        windows = PureWindowsPath(name)
        assert not windows.is_absolute() and not windows.drive and not windows.is_reserved()  # noqa: PT018 - one rule
        assert (home / name).resolve().is_relative_to(home.resolve())


def test_folders_hold_hostile_names_below_the_home(home: Path) -> None:
    """Of files and of models; what the file system does not take is its error alone."""
    blobs = Blobs(home / "blobs")
    folders = Folders(home / "models", blobs)
    blobs.path_of(Digest(DIGEST)).parent.mkdir()
    blobs.path_of(Digest(DIGEST)).write_bytes(b"x")
    for name in accepted(PATHS):
        with suppress(OSError):
            folders.ensure(artifact_of(name, name))
        folders.remove(name)
    assert UNTOUCHED == strangers(home)


def artifact_of(model: str, name: FileName) -> Artifact:
    """A model of one file."""
    file = a_model().files[0].__class__(name, 1, Digest(DIGEST))
    return Artifact(model, "hf:o/r", "hf", "1", (file,), "gguf", NOON)


def test_model_names_make_folders_of_one_part() -> None:
    """Whatever they are."""
    for text in PATHS:
        made = folder_name(text.encode("utf-8", "replace").decode())
        assert FileName(made) == made
        assert "/" not in made


def test_digests_are_digests() -> None:
    """No path is ever made of anything else."""
    for text in PATHS:
        with suppress(RoundhouseError):
            raise AssertionError(Digest(text))


async def test_folder_sources_read_or_refuse(home: Path) -> None:
    """With an error of ours, and write nothing."""
    source = FolderSource()
    for text in PATHS:
        with suppress(RoundhouseError):
            plan = await source.resolve(normal(f"file:{home}/{text}"))
            assert all(FileName(file.name) == file.name for file in plan.files)
    assert UNTOUCHED == strangers(home)


def test_references_and_model_names_are_read_or_refused() -> None:
    """With an error of ours."""
    for text in PATHS:
        for form in (text, f"hf:{text}", f"ollama:{text}", f"https://{text}", f"file:{text}"):
            with suppress(RoundhouseError):
                normal(form)
        with suppress(RoundhouseError):
            assert ".." not in checked_name(text).split("/")


def test_manifests_name_files_safely() -> None:
    """Whatever stands in a layer's title, digest, or in the name that was asked for."""
    for text in PATHS:
        layers = [
            {"mediaType": f"{OLLAMA}model", "digest": f"sha256:{DIGEST}", "size": 1},
            {"mediaType": "x", "digest": text, "size": 1, "annotations": {"org.opencontainers.image.title": text}},
            {"mediaType": f"{OLLAMA}template", "digest": f"sha256:{DIGEST}", "size": 1},
        ]
        for chosen in (layers, layers[::2]):
            raw = json.dumps({"layers": chosen}).encode()
            with suppress(RoundhouseError):
                assert all(FileName(file.name) for file in files_of(raw, text, "https://r.example/v2/o/r"))


def test_plans_with_hostile_names_are_made_anew(home: Path) -> None:
    """Somebody has written into the home; the plan is not believed."""
    plans, fields = Plans(home / "plans"), {"ref": "hf:o/r", "source": "hf", "model": "m", "revision": "1"}
    (home / "plans").mkdir()
    for text in PATHS:
        files = [{"name": text, "size": 1, "digest": None, "locator": "x"}]
        (home / "plans" / "t.json").write_text(json.dumps({**fields, "files": files}), encoding="utf-8")
        plan = plans.get("t")
        assert plan is None or plan.files[0].name in PATHS
        with suppress(RoundhouseError):
            plans.remove(text)
    assert UNTOUCHED == strangers(home)
