from pathlib import Path

import pytest

from roundhouse.core.artifacts import PlannedFile
from roundhouse.core.errors import ConflictError, ForbiddenError, NotFoundError, PolicyError, SchemaError
from roundhouse.sources.folder import FolderSource
from roundhouse.testing.safetensors import a_model_folder, put_folder


async def read(source: FolderSource, file: PlannedFile, offset: int = 0) -> bytes:
    """The bytes of *file* from *offset* on."""
    async with source.open(file, offset) as stream:
        return b"".join([piece async for piece in stream.chunks])


async def test_a_file_is_planned_under_its_own_name(tmp_path: Path) -> None:
    """Its size is known, its digest only once it has been read."""
    (tmp_path / "Tiny-Q4_0.gguf").write_bytes(b"weights")
    plan = await FolderSource().resolve(f"file:{tmp_path}/Tiny-Q4_0.gguf")
    assert ("tiny-q4_0", 7, None) == (plan.model, plan.files[0].size, plan.files[0].digest)


async def test_what_reads_pictures_comes_along(tmp_path: Path) -> None:
    """When it lies beside the model."""
    for name in ("tiny-Q4_0.gguf", "mmproj-tiny-F16.gguf"):
        (tmp_path / name).write_bytes(b"weights")
    plan = await FolderSource().resolve(f"file:{tmp_path}")
    assert ("tiny-q4_0", ["tiny-Q4_0.gguf", "mmproj-tiny-F16.gguf"]) == (plan.model, [file.name for file in plan.files])


async def test_a_folder_with_one_model_is_enough(tmp_path: Path) -> None:
    """Whatever else lies there."""
    (tmp_path / "tiny.gguf").write_bytes(b"weights")
    (tmp_path / "notes.txt").write_bytes(b"notes")
    plan = await FolderSource().resolve(f"file:{tmp_path}")
    assert b"weights" == await read(FolderSource(), plan.files[0])


async def test_shards_come_together(tmp_path: Path) -> None:
    """Naming one names them all."""
    for number in (1, 2):
        (tmp_path / f"big-0000{number}-of-00002.gguf").write_bytes(b"x" * number)
    plan = await FolderSource().resolve(f"file:{tmp_path}/big-00002-of-00002.gguf")
    assert ("big", [1, 2]) == (plan.model, [file.size for file in plan.files])


@pytest.mark.parametrize("path", ["Tiny-4bit", "Tiny-4bit/model-00002-of-00002.safetensors"])
async def test_safetensors_come_with_what_lies_beside_them(tmp_path: Path, path: str) -> None:
    """The folder has the name, and its code stays where it is."""
    put_folder(tmp_path / "Tiny-4bit", a_model_folder() | {"modeling.py": b"print()", "pytorch_model.bin": b"pickle"})
    plan = await FolderSource().resolve(f"file:{tmp_path}/{path}")
    assert ("tiny-4bit", set(a_model_folder())) == (plan.model, {file.name for file in plan.files})


async def test_a_folder_with_several_models_has_to_be_told_which(tmp_path: Path) -> None:
    """Nobody guesses."""
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).touch()
    with pytest.raises(SchemaError, match="none of them is an obvious"):
        await FolderSource().resolve(f"file:{tmp_path}")


@pytest.mark.parametrize("name", ["missing.gguf", "tiny.gguf/inside.gguf", "nul\0.gguf"])
async def test_a_path_to_nothing_is_an_error_of_ours(tmp_path: Path, name: str) -> None:
    """Whatever the operating system calls it."""
    (tmp_path / "tiny.gguf").touch()
    with pytest.raises(NotFoundError):
        await FolderSource().resolve(f"file:{tmp_path}/{name}")


async def test_other_formats_are_refused(tmp_path: Path) -> None:
    """Early."""
    (tmp_path / "model.bin").touch()
    with pytest.raises(PolicyError):
        await FolderSource().resolve(f"file:{tmp_path}/model.bin")


async def test_a_file_that_may_not_be_read_is_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """E_PERM, not a traceback; root may read everything, so the refusal is planted."""
    (tmp_path / "tiny.gguf").touch()
    plan = await FolderSource().resolve(f"file:{tmp_path}/tiny.gguf")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ForbiddenError):
        await read(FolderSource(), plan.files[0])


async def test_a_file_that_changed_since_is_refused(tmp_path: Path) -> None:
    """Half of one and half of another would be no model."""
    path = tmp_path / "tiny.gguf"
    path.write_bytes(b"weights")
    plan = await FolderSource().resolve(f"file:{path}")
    path.write_bytes(b"other weights")
    with pytest.raises(ConflictError, match="has changed"):
        await read(FolderSource(), plan.files[0])


async def test_the_license_in_a_folder_is_the_models(tmp_path: Path) -> None:
    """Beside a file that is named alone may lie anybody's."""
    (tmp_path / "tiny.gguf").write_bytes(b"weights")
    (tmp_path / "LICENSE.md").write_bytes(b"Be kind.")
    whole = await FolderSource().resolve(f"file:{tmp_path}")
    alone = await FolderSource().resolve(f"file:{tmp_path}/tiny.gguf")
    assert ("folder", [b"Be kind."]) == (
        whole.license_source,
        [await read(FolderSource(), file) for file in whole.license_files],
    )
    assert (None, ()) == (alone.license_source, alone.license_files)


async def test_code_in_a_folder_is_flagged(tmp_path: Path) -> None:
    """And left where it is."""
    for name in ("tiny.gguf", "run.sh"):
        (tmp_path / name).write_bytes(b"x")
    plan = await FolderSource().resolve(f"file:{tmp_path}")
    assert (["tiny.gguf"], ("run.sh is a shell script",)) == ([file.name for file in plan.files], plan.code)
