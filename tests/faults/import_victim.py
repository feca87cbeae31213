"""Imports one bundle into a real library, says how far it is, and may be killed anywhere before its end."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from roundhouse.core.clock import SystemClock
from roundhouse.core.desks.exchange import Import
from roundhouse.core.events import Events
from roundhouse.library import Library
from roundhouse.library.exchange import Exchange
from roundhouse.storage.artifacts import SqlArtifacts
from roundhouse.storage.database import Database


async def pieces(bundle: Path) -> AsyncIterator[bytes]:
    """The bundle, piece by piece, each announced before it is given."""
    with bundle.open("rb") as file:
        number = 0
        while piece := await asyncio.to_thread(file.read, 1 << 18):
            print("piece", number, flush=True)
            number += 1
            yield piece
    print("all", flush=True)


async def main(url: str, root: str, bundle: str) -> None:
    """Start as a server would, import, and say so."""
    database = Database.open(url)
    exchange = Exchange(Library(Path(root), SqlArtifacts(database), Events(), SystemClock()))
    await asyncio.to_thread(exchange.tidy)
    await exchange.unpack(pieces(Path(bundle)), Import("replace"))
    print("over", flush=True)
    await database.close()


asyncio.run(main(*sys.argv[1:]))
