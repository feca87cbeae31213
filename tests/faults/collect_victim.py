"""Fills a library, then cleans it up model by model, and may be killed anywhere after it said so."""

import asyncio
import hashlib
import sys
from datetime import timedelta
from pathlib import Path

from roundhouse.core.artifacts import ArtifactFile, Digest, FileName, Plan
from roundhouse.core.clock import SystemClock
from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.library.marking import Marking
from roundhouse.storage.artifacts import SqlArtifacts
from roundhouse.storage.database import Database
from roundhouse.storage.marks import SqlMarks
from roundhouse.storage.transfers import SqlTransfers
from roundhouse.testing.gguf import a_gguf
from roundhouse.upkeep.collecting import Collector, CollectorSettings, Wish


async def add(library: Library, model: str) -> None:
    """A model with bytes of its own and bytes that all share."""
    files = []
    for name, data in (("model.gguf", a_gguf(general__name=model)), ("tokenizer.json", b"{}")):
        digest = Digest(hashlib.sha256(data).hexdigest())
        path = library.blobs.path_of(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        files.append(ArtifactFile(FileName(name), len(data), digest))
    await library.add_from_transfer(Plan(f"hf:{model}", "hf", model, "c0ffee", ()), files)


async def main(url: str, root: str, models: str) -> None:
    """Add so many models, then let all of them but the pinned one go."""
    database, clock = Database.open(url), SystemClock()
    library, marking = Library(Path(root), SqlArtifacts(database), Events(), clock), Marking(SqlMarks(database))
    await marking.start()
    for number in range(int(models)):
        await add(library, f"acme/m{number}")
    await marking.pin("acme/m0", pinned=True)
    collector = Collector(library, SqlTransfers(database), marking, clock, tuple, CollectorSettings(grace=timedelta(0)))
    print("collecting", flush=True)
    await collector.collect(Wish(unused_for=timedelta(0)))
    await asyncio.Event().wait()  # to be killed at the latest now


asyncio.run(main(*sys.argv[1:]))
