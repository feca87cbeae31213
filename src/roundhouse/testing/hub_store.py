"""Repositories, commits and files of the hub for tests. Knows nothing about HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Smaller files live in git itself; weights are always in LFS.
_LFS_SUFFIXES = (".gguf", ".safetensors", ".bin")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file at one commit."""

    path: str
    content: bytes | Path
    size: int
    sha256: str
    #: The git object id: of the content, or of the pointer to it.
    blob_id: str
    lfs: bool

    def read(self, offset: int, length: int) -> bytes:
        """Some of its bytes."""
        if isinstance(self.content, bytes):
            return self.content[offset : offset + length]
        with self.content.open("rb") as file:
            file.seek(offset)
            return file.read(length)


def stored(path: str, content: bytes | Path) -> StoredFile:
    """Hash *content* as git and LFS do."""
    raw = content.read_bytes() if isinstance(content, Path) else content
    sha256, lfs = hashlib.sha256(raw).hexdigest(), path.endswith(_LFS_SUFFIXES)
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(raw)}\n".encode()
    in_git = pointer if lfs else raw
    blob_id = hashlib.sha1(b"blob %d\0" % len(in_git) + in_git, usedforsecurity=False).hexdigest()
    return StoredFile(path, content, len(raw), sha256, blob_id, lfs)


@dataclass(slots=True)
class Repo:
    """One repository."""

    name: str
    license: str | None = None
    license_name: str | None = None
    license_link: str | None = None
    #: It wants code of its own to be run.
    remote_code: bool = False
    gated: bool = False
    private: bool = False
    downloads: int = 0
    likes: int = 0
    #: Tokens that the hub has read in a GGUF file.
    context: int | None = None
    updated_at: str = "2026-01-01T00:00:00.000Z"
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, StoredFile]] = field(default_factory=dict)

    def commit(self, files: Mapping[str, bytes | Path], branch: str) -> str:
        """Put *files* on top of *branch*; the commit."""
        before = self.commits.get(self.branches.get(branch, ""), {})
        after = before | {path: stored(path, content) for path, content in files.items()}
        facts = "\n".join(f"{path} {file.blob_id}" for path, file in sorted(after.items()))
        made = hashlib.sha1(f"{self.name} {len(self.commits)}\n{facts}".encode(), usedforsecurity=False).hexdigest()
        self.commits[made], self.branches[branch] = after, made
        return made

    def resolve(self, revision: str) -> str | None:
        """The commit that a branch or a commit names."""
        return self.branches.get(revision, revision if revision in self.commits else None)

    def files(self) -> Iterator[StoredFile]:
        """All files of all commits."""
        for files in self.commits.values():
            yield from files.values()

    def info(self, commit: str, *, blobs: bool) -> dict[str, object]:
        """``/api/models/…``."""
        files = self.commits[commit].values()
        return {
            "_id": hashlib.sha256(self.name.encode()).hexdigest()[:24],
            "id": self.name,
            "modelId": self.name,
            "author": self.name.partition("/")[0],
            "sha": commit,
            "private": self.private,
            "gated": "auto" if self.gated else False,
            "disabled": False,
            "lastModified": self.updated_at,
            "createdAt": "2026-01-01T00:00:00.000Z",
            "tags": self._tags(),
            "downloads": self.downloads,
            "likes": self.likes,
            **({"gguf": {"context_length": self.context}} if self.context else {}),
            "cardData": self._card(),
            "siblings": [_sibling(file, blobs=blobs) for file in files],
            "usedStorage": sum(file.size for file in files),
        }

    def _card(self) -> dict[str, str]:
        said = {"license": self.license, "license_name": self.license_name, "license_link": self.license_link}
        return {name: value for name, value in said.items() if value}

    def _tags(self) -> list[str]:
        newest = self.commits[self.branches["main"]]
        gguf = ["gguf"] if any(path.endswith(".gguf") for path in newest) else []
        code = ["custom_code"] if self.remote_code else []
        return gguf + code + ([f"license:{self.license}"] if self.license else [])

    def found(self) -> dict[str, object]:
        """One of the results of ``/api/models``: without files."""
        told = ("_id", "id", "modelId", "private", "gated", "tags", "downloads", "likes", "createdAt", "lastModified")
        facts = self.info(self.branches["main"], blobs=False)
        return {name: facts[name] for name in told}

    def matches(self, query: Mapping[str, str], tags: Sequence[str]) -> bool:
        """Whether it is what a search asks for."""
        return (
            query.get("search", "").lower() in self.name.lower()
            and query.get("author", self.name.partition("/")[0]) == self.name.partition("/")[0]
            and set(tags) <= set(self._tags())
        )

    def tree(self, commit: str, below: str, *, recursive: bool) -> list[dict[str, object]]:
        """``/api/models/…/tree/…``; there the sha256 is called ``lfs.oid``."""
        prefix = f"{below}/" if below else ""
        entries: dict[str, dict[str, object]] = {}
        for path, file in sorted(self.commits[commit].items()):
            if not path.startswith(prefix):
                continue
            folder, inside, _ = path.removeprefix(prefix).partition("/")
            if inside:
                oid = hashlib.sha1(f"tree {prefix}{folder}".encode(), usedforsecurity=False).hexdigest()
                entries.setdefault(
                    prefix + folder, {"type": "directory", "oid": oid, "size": 0, "path": prefix + folder}
                )
            if not inside or recursive:
                entries[path] = _entry(file)
        return list(entries.values())

    def refs(self) -> dict[str, object]:
        """``/api/models/…/refs``."""
        branches = [
            {"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit}
            for name, commit in self.branches.items()
        ]
        return {"tags": [], "branches": branches, "converts": []}


def _sibling(file: StoredFile, *, blobs: bool) -> dict[str, object]:
    if not blobs:
        return {"rfilename": file.path}
    facts: dict[str, object] = {"rfilename": file.path, "size": file.size, "blobId": file.blob_id}
    if file.lfs:
        facts["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": 134}
    return facts


def _entry(file: StoredFile) -> dict[str, object]:
    facts: dict[str, object] = {"type": "file", "oid": file.blob_id, "size": file.size, "path": file.path}
    if file.lfs:
        facts["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 134}
    return facts
