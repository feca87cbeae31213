"""Why a deployment may not serve, in sentences, and the errors when none may. Knows nothing about scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

from roundhouse.core.errors import LicenseError, LimitError, NoRouteError, NotFoundError
from roundhouse.core.inference import Deployment, Profile

#: The share of the estimated prompt that must fit. The estimate comes from bytes and may be a quarter too high; the
#: backend counts properly, so what only might not fit comes last (``tight``) instead of being refused.
_SURE = 0.75
#: Reasons that an error carries at most; an explanation has them all.
_MOST_REASONS = 20


def fits(profile: Profile, deployment: Deployment) -> bool:
    """Whether *deployment* could serve a request like this at all."""
    context = deployment.context
    if deployment.barred is not None:
        return False
    return profile.needs <= deployment.capabilities and (context is None or profile.prompt_tokens * _SURE <= context)


def misfit(profile: Profile, deployment: Deployment) -> str:
    """Say why it does not fit."""
    if deployment.barred is not None:
        return deployment.barred
    if not profile.needs <= deployment.capabilities:
        return "cannot do " + ", ".join(sorted(profile.needs - deployment.capabilities))
    return f"holds {deployment.context} tokens, and the prompt has about {profile.prompt_tokens}"


def tight(profile: Profile, deployment: Deployment) -> bool:
    """Whether prompt and answer may together be longer than the context."""
    return deployment.context is not None and profile.prompt_tokens + (profile.max_tokens or 0) > deployment.context


def cooling(seconds: float) -> str:
    """The reason of a rate limit."""
    return f"is rate limited for another {math.ceil(seconds)} s"


def shut(seconds: float) -> str:
    """The reason of a breaker."""
    if math.isinf(seconds):
        return "kept failing, and it is being found out whether it still does"
    return f"kept failing, and is left alone for another {math.ceil(seconds)} s"


def unknown_model(name: str, close: Sequence[str]) -> NotFoundError:
    """Nobody knows *name*."""
    hint = f"did you mean {' or '.join(close)}?" if close else "see what there is with `roundhouse models ls`"
    return NotFoundError(
        f"there is no model {name[:200]}", hint=hint, details={"model": name[:200], "close": list(close)}
    )


def only_held(name: str, kind: str) -> NoRouteError:
    """The model is here, and nothing here can run it."""
    message = f"{name[:200]} is held as {kind}, and no backend here serves {kind}"
    return NoRouteError(message, hint="pull a GGUF of the same model", details={"model": name[:200], "format": kind})


def rate_limited(model: str, seconds: float) -> LimitError:
    """Everything that could serve is rate limited."""
    message = f"everything that serves {model[:200]} is rate limited for another {math.ceil(seconds)} s"
    return LimitError(message, retry_after_s=seconds, hint="wait, or add a deployment to fall back on")


def unlicensed(model: str, reason: str) -> LicenseError:
    """Only licences are in the way."""
    hint = f"read it with `roundhouse licenses show {model[:200]}`, then `roundhouse licenses accept {model[:200]}`"
    return LicenseError(f"{model[:200]} {reason}", hint=hint, details={"model": model[:200]})


def no_route(model: str, reasons: Sequence[tuple[str, str]]) -> NoRouteError:
    """Nothing can serve: say why for each."""
    listed = [{"id": each, "reason": reason} for each, reason in reasons[:_MOST_REASONS]]
    details: dict[str, object] = {"candidates": listed, "refused": len(reasons)}
    if not reasons:
        message = f"nothing serves {model[:200]} now"
        return NoRouteError(message, hint="see what there is with `roundhouse models ls`", details=details)
    message = f"nothing that serves {model[:200]} can serve this request: {reasons[0][0]} {reasons[0][1]}"
    if len(reasons) > 1:
        message += f" (and {len(reasons) - 1} more)"
    return NoRouteError(message, details=details)
