"""What can be allowed, and which role is allowed what: the one table. Knows nothing about who has which role."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Permission(StrEnum):
    """One thing that somebody may do."""

    #: Ask a model, and ask which one would answer.
    INFER = "infer"
    #: See models and transfers.
    MODELS_READ = "models.read"
    #: Pull, verify and remove models.
    MODELS_MANAGE = "models.manage"
    #: Agree to licences on one's own behalf, which opens their models to everybody here.
    LICENSES_ACCEPT = "licenses.accept"
    #: Let the server read folders outside its home, to adopt the models in them.
    MODELS_MIGRATE = "models.migrate"
    #: See backends, health and the first page.
    STATUS_READ = "status.read"
    #: Make backends do things.
    BACKENDS_MANAGE = "backends.manage"
    #: Follow what happens to models, transfers and backends.
    EVENTS_READ = "events.read"
    #: See who used what.
    USAGE_READ = "usage.read"


class Role(StrEnum):
    """A set of permissions with a name."""

    USER = "user"
    ADMIN = "admin"


#: What each role may do. What is not named here is denied.
GRANTS: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.USER: frozenset(
            {
                Permission.INFER,
                Permission.MODELS_READ,
                Permission.STATUS_READ,
                Permission.EVENTS_READ,
                Permission.USAGE_READ,
            },
        ),
        Role.ADMIN: frozenset(Permission),
    }
)
