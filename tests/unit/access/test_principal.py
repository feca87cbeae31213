from roundhouse.access.permissions import Permission, Role
from roundhouse.access.principal import LOCAL_USER, Principal


def test_local_user_may_infer() -> None:
    """No key is needed on one's own machine to ask a model."""
    assert LOCAL_USER.can(Permission.INFER)


def test_local_user_may_not_manage() -> None:
    """Managing needs a key."""
    assert not LOCAL_USER.can(Permission.MODELS_MANAGE)


def test_admin_may_manage() -> None:
    """The role decides, not the name."""
    assert Principal("anybody", Role.ADMIN).can(Permission.MODELS_MANAGE)
