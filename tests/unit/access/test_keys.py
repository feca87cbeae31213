import itertools

import pytest

from roundhouse.access.keys import KeyRecord, Keyring, kid_of, mint
from roundhouse.access.permissions import Role
from roundhouse.access.principal import Principal

ADMIN = Principal("admin", Role.ADMIN)
COUNTER = itertools.count(1)


def key() -> str:
    """A new key, never the same twice."""
    return mint(lambda size: next(COUNTER).to_bytes(4, "big") * (size // 4))


def test_a_key_has_our_form() -> None:
    """A scanner can recognise a leaked key by its form alone."""
    minted = key()
    assert minted.startswith("rh-")
    assert [2, 8, 49] == [len(part) for part in minted.split("-")]


def test_kid_is_the_public_part() -> None:
    """The kid may be shown; it finds the record."""
    minted = key()
    assert kid_of(minted) == minted.split("-")[1]


@pytest.mark.parametrize("position", [3, 8, 12, 30, 60])
def test_a_typing_mistake_has_no_kid(position: int) -> None:
    """The checksum tells a mistyped key from an unknown one."""
    minted = key()
    other = "a" if minted[position] != "a" else "b"
    assert kid_of(minted[:position] + other + minted[position + 1 :]) is None


def test_a_known_key_is_recognised() -> None:
    """A key that was added is its owner."""
    ring, minted = Keyring(b"pepper"), key()
    ring.add(minted, ADMIN)
    assert ring.recognise(minted) == ADMIN


def test_an_unknown_key_is_nobody() -> None:
    """A well-formed key that nobody added is nobody's."""
    ring = Keyring(b"pepper")
    ring.add(key(), ADMIN)
    assert ring.recognise(key()) is None


def test_the_same_kid_with_another_secret_is_nobody() -> None:
    """Knowing the public part opens nothing."""
    ring, minted = Keyring(b"pepper"), mint(bytes)
    ring.add(minted, ADMIN)
    forged = mint(lambda size: bytes(size) if size == 8 else b"\1" * size)
    assert kid_of(forged) == kid_of(minted)
    assert ring.recognise(forged) is None


def test_the_stored_value_is_no_credential() -> None:
    """Whoever steals the table cannot log in with what is in it (the pass-the-hash class)."""
    ring, minted = Keyring(b"pepper"), key()
    record = ring.add(minted, ADMIN)
    assert record is not None
    assert ring.recognise(f"rh-{record.kid}-{record.mac.hex()}") is None


def test_another_pepper_recognises_nothing() -> None:
    """A table without its pepper is noise."""
    minted = key()
    record = Keyring(b"one").add(minted, ADMIN)
    assert record is not None
    assert Keyring(b"two", [record]).recognise(minted) is None


def test_a_key_of_another_form_is_not_added() -> None:
    """What would never be recognised is not accepted either."""
    assert Keyring(b"pepper").add("sk-something", ADMIN) is None


def test_repr_hides_the_mac() -> None:
    """A record in a log gives nothing away."""
    assert "mac" not in repr(KeyRecord("12345678", b"very secret", ADMIN))
