from dataclasses import replace

import pytest
from tests.unit.upkeep.conftest import Bench

from roundhouse.core.artifacts import Plan, Transfer, TransferState
from roundhouse.core.errors import LicenseError, PolicyError
from roundhouse.library.admission import LicenseRules, PolicyRules
from roundhouse.testing.builders import NOON, an_artifact
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.licenses import MemoryLicenses
from roundhouse.upkeep import Pulls
from roundhouse.upkeep.admission import Admission, LicenseBook


def guarded(bench: Bench, **rules: object) -> LicenseBook:
    """Put a gate before the pulls of *bench*; its book."""
    book = LicenseBook(MemoryLicenses(), LicenseRules(), FakeClock())
    gate = Admission(PolicyRules(**rules), book, FakeClock())  # type: ignore[arg-type]
    sources = {"file": bench.source, "hf": bench.source}
    bench.pulls = Pulls(
        sources, bench.library, bench.transfers, FakeClock(), bench.jobs.start, bench.pulls._settings, gate
    )
    return book


def under_gemma(bench: Bench) -> None:
    """Let the source say that its model comes under a licence that has to be agreed to."""
    plain = bench.source.resolve

    async def resolve(ref: str) -> Plan:
        return replace(await plain(ref), license="gemma")

    bench.source.resolve = resolve  # type: ignore[method-assign]


async def test_a_license_that_nobody_accepted_stops_a_pull_before_it_begins(bench: Bench) -> None:
    """No transfer, no byte."""
    guarded(bench)
    under_gemma(bench)
    with pytest.raises(LicenseError):
        await bench.pulls.start("hf:a/tiny", by="ada")
    assert ([], []) == (list(await bench.pulls.list()), bench.source.opened)


async def test_an_accepted_license_lets_the_pull_through(bench: Bench) -> None:
    """And is written on the model."""
    book = guarded(bench)
    under_gemma(bench)
    _, digest = book.of_artifact(replace(an_artifact(), license="gemma", license_digest=None))
    await book.accept(digest, "gemma", "ada")
    started = await bench.pulls.start("hf:a/tiny", by="ada")
    await bench.jobs.wait(started.id)
    (held,) = await bench.library.list()
    assert ("ada", "gemma", digest) == (started.principal, held.license, held.license_digest)


async def test_the_gate_is_passed_again_in_the_job(bench: Bench) -> None:
    """An agreement that was taken back while the pull waited is none."""
    book = guarded(bench)
    under_gemma(bench)
    _, digest = book.of_artifact(replace(an_artifact(), license="gemma", license_digest=None))
    await book.accept(digest, "gemma", "ada")
    await bench.transfers.put(Transfer("t1", "hf:a/tiny", TransferState.QUEUED, NOON, NOON, principal="ada"))
    await book.revoke(digest, "ada")
    await bench.pulls.recover()
    await bench.jobs.wait("t1")
    failed = (await bench.pulls.progress("t1")).transfer
    assert (TransferState.FAILED, "E_LICENSE", []) == (
        failed.state,
        (failed.error or {})["code"],
        bench.source.opened,
    )


@pytest.mark.parametrize("rules", [{"blocked_owners": ["a"]}, {"max_file_size": 10}, {"formats": ["safetensors"]}])
async def test_rules_stop_a_pull_before_it_begins(bench: Bench, rules: dict[str, object]) -> None:
    """By whose it is, how large it is, what it is; a dry run says the same."""
    guarded(bench, **rules)
    for attempt in (bench.pulls.start, bench.pulls.preview):
        with pytest.raises(PolicyError):
            await attempt("hf:a/tiny")
    assert ([], []) == (list(await bench.pulls.list()), bench.source.opened)


async def test_a_dry_run_tells_that_a_license_has_to_be_accepted(bench: Bench) -> None:
    """It is a plan, not a refusal."""
    guarded(bench)
    under_gemma(bench)
    assert "needed" == (await bench.pulls.preview("hf:a/tiny", by="ada")).license_state
