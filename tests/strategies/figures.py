"""Figures as runtimes tell them, those that cannot be among them."""

from hypothesis import strategies as st

from roundhouse.core.runtimes import Traits

#: Zero, less than nothing, what is usual, and what no machine has; all that JSON can say.
figures = st.none() | st.integers(-(10**6), 10**6) | st.integers(-(10**400), 10**400)
durations = st.none() | st.floats(allow_nan=False, allow_infinity=False)
traits = st.builds(
    Traits,
    context_max=figures,
    slots=figures,
    dimension=figures,
    parameters=figures,
    memory=figures,
    vram=figures,
    size=figures,
    load_s=durations,
)
