"""Runs commands one after the other in this process and prints how each ended; or, as a control, reaches out."""

import asyncio
import json
import socket
import sys
from contextlib import suppress

import uvloop

from roundhouse.cli import main


async def reach_out() -> None:
    """Ask for a name, and connect, by the loop that the server runs on."""
    loop = asyncio.get_running_loop()
    for host in ("control.example.com", "192.0.2.1"):
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(2):
                await loop.create_connection(asyncio.Protocol, host, 9)


if sys.argv[1] == "control":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(reach_out())
    with suppress(OSError), socket.socket(socket.AF_INET6) as plain:
        plain.settimeout(0.5)
        plain.connect(("2001:db8::1", 9))
else:
    for words in json.loads(sys.argv[1]):
        code = main(words)
        print(json.dumps({"words": words, "code": code}), file=sys.stderr, flush=True)
