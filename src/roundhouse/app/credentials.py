"""What the home keeps for itself: its admin key and its node's name, made once, readable by this user alone.

The key lies in the home because whoever can read the home owns the Roundhouse in it anyway; the command
line reads it there.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from roundhouse.access.keys import Keyring, mint
from roundhouse.access.permissions import Role
from roundhouse.access.principal import Principal

_PEPPER_BYTES = 32


def keyring_of(home: Path) -> Keyring:
    """The keys that open this home; makes the admin key and the pepper when they are not there."""
    keyring = Keyring(_secret(home / "pepper", lambda: secrets.token_hex(_PEPPER_BYTES)).encode("ascii"))
    owner = Principal("admin", Role.ADMIN)
    if keyring.add(_secret(home / "admin.key", lambda: mint(secrets.token_bytes)), owner) is None:
        (home / "admin.key").unlink()
        keyring.add(_secret(home / "admin.key", lambda: mint(secrets.token_bytes)), owner)
    return keyring


def node_of(home: Path) -> str:
    """The name of this node: jobs are taken up again by the node that began them, whose disk holds their files."""
    return _secret(home / "node", lambda: secrets.token_hex(8))


def _secret(path: Path, make: Callable[[], str]) -> str:
    """What *path* holds, or a new secret, written whole before it has its name."""
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        secret = make()
    draft = path.with_suffix(".tmp")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return secret
