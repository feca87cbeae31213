"""``roundhouse up``: serve until told to stop."""

from __future__ import annotations

import json

import click

from roundhouse.cli.invocation import Invocation, server_room
from roundhouse.cli.options import Command, examples
from roundhouse.cli.output import Mode


@click.command(
    cls=Command, epilog=examples("roundhouse up", "roundhouse up --port 0", "roundhouse up --home /srv/roundhouse")
)
@click.option("--host", metavar="ADDRESS", help="Address to listen on [default: 127.0.0.1].")
@click.option(
    "--port", type=click.IntRange(0, 65_535), metavar="PORT", help="Port to listen on; 0 picks one [default: 8484]."
)
@click.pass_obj
def up(invocation: Invocation, host: str | None, port: int | None) -> int:
    """Start Roundhouse on this machine.

    It serves until Ctrl-C or SIGTERM, and lets running requests finish.
    """
    given = {"server.host": host, "server.port": port}
    settings = invocation.settings({key: value for key, value in given.items() if value is not None})

    def announce(words: str) -> None:
        if invocation.out.mode is Mode.JSON:
            invocation.out.text(json.dumps({"url": invocation.url, "home": str(invocation.home)}))
        else:
            invocation.out.say(words)

    if invocation.out.stderr_tty:
        invocation.out.say("starting …", style="dim")
    return server_room().run(settings, announce)
