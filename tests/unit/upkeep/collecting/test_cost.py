from dataclasses import replace
from datetime import timedelta

from roundhouse.core.artifacts import Transfer, TransferState
from roundhouse.testing.builders import NOON, a_file, a_transfer, an_artifact
from roundhouse.upkeep.collecting.cost import DEFAULT_RATE, measured_rate, refetch


def a_pull(seconds: float, size: int = 1 << 30, ref: str = "hf:a/b") -> Transfer:
    """A download that took so long."""
    after = NOON + timedelta(seconds=seconds)
    state = TransferState.DONE
    return replace(a_transfer(), state=state, ref=ref, bytes_total=size, created_at=NOON, updated_at=after)


def test_the_rate_is_the_middle_of_what_was_measured() -> None:
    """One slow night does not tell about the line."""
    assert measured_rate([a_pull(64), a_pull(128), a_pull(99_999)]) == (1 << 30) / 128


def test_what_tells_nothing_about_the_line() -> None:
    """Small ones, local ones, unfinished ones: then it is a guess."""
    silent = [a_pull(9, size=100), a_pull(9, ref="file:/x"), a_pull(0), replace(a_pull(9), state=TransferState.FAILED)]
    assert measured_rate(silent) == DEFAULT_RATE


def test_what_cannot_be_fetched_again_is_dear() -> None:
    """However small it is."""
    price = refetch([], offline=False)
    remote, why = price(an_artifact("m", a_file(size=1 << 40)))
    local, because = price(replace(an_artifact("m"), source="file"))
    assert (why, because) == (None, "could not be fetched again: it came from file:")
    assert local > remote > (1 << 40) / DEFAULT_RATE


def test_what_is_in_quarantine_could_not_be_brought_again() -> None:
    """So nobody takes it for something that comes back."""
    artifact = an_artifact("m")
    _, why = refetch([], offline=False, quarantined={artifact.files[0].digest})(artifact)
    assert why == "could not be fetched again when it was repaired: its bytes are in quarantine"
