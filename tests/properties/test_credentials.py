"""Whatever somebody sends as a credential, the answer is a decision."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from roundhouse.access.guard import Guard
from roundhouse.access.keys import Keyring, mint
from roundhouse.access.permissions import Role
from roundhouse.access.principal import Principal
from roundhouse.core.errors import AuthError, ForbiddenError

RING = Keyring(b"pepper")
RING.add(mint(bytes), Principal("admin", Role.ADMIN))
GUARD = Guard(RING)
HEADERS = st.sampled_from([b"authorization", b"x-api-key", b"origin", b"host", b"x-forwarded-for", b"cookie"])
VALUES = st.binary(max_size=200) | st.sampled_from(
    [b"Bearer rh-", b"Bearer \x00", b"null", b"127.0.0.1:8484", b"[::1]:1"]
)


@given(st.lists(st.tuples(HEADERS, VALUES), max_size=6), st.sampled_from(["127.0.0.1", "10.0.0.1", "x", "::1", None]))
def test_any_headers_are_a_decision(headers: list[tuple[bytes, bytes]], peer: str | None) -> None:
    """Nothing but ours leaves the guard, and nobody becomes an admin by accident."""
    with contextlib.suppress(AuthError, ForbiddenError):
        assert GUARD.authenticate(peer, headers).role is Role.USER


@given(st.binary(max_size=100))
def test_a_guessed_key_is_nobody(guess: bytes) -> None:
    """Only the very key opens."""
    assert RING.recognise("rh-" + guess.decode("latin-1")) is None
