"""What becomes of a deployment's and its backend's breaker, case by case.

One letter per call, made and ended at once: ``s`` succeeded, ``f`` failed, ``n`` unreachable, ``l`` rate limited,
``r`` refused with a 4xx, ``c`` cancelled; ``p`` is a call that is left under way, ``.`` one second, ``:`` ten, ``!`` a
call in spite of the breaker that succeeds, ``?`` the same that fails; ``x`` is a check that finds the backend ill, and
``o`` one that finds it well. Jitter is off. Outcome: the state of the
deployment's breaker and of its backend's: ``-`` closed, ``O`` open, ``H`` half-open.
"""

import pytest

from roundhouse.health.breaker import State
from roundhouse.health.standing import Permit, Standing, Standings

_SIGNS = {State.CLOSED: "-", State.OPEN: "O", State.HALF_OPEN: "H"}

#: Half of ten, never five in a row.
_HALF = "sfsfsfsfsf"

_CASES = [
    # five in a row
    ("", "--"),
    ("f", "--"),
    ("ffff", "--"),
    ("fffff", "O-"),
    ("ffff.....f", "O-"),
    ("ffff::::::f", "O-"),
    ("ffffsffff", "--"),
    ("ffffs....fffff", "O-"),
    ("nnnn", "--"),
    ("nnnnn", "OO"),
    ("ffnnn", "O-"),
    ("nnffnnn", "O-"),
    ("nnnnsnnnn", "--"),
    # what proves nothing
    ("llllllllllll", "--"),
    ("rrrrrrrrrrrr", "--"),
    ("cccccccccccc", "--"),
    ("fffflf", "O-"),
    ("ffffrf", "O-"),
    ("ffffcf", "O-"),
    ("ffffl", "--"),
    ("ffffr", "--"),
    ("ffffc", "--"),
    ("flflflfl", "--"),
    ("slslslsl", "--"),
    ("rlcrlcrlcrlc", "--"),
    # half of ten
    ("sfsfsfsfs", "--"),
    (_HALF, "O-"),
    ("fsfsfsfsf", "--"),
    ("fsfsfsfsfs", "--"),
    ("fsfsfsfsfsf", "O-"),
    ("ssssssffff", "--"),
    ("sssssffff", "--"),
    ("sssssfffff", "O-"),
    ("ssssssfsfsff", "--"),
    ("sfsfsfsfslf", "O-"),
    ("sfsfsfsfsrf", "O-"),
    ("sfsfsfsfscf", "O-"),
    ("sfsfsfsfs.f", "O-"),
    ("sfsfsfsfs::f", "O-"),
    ("sfsfsfsfs:::f", "--"),
    ("sf:sf:sf:sf:sf", "--"),
    ("snsnsnsnsn", "OO"),
    ("snsfsnsfsn", "O-"),
    # when it is open
    ("fffff.........", "O-"),
    ("fffff:", "H-"),
    ("fffff:s", "--"),
    ("fffff:f", "O-"),
    ("fffff:f:", "O-"),
    ("fffff:f::", "H-"),
    ("fffff:f::f:::", "O-"),
    ("fffff:f::f::::", "H-"),
    ("fffff:c", "H-"),
    ("fffff:r", "H-"),
    ("fffff:ps", "H-"),
    ("nnnnn:", "HH"),
    ("nnnnn:s", "--"),
    ("nnnnn:n", "OO"),
    ("nnnnn:f", "OH"),
    ("fffff!", "--"),
    ("fffff?", "O-"),
    ("fffff:s" + _HALF[:9], "--"),
    (_HALF + ":s" + "ffff", "--"),
    (_HALF + ":s" + _HALF, "O-"),
    ("fffff" + "s", "O-"),
    # when a check holds it
    ("x", "-O"),
    ("xo", "--"),
    ("xfffff", "-O"),
    ("xfffffo", "--"),
    ("x::::::", "-O"),
    ("x!", "--"),
    ("x?", "-O"),
    ("x?????", "OO"),
    ("x?????o", "O-"),
    ("fffffx", "OO"),
    ("fffffxo", "O-"),
    ("fffffx:", "HO"),
    ("fffffx:o", "H-"),
    ("fffffx:os", "--"),
    ("fffffx!", "--"),
    ("nnnnnx", "OO"),
    ("nnnnnx:o", "HH"),
    ("nnnnnx:os", "--"),
]  # fmt: skip


def _end(permit: Permit, how: str, now: float) -> None:
    if how in "s!":
        permit.succeeded(now, 1.0)
    elif how in "f?":
        permit.failed(now)
    elif how == "n":
        permit.failed(now, unreachable=True)
    elif how == "l":
        permit.limited(now, 0.0)
    elif how == "r":
        permit.refused(now)
    elif how == "c":
        permit.released()


def _play(script: str) -> tuple[Standing, float]:
    standing, now = Standings(lambda: 0.5).of("a/m", "a"), 0.0
    for step in script:
        if step in ".:":
            now += 1.0 if step == "." else 10.0
            continue
        if step in "xo":
            (standing.backend_breaker.hold if step == "x" else standing.backend_breaker.release)()
            continue
        permit = standing.admit(now, despite_breaker=step in "!?")
        if permit is not None:
            _end(permit, step, now)
    return standing, now


@pytest.mark.parametrize(("script", "expected"), _CASES)
def test_the_table_holds(script: str, expected: str) -> None:
    """Each row is what the policy says in words."""
    standing, now = _play(script)
    assert expected == _SIGNS[standing.breaker.state(now)] + _SIGNS[standing.backend_breaker.state(now)]


def test_the_table_has_sixty_rows() -> None:
    """So many were promised, and none twice."""
    assert 60 <= len({script for script, _ in _CASES}) == len(_CASES)
