"""Migrates a store or takes that back, and kills itself before its n-th step if it is told to.

A step is whatever changes something: a file made, linked, renamed, removed or opened for writing, and a change of the
registry, before and after it. Says how many steps it took.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from roundhouse.core.artifacts import Artifact, Digest, Fingerprint
from roundhouse.migration import Mode, OnConflict, Wish
from roundhouse.storage.artifacts import SqlArtifacts
from roundhouse.storage.database import Database
from roundhouse.testing.adoption import a_hall, migrations

_CHANGES = {"os.rename", "os.link", "os.symlink", "os.remove", "os.mkdir", "os.rmdir", "os.utime", "os.chmod"}


class Fuse:
    """Counts steps, and burns through at one of them."""

    def __init__(self, kill_at: int) -> None:
        self.steps, self._kill_at = 0, kill_at
        self.lit = False

    def step(self) -> None:
        """Take one more."""
        if self.lit:
            self.steps += 1
            if self.steps == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def watch(self, roots: tuple[str, str]) -> None:
        """Count what happens to files below *roots*."""

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            writes = event == "open" and isinstance(arguments[1], str) and not arguments[1].startswith("r")
            if (event in _CHANGES or writes) and any(str(each).startswith(roots) for each in arguments[:2]):
                self.step()

        sys.addaudithook(hook)


class Burning(SqlArtifacts):
    """A registry whose changes are steps."""

    def __init__(self, database: Database, fuse: Fuse) -> None:
        super().__init__(database)
        self._fuse = fuse

    async def add(self, artifact: Artifact) -> None:
        """Register."""
        self._fuse.step()
        await super().add(artifact)
        self._fuse.step()

    async def remove(self, model: str) -> Artifact:
        """Forget."""
        self._fuse.step()
        removed = await super().remove(model)
        self._fuse.step()
        return removed

    async def mark_verified(self, model: str, at: datetime) -> None:
        """Note that it was right."""
        self._fuse.step()
        await super().mark_verified(model, at)

    async def put_fingerprint(self, fingerprint: Fingerprint) -> None:
        """Remember."""
        self._fuse.step()
        await super().put_fingerprint(fingerprint)
        self._fuse.step()

    async def drop_fingerprints(self, digests: Collection[Digest]) -> None:
        """Forget chunks."""
        self._fuse.step()
        await super().drop_fingerprints(digests)
        self._fuse.step()


async def main(url: str, root: str, home: str, verb: str, mode: str, kill_at: str) -> None:
    """Do *verb*: ``apply`` in *mode*, ``rollback`` the newest, or ``recover``."""
    fuse = Fuse(int(kill_at))
    fuse.watch((root, home))
    database = Database.open(url)
    moving = migrations(a_hall(Path(root), Burning(database, fuse)), Path(home))
    fuse.lit = True
    if verb == "apply":
        await moving.start("ollama", None, Wish(Mode(mode), OnConflict.REPLACE))
    elif verb == "rollback":
        await moving.rollback((await moving.list())[0].id or "")
    else:
        await moving.recover()
    await moving.wait()
    print("steps", fuse.steps, flush=True)
    for outcome in await moving.list():
        print("over", outcome.state, len(outcome.adopted), len(outcome.failed), *outcome.left, flush=True)
    await database.close()


asyncio.run(main(*sys.argv[1:]))
