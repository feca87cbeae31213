import os
from pathlib import Path

from roundhouse.core.artifacts import Digest
from roundhouse.upkeep.collecting.survey import Needs, remove, survey

A, B, C = (Digest(f"{number:064x}") for number in range(3))
NOTHING = Needs((), (), (), ())


def put(path: Path, size: int = 10) -> Path:
    """A file of so many bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    return path


def test_an_empty_root(tmp_path: Path) -> None:
    """What is not there takes nothing."""
    found = survey(tmp_path / "nowhere", NOTHING)
    assert (found.bytes_used, found.leftovers, dict(found.freeable)) == (0, (), {})


def test_bytes_that_others_have_linked_come_not_free(tmp_path: Path) -> None:
    """Our own links to a blob do not count, a stranger's does."""
    ours, shared = put(tmp_path / f"blobs/sha256-{A}"), put(tmp_path / f"blobs/sha256-{B}", 20)
    for blob, link in ((ours, "models/m/a.gguf"), (shared, "models/m/b.gguf"), (shared, "../elsewhere")):
        (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / link).unlink(missing_ok=True)
        (tmp_path / link).hardlink_to(blob)
    found = survey(tmp_path, Needs({A, B}, (), (), {"m"}))
    assert (dict(found.freeable), dict(found.linked_elsewhere), found.bytes_used) == ({A: 10, B: 0}, {B: 20}, 10)
    (tmp_path / "../elsewhere").unlink()


def test_a_blob_that_only_refers_to_a_file(tmp_path: Path) -> None:
    """Removing a symbolic link frees nothing."""
    target = put(tmp_path / "theirs", 30)
    (tmp_path / "blobs").mkdir()
    (tmp_path / f"blobs/sha256-{A}").symlink_to(target)
    found = survey(tmp_path, NOTHING)
    assert ({A: 0}, {A: 30}) == (dict(found.freeable), dict(found.linked_elsewhere))


def test_what_is_needed_is_no_leftover(tmp_path: Path) -> None:
    """Neither blobs, partial downloads, plans nor folders that somebody needs; strangers' files are left alone."""
    for name in (f"blobs/sha256-{A}", f"partials/sha256-{B}.part", f"partials/sha256-{B}.journal", "plans/t1.json"):
        put(tmp_path / name)
    put(tmp_path / "models/m/model.gguf")
    put(tmp_path / "blobs/README")
    put(tmp_path / "exports/mine.tar")
    assert survey(tmp_path, Needs({A}, {f"sha256-{B}"}, {"t1"}, {"m"})).leftovers == ()


def test_what_nobody_needs(tmp_path: Path) -> None:
    """Each by its kind, with what it frees; removed twice is removed once."""
    for name in ("blobs/sha256-" + A, "blobs/x.tmp", f"partials/sha256-{B}.part", "plans/t1.json", "plans/t2.tmp"):
        put(tmp_path / name)
    put(tmp_path / "models/gone/model.gguf")
    put(tmp_path / "models/m/deep/model.gguf.new")
    found = survey(tmp_path, Needs((), (), (), {"m"}))
    kinds = [(each.kind, each.bytes_freed) for each in found.leftovers]
    assert kinds == [
        ("blob", 10),
        ("draft", 10),
        ("partial", 10),
        ("plan", 10),
        ("plan", 10),
        ("folder", 0),
        ("draft", 0),
    ]
    for each in [*found.leftovers, *found.leftovers]:
        remove(each)
    assert [name for _, _, names in os.walk(tmp_path) for name in names] == []


def test_a_link_that_has_just_come_is_young(tmp_path: Path) -> None:
    """An old file that was linked in is as young as its link."""
    blob = put(tmp_path / f"blobs/sha256-{A}")
    os.utime(blob, (1, 1))
    (leftover,) = survey(tmp_path, NOTHING).leftovers
    assert leftover.touched > 1


def test_what_an_import_is_writing_is_left_alone(tmp_path: Path) -> None:
    """A bundle that comes in has its own folder, which is emptied at the start."""
    (tmp_path / "imports").mkdir()
    (tmp_path / "imports" / "draft").write_bytes(b"x")
    assert survey(tmp_path, NOTHING).leftovers == ()
