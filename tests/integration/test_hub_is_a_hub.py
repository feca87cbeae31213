"""The hub for tests against the real huggingface_hub client: what it accepts, we may test against."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FILES = {
    "tiny-Q4_K_M.gguf": b"GGUF" + bytes(300_000),
    "config.json": b'{"a": 1}',
    "sub/tiny-Q8_0.gguf": b"GGUF" + bytes(9),
}

#: A process of its own: the client reads its environment when it is imported, and ours has replaced its transport.
PROGRAM = """
import json, pathlib, sys
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
endpoint, cache = sys.argv[1:]
api = HfApi(endpoint=endpoint, token=False)
info = api.model_info("acme/tiny", files_metadata=True)
facts = {
    "sha": info.sha,
    "files": {each.rfilename: [each.size, each.lfs.sha256 if each.lfs else None] for each in info.siblings},
    "tree": {each.path: each.size for each in api.list_repo_tree("acme/tiny", recursive=True) if hasattr(each, "size")},
    "branches": {each.name: each.target_commit for each in api.list_repo_refs("acme/tiny").branches},
}
paths = [hf_hub_download("acme/tiny", name, endpoint=endpoint, cache_dir=cache, token=False) for name in facts["files"]]
facts["downloaded"] = [pathlib.Path(path).stat().st_size for path in paths]
facts["snapshot"] = sorted(p.name for p in pathlib.Path(
    snapshot_download("acme/tiny", endpoint=endpoint, cache_dir=cache + "2", token=False)).rglob("*") if p.is_file())
facts["found"] = [[each.id, each.downloads] for each in api.list_models(
    filter="gguf", search="tin", author="acme", sort="last_modified", limit=3)]
facts["missed"] = [each.id for each in api.list_models(filter="gguf", author="nobody")]
facts["errors"] = []
for call in (
    lambda: api.model_info("acme/nothing"),
    lambda: api.model_info("acme/tiny", revision="v9"),
    lambda: hf_hub_download("acme/tiny", "nothing.bin", endpoint=endpoint, cache_dir=cache, token=False),
):
    try:
        call()
    except (EntryNotFoundError, GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError) as error:
        facts["errors"].append(type(error).__name__)
print(json.dumps(facts))
"""


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[str]:
    """The hub as the command that ships, serving a folder."""
    for name, data in FILES.items():
        path = tmp_path / "served" / "acme" / "tiny" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    command = [sys.executable, "-m", "roundhouse.testing.hub", "--folder", str(tmp_path / "served")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["endpoint"]
        process.terminate()


@pytest.mark.slow
def test_the_real_client_is_served(endpoint: str, tmp_path: Path) -> None:
    """Metadata, trees, branches, downloads, snapshots and errors, as from the real one."""
    environment = {"PATH": os.defpath, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", PROGRAM, endpoint, str(tmp_path / "cache")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    sizes = {name: len(data) for name, data in FILES.items()}
    assert sizes == {name: size for name, (size, _) in facts["files"].items()}
    assert sizes == {path: size for path, size in facts["tree"].items() if path in sizes}
    assert {"main": facts["sha"]} == facts["branches"]
    assert sorted(sizes.values()) == sorted(facts["downloaded"])
    assert sorted(Path(name).name for name in sizes) == facts["snapshot"]
    assert ([["acme/tiny", 0]], []) == (facts["found"], facts["missed"])
    assert ["RepositoryNotFoundError", "RevisionNotFoundError", "RemoteEntryNotFoundError"] == facts["errors"]
