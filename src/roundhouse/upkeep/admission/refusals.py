"""What people are told about a licence that stands in the way. Pure; knows nothing about who asks."""

from __future__ import annotations

from roundhouse.core.artifacts import Plan
from roundhouse.core.errors import LicenseError, PolicyError

#: Digits of a digest that name it among all others.
SHORT = 12


def license_needed(plan: Plan) -> LicenseError:
    """Somebody has to agree before *plan* may come in: to what, where it stands, and how."""
    called = plan.license_name or plan.license or "no licence that it names"
    digest = plan.license_digest
    key = digest[:SHORT] if digest else plan.model
    message = f"{plan.model} comes under {called}, which you have not accepted"
    if plan.license_url:
        message += f" ({plan.license_url})"
    hint = (
        f"read it with `roundhouse licenses show {key}`, accept it with `roundhouse licenses accept {key}`, pull again"
    )
    details: dict[str, object] = {
        "license": plan.license,
        "name": plan.license_name,
        "url": plan.license_url,
        "text_sha256": digest if plan.license_files else None,
        "digest": digest,
        "model": plan.model,
    }
    return LicenseError(message, hint=hint, details=details)


def license_refused(license_id: str | None) -> PolicyError:
    """No agreement helps: an administrator does not want models under that."""
    rule = "library.licenses.unknown" if license_id is None else "library.licenses.refuse"
    message = (
        f"models under {license_id} are refused here" if license_id else "models without a licence are refused here"
    )
    hint = f"{rule} says so; whoever runs this Roundhouse can change it"
    return PolicyError(message, hint=hint, details={"rule": rule, "value": license_id})
