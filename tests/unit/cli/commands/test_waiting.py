import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse.cli.commands.waiting import told
from roundhouse.gateway.sse import OpenAIEvents
from roundhouse.serving.admission.rules import Waiting

_PERHAPS = st.none() | st.floats(0, 1e6)


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("queued position=3 eta_s=12", "queued, place 3, about 12 s"),
        ("queued position=1", "queued, place 1"),
        ("loading progress=0.40 eta_s=6", "loading, 40 %, about 6 s"),
        ("loading eta_s=125", "loading, about 2 min 5 s"),
        ("loading", "loading …"),
        ("waiting", "waiting …"),
        ("queued position=many eta_s=-1", "queued …"),
        ("heartbeat", None),
        ("", None),
    ],
)
def test_what_is_waited_for_in_words(comment: str, expected: str | None) -> None:
    """What is not known is left out, and so is what nobody says."""
    assert expected == told(comment)


@given(
    st.builds(
        Waiting,
        st.sampled_from(["queued", "loading"]),
        st.just("m"),
        st.just("b"),
        st.none() | st.integers(1, 999),
        _PERHAPS,
        st.none() | st.floats(0, 1),
    )
)
def test_whatever_the_gateway_says_is_understood(waiting: Waiting) -> None:
    """Each figure that is told has its place."""
    words = told(OpenAIEvents().waiting(waiting).decode().strip().removeprefix(":").strip())
    assert words is not None
    figures = (waiting.position, waiting.progress, waiting.eta_s)
    assert len([each for each in figures if each is not None]) == words.count(", ")


@given(st.text())
def test_nothing_foreign_is_shown(comment: str) -> None:
    """The words are ours, whoever wrote the comment."""
    words = told(comment)
    assert words is None or set(words) <= set("queuedloadingwaitingplaceaboutsminh0123456789.,% …")
