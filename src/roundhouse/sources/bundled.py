"""The model that ships with the program: ``bundled:noise``. Knows nothing but where its file is."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import roundhouse
from roundhouse.core.artifacts import Plan, PlannedFile
from roundhouse.core.errors import NotFoundError
from roundhouse.core.ports import ByteStream
from roundhouse.sources.folder import FolderSource

NOISE_REF, NOISE_MODEL = "bundled:noise", "roundhouse/noise"


class BundledSource:
    """The assets inside the package."""

    scheme = "bundled"

    def __init__(self) -> None:
        self._folder = FolderSource()

    async def resolve(self, ref: str) -> Plan:
        """The files behind *ref*. Raises NotFoundError."""
        if ref != NOISE_REF:
            message = f"nothing called {ref.removeprefix('bundled:')!r} ships with Roundhouse"
            raise NotFoundError(message, hint=f"the one bundled model is {NOISE_REF}")
        path = Path(roundhouse.__file__).with_name("assets") / "noise.gguf"
        plan = await self._folder.resolve(f"file:{path}")
        return replace(
            plan,
            ref=ref,
            source=self.scheme,
            model=NOISE_MODEL,
            revision=roundhouse.__version__,
            license="apache-2.0",
            license_source="bundled",
        )

    def open(
        self, file: PlannedFile, offset: int, length: int | None = None
    ) -> AbstractAsyncContextManager[ByteStream]:
        """The bytes of *file* from *offset* on, *length* of them if given."""
        return self._folder.open(file, offset, length)
