"""Who asks. Knows nothing about how they were recognised."""

from __future__ import annotations

from dataclasses import dataclass

from roundhouse.access.permissions import GRANTS, Permission, Role


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody with a role; the name is what usage records say."""

    name: str
    role: Role

    def can(self, permission: Permission) -> bool:
        """Whether the role grants *permission*."""
        return permission in GRANTS[self.role]


#: Whoever sits at this machine and shows no key.
LOCAL_USER = Principal("local", Role.USER)
