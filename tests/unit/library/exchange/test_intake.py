import hashlib
from pathlib import Path

import pytest

from roundhouse.core.artifacts import Digest
from roundhouse.core.errors import DiskError, VerifyError
from roundhouse.library import Blobs
from roundhouse.library.exchange.intake import Intake, Part

DATA = b"some bytes"
DIGEST = Digest(hashlib.sha256(DATA).hexdigest())


@pytest.fixture
def intake(tmp_path: Path) -> Intake:
    """An empty one."""
    return Intake(tmp_path / "imports" / "x", Blobs(tmp_path / "blobs"))


def received(intake: Intake, data: bytes, *, keep: bool = True) -> None:
    """Take in one file."""
    part = intake.begin(DIGEST, keep=keep)
    try:
        part.write(data)
        part.finish()
    finally:
        part.close()


def test_nothing_is_in_its_place_before_all_is(intake: Intake, tmp_path: Path) -> None:
    """Landing puts it there, clearing leaves nothing else."""
    received(intake, DATA)
    assert not (tmp_path / "blobs").exists()
    intake.land()
    intake.clear()
    assert DATA == (tmp_path / "blobs" / f"sha256-{DIGEST}").read_bytes()
    assert [] == list((tmp_path / "imports").iterdir())


def test_what_is_only_checked_is_not_written(intake: Intake, tmp_path: Path) -> None:
    """Neither there nor elsewhere."""
    received(intake, DATA, keep=False)
    intake.land()
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("keep", [True, False])
def test_other_bytes_are_refused(intake: Intake, *, keep: bool) -> None:
    """By their digest."""
    with pytest.raises(VerifyError, match="other bytes"):
        received(intake, DATA + b"!", keep=keep)


def test_a_full_disk_is_told() -> None:
    """As a refusal of the disk, with what to do."""
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(DiskError) as raised:
        Part(DIGEST, full).write(DATA)
    assert "import again" in str(raised.value.hint)
