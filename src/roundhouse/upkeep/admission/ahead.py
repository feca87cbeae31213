"""A look at what a pull would be before it is begun, for those who may be told at once that it may not be.

Knows nothing about sources: it gives them a moment, and is content without an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from roundhouse.core.artifacts import Plan
from roundhouse.core.errors import LicenseError, PolicyError


async def look_ahead(resolving: Coroutine[None, None, Plan], patience_s: float) -> Plan | None:
    """The plan, if it comes soon; what goes wrong goes wrong in the job again, where it is tried again and kept.

    Raises LicenseError when its owner has to be asked first, PolicyError when a rule of this house is against it.
    """
    task = asyncio.create_task(resolving)
    try:
        await asyncio.wait({task}, timeout=patience_s)
    finally:
        task.cancel()
    if not task.done() or task.cancelled():
        return None
    error = task.exception()
    if isinstance(error, LicenseError) or (isinstance(error, PolicyError) and "rule" in error.details):
        raise error
    return None if error is not None else task.result()
