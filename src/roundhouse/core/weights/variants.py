"""What the name of a file tells about the model in it. Pure; knows nothing about files or where they come from."""

from __future__ import annotations

import re

#: One of several files that are one model together.
SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE)
#: Files beside a model that are no model.
SIDECAR = re.compile(r"mmproj[^/]*$|(?:^|/)mtp-|imatrix", re.IGNORECASE)
#: Those among them that read pictures for it.
PROJECTOR = re.compile(r"mmproj[^/]*\.gguf$", re.IGNORECASE)
_QUANT = re.compile(
    r"(?:^|[-._/])((?:UD-)?I?Q\d(?:_[0-9A-Z]+)*|TQ\d_\d|MXFP4(?:_MOE)?|BF16|F16|F32)(?=$|[-./])", re.IGNORECASE
)


def quantization_of(path: str) -> str | None:
    """The quantisation that a file's name or folder tells, in upper case."""
    found = _QUANT.findall(re.sub(r"\.gguf$", "", path, flags=re.IGNORECASE))
    return found[-1].upper() if found else None
