"""Whatever is in the records and wherever a kill cuts the file: whole lines come back, as they were."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from roundhouse.core.ledger import AttemptRecord, UsageRecord
from roundhouse.usage.spool import Spool

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
counts = st.integers(0, 2**63 - 1)
times = st.floats(0, 1e9)
attempts = st.builds(AttemptRecord, texts, texts, times)
records = st.builds(
    UsageRecord,
    id=texts,
    at=st.datetimes(datetime(1970, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - Hypothesis adds the zone
    principal=texts,
    operation=texts,
    requested=texts,
    model=st.none() | texts,
    backend=st.none() | texts,
    prompt_tokens=counts,
    completion_tokens=counts,
    cached_tokens=counts,
    cost_usd=st.none() | times,
    latency_ms=times,
    first_token_ms=st.none() | times,
    overhead_ms=times,
    stream=st.booleans(),
    outcome=texts,
    attempts=st.lists(attempts, max_size=3).map(tuple),
    estimated=st.booleans(),
)


@given(st.lists(st.lists(records, max_size=3), max_size=4))
def test_what_goes_in_comes_out(batches: list[list[UsageRecord]]) -> None:
    """Any records, in any batches."""
    with tempfile.TemporaryDirectory() as folder, Spool(Path(folder) / "spool") as spool:
        for batch in batches:
            spool.append(batch)
        assert [record for batch in batches for record in batch] == list(spool.read(0).records)


@given(st.lists(records, min_size=1, max_size=4), st.data())
def test_a_cut_anywhere_costs_only_what_stood_behind_it(batch: list[UsageRecord], data: st.DataObject) -> None:
    """A kill in the middle of a write keeps every line that was whole."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spool"
        with Spool(path) as spool:
            ends = [spool.append([record]) for record in batch]
        cut = data.draw(st.integers(0, ends[-1] - 2))
        path.write_bytes(path.read_bytes()[:cut])
        with Spool(path) as spool:
            piece = spool.read(0)
    whole = sum(end - 1 <= cut for end in ends)  # all but its line break is a whole record
    assert batch[:whole] == list(piece.records)
