"""llama.cpp's own cache: ``owner_repo_file.gguf``, with a note beside it that says where it came from.

Knows nothing about newer versions, which use the Hugging Face cache. An underscore may be part of any of the three
names, so only the note tells them apart: ``….gguf.json`` with the address, or ``manifest=owner=repo=tag.json``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from roundhouse.core.artifacts import Digest
from roundhouse.core.errors import SchemaError
from roundhouse.migration.found import FoundFile, FoundModel, Inventory, Kind, Trouble
from roundhouse.migration.stores.collecting import Collecting
from roundhouse.migration.stores.grouping import Group, groups_of, safe_name
from roundhouse.migration.stores.walking import Tree, read_small

_RESOLVE = re.compile(r"/(?P<repo>[\w.-]+/[\w.-]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)", re.ASCII)
_MANIFEST = re.compile(r"manifest=(?P<owner>[\w.-]+)=(?P<repo>[\w.-]+)=(?P<tag>[\w.-]+)\.json", re.ASCII)
_ETAG = re.compile(r'"?([0-9a-f]{64})"?')


class _Note(msgspec.Struct):
    url: str = ""
    etag: str = ""


class _Lfs(msgspec.Struct):
    sha256: str = ""


class _File(msgspec.Struct):
    rfilename: str = ""
    lfs: _Lfs | None = None


class _Manifest(msgspec.Struct, rename="camel"):
    gguf_file: _File | None = None
    mmproj_file: _File | None = None


class _Origin(msgspec.Struct, frozen=True):
    """Where one cached file came from."""

    repo: str
    file: str
    promised: Digest | None


def look(tree: Tree) -> Inventory:
    """What the cache in *tree* holds. Raises SchemaError."""
    found = Collecting(Kind.LLAMACPP, tree)
    names = [path.name for path in tree.files() if path.parent == tree.root]
    for name in names:
        if name.endswith((".downloadInProgress", ".gguf.tmp")):
            found.problem(name, Trouble.PARTIAL, "a download that was cut off")
    origins = _manifests(tree, names) | {name: origin for name in names if (origin := _noted(tree, name, names))}
    projectors = {name for name in names if "mmproj" in name and name.endswith(".gguf")}
    for group in groups_of(name for name in names if name not in projectors):
        _read_group(found, _with_projector(group, projectors, origins), origins)
    return found.inventory()


def _noted(tree: Tree, name: str, names: list[str]) -> _Origin | None:
    """What the note beside one file says, if it is plain."""
    if not name.endswith(".gguf") or f"{name}.json" not in names:
        return None
    try:
        note = msgspec.json.decode(read_small(tree.root / f"{name}.json", tree.root, 1 << 16), type=_Note)
        match = _RESOLVE.fullmatch(unquote(urlsplit(note.url).path))
    except (OSError, ValueError, SchemaError, RecursionError):
        return None
    if match is None:
        return None
    etag = _ETAG.fullmatch(note.etag)
    return _Origin(match["repo"], match["file"], Digest(etag[1]) if etag else None)


def _manifests(tree: Tree, names: list[str]) -> dict[str, _Origin]:
    """What the manifests say about the files that they brought, by their name in the cache."""
    origins = {}
    for name in names:
        match = _MANIFEST.fullmatch(name)
        if match is None:
            continue
        repo = f"{match['owner']}/{match['repo']}"
        try:
            manifest = msgspec.json.decode(read_small(tree.root / name, tree.root), type=_Manifest)
            for file in (manifest.gguf_file, manifest.mmproj_file):
                if file is not None and file.rfilename:
                    promised = Digest(file.lfs.sha256) if file.lfs and file.lfs.sha256 else None
                    cached = f"{repo}/{file.rfilename}".replace("/", "_")
                    origins[cached] = _Origin(repo, file.rfilename, promised)
        except (OSError, ValueError, SchemaError, RecursionError):
            continue
    return origins


def _with_projector(group: Group, projectors: set[str], origins: Mapping[str, _Origin]) -> Group:
    """*group* with the projector of its repository; where no note tells, a projector belongs to nobody."""
    origin = origins.get(group.names[0])
    own = sorted(name for name in projectors if origin and name in origins and origins[name].repo == origin.repo)
    return Group(group.stem, (*group.names, *own[:1]), group.missing)


def _read_group(found: Collecting, group: Group, origins: Mapping[str, _Origin]) -> None:
    place, origin = group.names[0], origins.get(group.names[0])
    files = [_file(found, place, found.tree.root / name, origins.get(name)) for name in group.names]
    whole = [file for file in files if file is not None]
    if group.missing:
        found.problem(place, Trouble.PARTIAL, f"{group.missing} of its shards are missing")
    if group.missing or len(whole) != len(files):
        return
    if origin is None:
        model, ref, source = safe_name(group.stem.lower()), f"file:{found.tree.root / place}", "file"
    else:
        quantization = Group(origin.file, ()).quantization
        model = safe_name(f"{origin.repo}:{quantization}" if quantization else origin.repo)
        ref, source = f"hf:{model}", "hf"
    revision = f"mtime:{max(file.modified_ns for file in whole)}"
    notes = tuple(found.tree.root / f"{name}{end}" for name in group.names for end in (".json", ".etag"))
    entries = tuple(path for path in notes if path.is_file() and not path.is_symlink())
    found.model(FoundModel(model, ref, source, revision, tuple(whole), place, entries))


def _file(found: Collecting, place: str, path: Path, origin: _Origin | None) -> FoundFile | None:
    """One file, under the name that it had at its origin: a runtime finds shards by theirs."""
    name = path.name if origin is None else origin.file.rpartition("/")[2]
    return found.file(place, path, name, origin.promised if origin else None)
