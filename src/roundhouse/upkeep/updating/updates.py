"""Newer revisions of models that are here: found without fetching them, fetched like any pull.

Knows nothing about HTTP or SQL. Nothing here switches: the library does, once all bytes of the new revision are right.
"""

from __future__ import annotations

from dataclasses import dataclass

from roundhouse.core.artifacts import Artifact, Plan, Transfer
from roundhouse.library import Library
from roundhouse.upkeep.pull import Pulls
from roundhouse.upkeep.space import Preview
from roundhouse.upkeep.updating.following import course_of


@dataclass(frozen=True, slots=True)
class Outlook:
    """What there is upstream of one model."""

    artifact: Artifact
    #: What a pull would do; ``None`` when nothing newer can be or is there.
    preview: Preview | None = None
    #: The commit or digest that the reference names, if it names one.
    pinned_to: str | None = None
    #: The newer revision was here before, and somebody went back from it.
    was_here: bool = False

    @property
    def is_newer(self) -> bool:
        """Whether there is something to get."""
        return self.preview is not None


class Updates:
    """Looks upstream, and begins transfers."""

    def __init__(self, library: Library, pulls: Pulls) -> None:
        self._library, self._pulls = library, pulls

    async def look(self, model: str) -> Outlook:
        """Ask upstream for the newest revision of *model*, and fetch nothing. Raises what resolving raises."""
        artifact = await self._library.get(model)
        course = course_of(artifact)
        if course.ref is None:
            return Outlook(artifact, pinned_to=course.pinned_to)
        preview = await self._pulls.preview(course.ref, artifact.model)
        if _is_same(preview.plan, artifact):
            return Outlook(artifact)
        held = [each.artifact for each in await self._library.older(model)]
        return Outlook(artifact, preview, was_here=any(_is_same(preview.plan, each) for each in held))

    async def begin(self, outlook: Outlook) -> Transfer | None:
        """Begin to fetch what is newer, or join who does; ``None`` when nothing is. Raises OfflineError."""
        if outlook.preview is None:
            return None
        return await self._pulls.start(outlook.preview.plan.ref, outlook.artifact.model)


def _is_same(plan: Plan, artifact: Artifact) -> bool:
    """Whether *plan* would bring what *artifact* is. A repository moves on with every word in its description."""
    if plan.revision == artifact.revision:
        return True
    promised = {(file.name, file.digest) for file in plan.files}
    return promised == {(file.name, file.digest) for file in artifact.files}
