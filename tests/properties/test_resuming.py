"""Whatever a kill leaves on the disk, the next run ends with the right bytes, or says that they are wrong."""

import hashlib
import os
import random
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from roundhouse.core.artifacts import Digest
from roundhouse.core.errors import VerifyError
from roundhouse.transfers.partial import Partial
from roundhouse.transfers.spans import gaps

DATA = random.Random(5).randbytes(3_000)
DIGEST = Digest(hashlib.sha256(DATA).hexdigest())
CHUNK = 256

#: How far a run gets, how much of the unsynced tail and of the journal's end survives it, and which byte flips.
RUN = st.tuples(
    st.integers(0, len(DATA)), st.integers(0, CHUNK), st.integers(0, 90), st.none() | st.integers(0, len(DATA) - 1)
)


def append(partial: Partial, data: bytes | bytearray) -> None:
    """Go on writing at the first gap, as far as it reaches."""
    for begin, end in list(gaps(partial.spans, len(DATA))):
        stretch = partial.stretch(begin)
        stretch.write(data[begin:end])
        partial.end(stretch)


def killed(folder: Path, run: tuple[int, int, int, int | None]) -> None:
    """One run that goes on from what is there, and dies."""
    until, tail_lost, journal_lost, flipped = run
    partial = Partial(folder, "key", CHUNK)
    begin = random.Random(until).randrange(len(DATA))
    for first, last in ((begin, until), (partial.written, until)):
        stretch = partial.stretch(first)
        stretch.write(DATA[first : max(first, last)])
        partial.commit()
    partial._journal.close()  # no commit: a kill tidies nothing up
    os.close(partial._descriptor)
    (folder / "key.owner").unlink()
    data, journal = folder / "key.part", folder / "key.journal"
    safe = max((chunk.end for chunk in partial._chunks), default=0)
    data.write_bytes(data.read_bytes()[: max(safe, data.stat().st_size - tail_lost)])
    journal.write_bytes(journal.read_bytes()[: max(0, journal.stat().st_size - journal_lost)])
    if flipped is not None and flipped < data.stat().st_size:
        raw = bytearray(data.read_bytes())
        raw[flipped] ^= 0x40
        data.write_bytes(raw)


@given(runs=st.lists(RUN, max_size=6))
def test_any_row_of_kills_ends_in_the_right_digest(runs: list[tuple[int, int, int, int | None]]) -> None:
    """Kills, lost tails, torn journals and flipped bits in any order."""
    with tempfile.TemporaryDirectory() as name:
        for run in runs:
            killed(Path(name), run)
        partial = Partial(Path(name), "key", CHUNK)
        append(partial, DATA)
        assert partial.finish(DIGEST, lambda digest: Path(name) / digest) == DIGEST
        partial.close()
        assert (Path(name) / DIGEST).read_bytes() == DATA


@given(position=st.integers(0, len(DATA) - 1), run=RUN)
def test_wrong_bytes_from_the_source_never_get_in_place(position: int, run: tuple[int, int, int, int | None]) -> None:
    """Also when the rest came from an earlier run."""
    wrong = bytearray(DATA)
    wrong[position] ^= 1
    with tempfile.TemporaryDirectory() as name:
        killed(Path(name), run)
        partial = Partial(Path(name), "key", CHUNK)
        honest = any(begin <= position < end for begin, end in partial.spans)
        append(partial, wrong)
        try:
            partial.finish(DIGEST, lambda digest: Path(name) / digest)
        except VerifyError:
            assert not honest
        else:
            assert honest
        partial.close()
        assert honest == (Path(name) / DIGEST).exists()
