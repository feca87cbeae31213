from roundhouse.access.permissions import GRANTS, Permission, Role


def test_every_role_has_a_row() -> None:
    """A role that the table forgets would fail at the first request instead of here."""
    assert set(Role) == GRANTS.keys()


def test_admin_may_do_everything() -> None:
    """A permission added later belongs to the admin without anybody remembering it."""
    assert frozenset(Permission) == GRANTS[Role.ADMIN]


def test_a_user_manages_nothing() -> None:
    """Whoever needs no key may infer and look."""
    assert not [permission for permission in GRANTS[Role.USER] if permission.value.endswith(".manage")]
