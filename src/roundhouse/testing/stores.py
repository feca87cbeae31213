"""Writes the stores of other programs, byte for byte as they do, healthy or broken on purpose.

Knows nothing about who reads them. `huggingface_hub` is not needed: what it writes is compared in an integration test.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

_OLLAMA = "application/vnd.ollama.image."
#: A 40-digit commit for everybody who does not care.
COMMIT = "5f" * 20


class OllamaStore:
    """``~/.ollama``, with keys that nobody may read."""

    def __init__(self, home: Path) -> None:
        self.home, self.root = home, home / "models"
        (self.root / "blobs").mkdir(parents=True)
        (self.root / "manifests").mkdir()
        (home / "id_ed25519").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
        (home / "id_ed25519").chmod(0o600)

    def blob(self, data: bytes) -> Path:
        """Write one blob."""
        path = self.root / "blobs" / f"sha256-{hashlib.sha256(data).hexdigest()}"
        path.write_bytes(data)
        return path

    def add(self, name: str, layers: Mapping[str, bytes], config: Mapping[str, object] | None = None) -> Path:
        """Write a model ``[host/][namespace/]name:tag`` with its layers by kind; the manifest."""
        parts, _, tag = name.rpartition(":")
        owned = parts.split("/")
        owned = [*(["registry.ollama.ai", "library"][: 3 - len(owned)]), *owned] if len(owned) < 3 else owned  # noqa: PLR2004
        listed = [
            {"mediaType": f"{_OLLAMA}{kind.partition('#')[0]}", **self._described(data)}
            for kind, data in layers.items()
        ]
        described = self._described(json.dumps(config or {"model_format": "gguf"}).encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json", **described},
            "layers": listed,
        }
        path = self.root / "manifests" / "/".join(owned) / tag
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(manifest))
        return path

    def _described(self, data: bytes) -> dict[str, object]:
        return {"digest": f"sha256:{self.blob(data).name.removeprefix('sha256-')}", "size": len(data)}


class HuggingFaceCache:
    """``~/.cache/huggingface``, with a token that nobody may read."""

    def __init__(self, home: Path) -> None:
        self.home, self.root = home, home / "hub"
        self.root.mkdir(parents=True)
        (home / "token").write_text("hf_secret")
        (home / "stored_tokens").write_text("[mine]\nhf_token = hf_secret\n")

    def folder(self, repo: str) -> Path:
        """Where a repository is."""
        return self.root / f"models--{repo.replace('/', '--')}"

    def add(
        self, repo: str, files: Mapping[str, bytes], *, commit: str = COMMIT, main: bool = True, links: bool = True
    ) -> Path:
        """Write one revision of a repository; its snapshot."""
        folder = self.folder(repo)
        snapshot = folder / "snapshots" / commit
        for each in (folder / "blobs", folder / "refs", snapshot):
            each.mkdir(parents=True, exist_ok=True)
        if main:
            (folder / "refs" / "main").write_text(commit)
        for name, data in files.items():
            path = snapshot / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not links:
                path.write_bytes(data)
                continue
            blob = folder / "blobs" / _etag(name, data)
            blob.write_bytes(data)
            path.symlink_to(Path(*[".."] * len(path.relative_to(folder).parts[:-1])) / "blobs" / blob.name)
        return snapshot


def _etag(name: str, data: bytes) -> str:
    """What the hub calls a file: by sha256 when it is stored as a large one, by git's digest otherwise."""
    if name.endswith((".gguf", ".safetensors", ".bin")):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def a_llamacpp_cache(root: Path, repo: str, file: str, data: bytes, *, note: bool = True) -> Path:
    """Write one file as `llama.cpp` did before it took over the hub's layout; the file."""
    root.mkdir(parents=True, exist_ok=True)
    path = root / f"{repo}/{file}".replace("/", "_")
    path.write_bytes(data)
    if note:
        url = f"https://huggingface.co/{repo}/resolve/main/{file}"
        etag = f'"{hashlib.sha256(data).hexdigest()}"'
        fields = {"url": url, "etag": etag, "lastModified": "Tue, 04 Mar 2025 09:00:00 GMT"}
        path.with_name(f"{path.name}.json").write_text(json.dumps(fields, indent=4))
    return path


def an_lmstudio_folder(root: Path, repo: str, files: Mapping[str, bytes]) -> Path:
    """Write one repository below ``~/.lmstudio/models``; its folder."""
    folder = root / repo
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder
