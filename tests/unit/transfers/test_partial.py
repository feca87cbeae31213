import errno
import hashlib
import os
from pathlib import Path

import pytest

from roundhouse.core.artifacts import Digest
from roundhouse.core.errors import VerifyError
from roundhouse.transfers.partial import Partial, remove_leftovers

DATA = bytes(range(250)) * 4
DIGEST = Digest(hashlib.sha256(DATA).hexdigest())


def a_partial(folder: Path) -> Partial:
    """A partial file that journals every hundred bytes."""
    return Partial(folder, "key", 100)


def append(partial: Partial, data: bytes) -> None:
    """Go on writing behind what has been written."""
    stretch = partial._stretches[-1] if partial._stretches else partial.stretch(partial.written)
    stretch.write(data)
    partial.commit()


def test_a_new_file_begins_at_nothing(tmp_path: Path) -> None:
    """Nothing is written and nothing is safe."""
    partial = a_partial(tmp_path)
    assert (0, 0) == (partial.written, partial.journaled)
    partial.close()


def test_only_whole_chunks_are_journaled_on_the_way(tmp_path: Path) -> None:
    """Between two lines of the journal bytes are written but not safe."""
    partial = a_partial(tmp_path)
    append(partial, DATA[:250])
    assert (250, 200) == (partial.written, partial.journaled)
    partial.close()


def test_a_closed_file_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Closing makes the chunk under way safe too."""
    first = a_partial(tmp_path)
    append(first, DATA[:250])
    first.close()
    second = a_partial(tmp_path)
    append(second, DATA[second.written :])
    assert second.finish(DIGEST, lambda digest: tmp_path / digest) == DIGEST
    second.close()
    assert (tmp_path / DIGEST).read_bytes() == DATA


def test_it_tells_its_chunks_without_a_gap(tmp_path: Path) -> None:
    """Also across a stop in the middle of one: the next fall into step again, and the last may be short."""
    first = a_partial(tmp_path)
    append(first, DATA[:250])
    first.close()
    second = a_partial(tmp_path)
    append(second, DATA[250:430])
    second.end(second._stretches[-1])
    lengths = [(each.offset, each.length) for each in second.chunks]
    assert [(0, 100), (100, 100), (200, 50), (250, 50), (300, 100), (400, 30)] == lengths
    assert all(each.digest == hashlib.sha256(DATA[each.offset : each.end]).hexdigest() for each in second.chunks)
    second.close()


def test_starting_over_forgets_its_chunks(tmp_path: Path) -> None:
    """What is told is what is in the file."""
    partial = a_partial(tmp_path)
    append(partial, DATA[:250])
    partial.restart()
    assert [] == list(partial.chunks)
    partial.close()


def test_bytes_without_a_line_in_the_journal_are_not_believed(tmp_path: Path) -> None:
    """A kill leaves bytes behind the last line; they are cut off."""
    first = a_partial(tmp_path)
    append(first, DATA[:200])
    first.close()
    with (tmp_path / "key.part").open("ab") as file:
        file.write(b"garbage")
    second = a_partial(tmp_path)
    assert (200, 200) == (second.written, (tmp_path / "key.part").stat().st_size)
    second.close()


@pytest.mark.parametrize("flipped", [0, 99, 100, 150, 299])
def test_a_flipped_bit_costs_its_chunk(tmp_path: Path, flipped: int) -> None:
    """Journaled bytes are read again before anything is put behind them."""
    first = a_partial(tmp_path)
    append(first, DATA[:300])
    first.close()
    raw = bytearray((tmp_path / "key.part").read_bytes())
    raw[flipped] ^= 1
    (tmp_path / "key.part").write_bytes(raw)
    second = a_partial(tmp_path)
    assert (flipped // 100 * 100, 200) == (second.written, second.journaled)
    append(second, DATA[second.written : second.written + 100])
    second.end(second._stretches[-1])
    append(second, DATA[300:])
    assert second.finish(DIGEST, lambda digest: tmp_path / digest) == DIGEST
    second.close()


def test_a_shorter_file_than_its_journal_says_is_cut_back(tmp_path: Path) -> None:
    """A truncated file keeps its whole chunks."""
    first = a_partial(tmp_path)
    append(first, DATA[:300])
    first.close()
    (tmp_path / "key.part").write_bytes(DATA[:199])
    second = a_partial(tmp_path)
    assert second.written == 100
    second.close()


def test_wrong_bytes_leave_nothing(tmp_path: Path) -> None:
    """A digest that does not fit is E_VERIFY, and no file of it remains."""
    partial = a_partial(tmp_path / "partials")
    append(partial, b"something else")
    with pytest.raises(VerifyError) as caught:
        partial.finish(DIGEST, lambda digest: tmp_path / "blobs" / digest)
    partial.close()
    assert DIGEST == caught.value.details["expected"]
    assert [] == [path for path in tmp_path.rglob("*") if path.is_file()]


def test_starting_over_forgets_every_byte(tmp_path: Path) -> None:
    """After a restart the digest is that of the new bytes alone."""
    partial = a_partial(tmp_path)
    append(partial, b"x" * 150)
    partial.restart()
    assert (0, 0) == (partial.written, partial.journaled)
    append(partial, DATA)
    assert partial.finish(DIGEST, lambda digest: tmp_path / digest) == DIGEST
    partial.close()


def test_after_a_refused_write_nothing_more_is_written_or_journaled(tmp_path: Path) -> None:
    """A disk that failed once is not trusted to have the bytes that came before."""
    partial = a_partial(tmp_path)
    append(partial, DATA[:150])
    partial._failure = OSError(errno.ENOSPC, "no space")
    with pytest.raises(OSError, match="no space"):
        append(partial, DATA[150:])
    partial.close()
    assert a_closed_length(tmp_path) == 100


def a_closed_length(folder: Path) -> int:
    """How far a partial file is when it is opened again."""
    partial = a_partial(folder)
    partial.close()
    return partial.written


def test_without_a_promise_the_digest_is_what_came(tmp_path: Path) -> None:
    """A file that nobody vouched for is named by its own bytes."""
    partial = a_partial(tmp_path)
    append(partial, DATA)
    assert partial.finish(None, lambda digest: tmp_path / digest) == DIGEST
    partial.close()


def test_stretches_come_in_any_order(tmp_path: Path) -> None:
    """And are one file in the end, across a stop as well."""
    first = a_partial(tmp_path)
    for begin in (600, 100):
        first.stretch(begin).write(DATA[begin : begin + 250])
    first.close()
    second = a_partial(tmp_path)
    assert [(100, 350), (600, 850)] == list(second.spans)
    for begin, end in ((850, 1000), (350, 600), (0, 100)):
        second.stretch(begin).write(DATA[begin:end])
    assert second.finish(DIGEST, lambda digest: tmp_path / digest) == DIGEST
    second.close()


def test_chunks_of_one_stream_by_an_older_release_are_understood(tmp_path: Path) -> None:
    """Its journal was the same lines, one behind the other."""
    (tmp_path / "key.part").write_bytes(DATA[:200] + b"unsynced")
    lines = [f"{at} 100 {hashlib.sha256(DATA[at : at + 100]).hexdigest()}\n" for at in (0, 100)]
    (tmp_path / "key.journal").write_text("".join(lines))
    partial = a_partial(tmp_path)
    assert (200, 200) == (partial.written, partial.journaled)
    partial.close()


def test_it_remembers_which_version_its_bytes_are_of(tmp_path: Path) -> None:
    """As long as there are any."""
    first = a_partial(tmp_path)
    first.note('"one two"')
    append(first, DATA[:100])
    first.close()
    second = a_partial(tmp_path)
    told = second.version
    second.restart()
    assert ('"one two"', None) == (told, second.version)
    second.close()


def test_who_comes_second_works_beside_and_leaves_nothing(tmp_path: Path) -> None:
    """Two owners of one file would be two writers of one file."""
    first, second = a_partial(tmp_path), a_partial(tmp_path)
    append(first, DATA[:100])
    append(second, DATA[:100])
    second.close()
    first.close()
    assert {"key.part", "key.journal"} == {path.name for path in tmp_path.iterdir()}


def test_leftovers_of_a_kill_are_removed(tmp_path: Path) -> None:
    """What a kill left between the rename and the journal's end goes away."""
    (tmp_path / "key.journal").touch()
    remove_leftovers(tmp_path, "key")
    assert [] == list(tmp_path.iterdir())


def test_a_line_is_written_only_after_its_bytes_are_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other way round, a power cut could leave a line that vouches for bytes that are not there."""
    partial = a_partial(tmp_path)
    order: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _: order.append("sync"))
    monkeypatch.setattr(partial._journal, "append", lambda *_: order.append("line"))
    append(partial, DATA[:100])
    assert ["sync", "line"] == order
    partial.close()
