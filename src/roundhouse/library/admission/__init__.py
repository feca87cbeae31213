"""What may come into the library: licences, owners, formats, sizes, and what would execute code. Pure."""

from roundhouse.library.admission.code import code_flags
from roundhouse.library.admission.finding import find_license
from roundhouse.library.admission.licenses import (
    LicenseRules,
    Stance,
    normalized,
    recognized,
    terms_digest,
    terms_of,
    text_files,
    together,
)
from roundhouse.library.admission.policy import PolicyRules, owners_of

__all__ = [
    "LicenseRules",
    "PolicyRules",
    "Stance",
    "code_flags",
    "find_license",
    "normalized",
    "owners_of",
    "recognized",
    "terms_digest",
    "terms_of",
    "text_files",
    "together",
]
