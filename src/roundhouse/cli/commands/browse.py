"""``roundhouse models browse``: what could be pulled, and whether it would fit here."""

from __future__ import annotations

from typing import get_args

import click

from roundhouse.cli import wording
from roundhouse.cli.client import PATIENT_S, Call
from roundhouse.cli.invocation import Invocation
from roundhouse.cli.options import Command, examples
from roundhouse.cli.output import Cell, Column, Table
from roundhouse.core.desks.browse import Browsing, Offer, OfferedVariant, Sort
from roundhouse.core.errors import OfflineError

_COLUMNS = (
    Column("name"),
    Column("best that fits"),
    Column("size", right=True),
    Column("quantisations", drop=2),
    Column("licence", drop=1),
    Column("downloads", right=True, drop=3),
)
_MOST = 50


@click.command(
    cls=Command,
    epilog=examples(
        "roundhouse models browse qwen", "roundhouse models browse --owner bartowski --sort updated --limit 5"
    ),
)
@click.argument("text", required=False)
@click.option("--owner", metavar="NAME", help="Only repositories of this user or organisation.")
@click.option("--sort", type=click.Choice(get_args(Sort)), default="downloads", help="What comes first.")
@click.option("--limit", type=click.IntRange(1, _MOST), default=10, help="How many at most.")
@click.pass_obj
def browse(invocation: Invocation, text: str | None, owner: str | None, sort: Sort, limit: int) -> None:
    """Search the hub for models that can be pulled.

    Shows size, licence and quantisations, and which of them fit this machine's memory.
    """
    if invocation.flags.offline:
        message = "browsing needs the network, and --offline forbids it"
        raise OfflineError(message, hint="see what is here with `roundhouse models ls`")
    query = {"text": text, "owner": owner, "sort": sort, "limit": str(limit)}
    asked = {name: value for name, value in query.items() if value}
    reply = invocation.client().ask(Call("GET", "/browse", asked, timeout_s=PATIENT_S), Browsing)
    found = reply.view
    table = Table(_COLUMNS, [_row(offer) for offer in found.offers])
    invocation.out.result(reply.data, [table], [offer.ref for offer in found.offers])
    if not found.offers:
        invocation.out.say(f"nothing like that at {found.hub}")
        return
    invocation.out.say(f"models may take {wording.size(found.memory)} of memory here (runtime.memory)")
    best = next((best for offer in found.offers if (best := best_of(offer)) is not None), None)
    if best is not None:
        invocation.out.then("get the first that fits", f"roundhouse pull {best.ref}")


def best_of(offer: Offer) -> OfferedVariant | None:
    """The variant that a pull would take, if it fits."""
    return next((variant for variant in offer.variants if variant.fits and variant.ref == offer.suggested), None)


def _row(offer: Offer) -> list[Cell | str]:
    best = best_of(offer)
    shown = best or offer.variants[0]
    fits = _label(best) if best else "unknown" if shown.fits is None else "none"
    return [
        offer.name,
        Cell(fits, style="ok" if best else "warn"),
        Cell(wording.size(shown.size), "" if shown.size is None else shown.size),
        " ".join(dict.fromkeys(_label(variant) for variant in offer.variants)),
        f"{offer.license or '-'}{' (gated)' if offer.gated else ''}",
        Cell(wording.count(offer.downloads), "" if offer.downloads is None else offer.downloads),
    ]


def _label(variant: OfferedVariant) -> str:
    return variant.quantization or variant.ref.rpartition(":")[2]
