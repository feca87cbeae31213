from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse.core.errors import DiskError
from roundhouse.testing.builders import a_usage_record
from roundhouse.usage.spool import Spool

RECORDS = tuple(a_usage_record(f"r{number}", after_s=number) for number in range(5))


def test_gives_back_what_was_appended(tmp_path: Path) -> None:
    """Every fact of every record, in order, and where it ends."""
    with Spool(tmp_path / "spool") as spool:
        spool.append(RECORDS[:2])
        end = spool.append(RECORDS[2:])
        piece = spool.read(0)
    assert (RECORDS, 0, end) == (piece.records, piece.broken, piece.end)


def test_outlives_its_process(tmp_path: Path) -> None:
    """What was appended is there for whoever opens it next."""
    with Spool(tmp_path / "spool") as spool:
        spool.append(RECORDS)
    with Spool(tmp_path / "spool") as spool:
        assert RECORDS == spool.read(0).records


def test_goes_on_where_it_was_told(tmp_path: Path) -> None:
    """Reading from the end of a piece gives the next one, then nothing."""
    with Spool(tmp_path / "spool") as spool:
        middle = spool.append(RECORDS[:2])
        spool.append(RECORDS[2:])
        rest = spool.read(middle)
        assert (RECORDS[2:], ()) == (rest.records, spool.read(rest.end).records)


def test_reads_much_in_pieces(tmp_path: Path) -> None:
    """However much it holds, every record comes once."""
    with Spool(tmp_path / "spool") as spool:
        spool.append([a_usage_record(f"r{number}") for number in range(3000)])
        ids, position = [], 0
        while position < spool.size:
            piece = spool.read(position)
            ids += [record.id for record in piece.records]
            position = piece.end
    assert [f"r{number}" for number in range(3000)] == ids


def test_a_line_longer_than_a_piece_is_read_whole(tmp_path: Path) -> None:
    """No record is too long."""
    long = replace(a_usage_record(), requested="x" * 1_000_000)
    with Spool(tmp_path / "spool") as spool:
        spool.append([long])
        assert (long,) == spool.read(0).records


def test_a_line_cut_by_a_kill_does_not_swallow_the_next(tmp_path: Path) -> None:
    """The broken line is counted, its neighbours are whole."""
    path = tmp_path / "spool"
    with Spool(path) as spool:
        spool.append(RECORDS[:2])
    path.write_bytes(path.read_bytes()[:-10])
    with Spool(path) as spool:
        spool.append(RECORDS[2:])
        piece = spool.read(0)
    assert (RECORDS[:1] + RECORDS[2:], 1) == (piece.records, piece.broken)


def test_forgets_what_the_ledger_has(tmp_path: Path) -> None:
    """An empty spool takes no room."""
    with Spool(tmp_path / "spool") as spool:
        assert spool.forget(spool.append(RECORDS))
        assert (0, 0) == (spool.size, (tmp_path / "spool").stat().st_size)


def test_does_not_forget_what_came_meanwhile(tmp_path: Path) -> None:
    """Records behind the given end stay, and so does everything before them."""
    with Spool(tmp_path / "spool") as spool:
        end = spool.append(RECORDS[:1])
        spool.append(RECORDS[1:])
        assert not spool.forget(end)
        assert RECORDS[1:] == spool.read(end).records


def test_holds_what_json_cannot(tmp_path: Path) -> None:
    """Half a surrogate pair and absurd numbers are made to fit."""
    odd = replace(a_usage_record(), requested="a\ud800b", prompt_tokens=10**30)
    with Spool(tmp_path / "spool") as spool:
        spool.append([odd])
        [record] = spool.read(0).records
    assert ("a?b", 2**63 - 1) == (record.requested, record.prompt_tokens)


def test_a_folder_that_is_not_there_is_a_disk_error(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(DiskError, match="nowhere"):
        Spool(tmp_path / "nowhere" / "spool")


def test_a_full_disk_takes_all_or_nothing() -> None:
    """A refused batch is an error, and the caller still has it."""
    with Spool(Path("/dev/full")) as spool, pytest.raises(DiskError, match="No space left"):
        spool.append(RECORDS)


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    """Who asked for what is nobody else's business."""
    with Spool(tmp_path / "spool"):
        assert 0o600 == (tmp_path / "spool").stat().st_mode & 0o777
