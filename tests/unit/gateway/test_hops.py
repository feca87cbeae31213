import pytest

from roundhouse.core.errors import LoopError, SchemaError
from roundhouse.gateway.headers import MOST_HOPS, hops


def asked(*values: str) -> list[tuple[bytes, bytes]]:
    """The headers of a request."""
    return [(b"x-roundhouse-hops", value.encode("latin-1")) for value in values]


@pytest.mark.parametrize(
    ("values", "expected"),
    [((), ()), (("a",), ("a",)), (("a, b,c",), ("a", "b", "c")), (("a", "b"), ("a", "b"))],
)
def test_the_nodes_that_passed_it_on(values: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """The first one first, in one header or in several."""
    assert expected == hops(asked(*values), "here")


@pytest.mark.parametrize("value", ["", "a,,b", "a b", "ä", "x" * 65, "x" * 5000, "a;b", ","])
def test_what_names_no_nodes_is_refused(value: str) -> None:
    """It would be sent on as it is."""
    with pytest.raises(SchemaError, match="x-roundhouse-hops") as caught:
        hops(asked(value), "here")
    assert "x-roundhouse-hops" == caught.value.details["param"]


def test_a_request_that_was_here_is_refused() -> None:
    """Wherever in the list we are, however broken the rest."""
    for value in ("here", "a, here", "here, b", "?, here"):
        with pytest.raises(LoopError) as caught:
            hops(asked(value), "here")
        assert (508, "E_NOROUTE") == (caught.value.status, caught.value.code)


def test_a_request_goes_only_so_far() -> None:
    """Also where no node is twice."""
    nodes = [f"n{number}" for number in range(MOST_HOPS + 1)]
    assert MOST_HOPS == len(hops(asked(", ".join(nodes[1:])), "here"))
    with pytest.raises(LoopError, match="5 nodes"):
        hops(asked(", ".join(nodes)), "here")
