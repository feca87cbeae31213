"""Sets of safetensors files that are one model each, and the files that belong to them. Pure; knows nothing of hubs.

A repository may hold the same weights again for other programs; those copies are passed over.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from fnmatch import fnmatchcase

_WEIGHTS = re.compile(r"(?P<stem>.+?)(?:-(?P<number>\d{5})-of-(?P<count>\d{5}))?\.safetensors")
_CONFIG = "config.json"
#: Folders with the same weights once more, in somebody else's layout.
_COPIES = frozenset({"original", "onnx", "openvino", "coreml", "metal", "mlx-original"})
#: The same at the top: what its makers load, and what belongs to training.
_OTHER_STEMS = ("consolidated", "adapter_", "optimizer", "training_")
#: What a runtime may want to read beside the weights. Code is not among it.
_BESIDE = (
    "*.json", "*.jinja", "*.model", "*.tiktoken", "vocab*.txt", "merges*.txt", "*tokens*.txt",
    "LICENSE*", "LICENCE*", "NOTICE*", "USE_POLICY*",
)  # fmt: skip
_NOT_BESIDE = ("*.index.json", "trainer_state.json", "training_args.json", "all_results.json", "*_results.json")


def tensor_sets(paths: Sequence[str]) -> list[tuple[str, ...]]:
    """Every complete set of weights that has its ``config.json`` beside it; the one at the top comes first."""
    known, groups = set(paths), defaultdict[tuple[str, int], list[str]](list)
    for path in sorted(paths):
        parts = _WEIGHTS.fullmatch(path)
        if parts is not None and _folder(path) + _CONFIG in known and not _is_copy(path):
            groups[parts["stem"], int(parts["count"] or 0)].append(path)
    whole = [tuple(members) for (_, count), members in groups.items() if len(members) == max(1, count)]
    return sorted(whole, key=lambda members: (not is_main(members[0]), members))


def is_main(path: str) -> bool:
    """Whether weights of that name are what a repository is about."""
    parts = _WEIGHTS.fullmatch(path)
    return parts is not None and parts["stem"] == "model"


def is_tensors(path: str) -> bool:
    """Whether a file of that name holds safetensors."""
    return path.lower().endswith(".safetensors")


def belonging_to(members: Sequence[str], paths: Sequence[str]) -> tuple[str, ...]:
    """What lies beside the set *members* and belongs to it: index, configuration, tokenizer, templates, licence."""
    folder, stem = _folder(members[0]), _WEIGHTS.fullmatch(members[0])
    index = f"{stem['stem']}.safetensors.index.json" if stem is not None and len(members) > 1 else None
    inside = [path for path in sorted(paths) if _folder(path) == folder]
    return tuple(path for path in inside if path == index or _is_wanted(path.removeprefix(folder)))


def _is_wanted(name: str) -> bool:
    return _matches(name, _BESIDE) and not _matches(name, _NOT_BESIDE)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _folder(path: str) -> str:
    """The folder of *path*, with its slash; empty at the top."""
    return "".join(path.rpartition("/")[:2])


def _is_copy(path: str) -> bool:
    *folders, name = path.split("/")
    return not _COPIES.isdisjoint(folders) or name.startswith(_OTHER_STEMS)
