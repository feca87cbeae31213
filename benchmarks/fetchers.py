"""Who fetches a file in `benchmarks.transfers`, each as its own documentation says, and how a Roundhouse is asked to.

Knows nothing about figures.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec
import psutil
from benchmarks.contestants import ROOT, Running

from roundhouse.testing.program import free_port

ROUNDHOUSE = str(ROOT / ".venv" / "bin" / "roundhouse")
PYTHON = str(ROOT / ".venv" / "bin" / "python")
COMMIT = "a" * 40
HUGGINGFACE = """
import sys
from huggingface_hub import hf_hub_download
from roundhouse.testing.program import free_port
print(hf_hub_download("acme/tiny", "model.gguf", cache_dir=sys.argv[1]))
"""


@dataclass(slots=True)
class Load:
    """A file to fetch."""

    path: Path
    digest: str
    url: str = ""

    @property
    def ref(self) -> str:
        """What to pull."""
        return f"{self.url}#sha256={self.digest}"

    @property
    def name(self) -> str:
        """The model's name."""
        return self.path.stem


@dataclass(frozen=True, slots=True)
class House:
    """A running Roundhouse and how to ask it."""

    running: Running
    home: Path

    def ask(self, method: str, path: str, body: object | None = None) -> dict[str, object]:
        """Ask the management API."""
        data = None if body is None else msgspec.json.encode(body)
        headers = {"content-type": "application/json", **self.running.contestant.headers}
        url = f"{self.running.contestant.url}/api/v1{path}"
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=60) as answer:
            return msgspec.json.decode(answer.read(), type=dict[str, object])

    def run(self, *arguments: str) -> None:
        """Run a command as a person would. Ends the benchmark when it fails."""
        must(ROUNDHOUSE, *arguments, "--home", str(self.home), "--quiet")

    def pull(self, loads: Sequence[Load]) -> None:
        """Start pulls, all at once."""
        for load in loads:
            self.ask("POST", "/transfers", {"ref": load.ref, "name": load.name})

    def transfers(self) -> list[dict[str, object]]:
        """All transfers, newest first."""
        return msgspec.convert(self.ask("GET", "/transfers")["transfers"], list[dict[str, object]])

    def received(self) -> int:
        """Bytes that have come, of those that are under way."""
        return sum(int(str(each["bytes_done"])) for each in self.transfers() if each["state"] == "downloading")

    def wait(self) -> None:
        """Until no transfer is under way. Ends the benchmark when one has failed."""
        while active := [each for each in self.transfers() if each["state"] not in {"done", "cancelled"}]:
            if failed := [each for each in active if each["state"] == "failed"]:
                sys.exit(f"a download failed: {failed[0]}")
            time.sleep(0.1)

    def limit(self, bandwidth: int | None) -> None:
        """How fast all downloads together may be."""
        self.ask("PUT", "/bandwidth", {"bandwidth": bandwidth})

    def end(self, loads: Sequence[Load]) -> None:
        """Cancel what is under way, and remove what has come."""
        for each in self.transfers():
            if each["state"] not in {"done", "cancelled", "failed"}:
                with suppress(urllib.error.HTTPError):  # it ended in this moment
                    self.ask("POST", f"/transfers/{each['id']}/cancel")
        self.wait()
        self.forget([load.name for load in loads])

    def forget(self, names: Sequence[str]) -> None:
        """Remove models, those that never came aside."""
        for name in names:
            with suppress(urllib.error.HTTPError):
                self.ask("DELETE", f"/models/{name}")


@dataclass(frozen=True, slots=True)
class Fetcher:
    """One contestant."""

    name: str
    how: str
    fetch: Callable[[], None]
    clean: Callable[[], None]
    #: Whose memory counts, beside the benchmark's other children.
    process: psutil.Process


class Peak:
    """The most memory that a process and its children have in a block, in MiB; nginx and the like aside."""

    def __init__(self, process: psutil.Process) -> None:
        self._process, self._over = process, threading.Event()
        self._known = {process.pid, *(child.pid for child in process.children(recursive=True))}
        self._own = process.pid == os.getpid()
        self.mib = 0.0

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            family = self._process.children(recursive=True)
            # Of our own process only what has been started since: the commands that are measured.
            members = (
                [each for each in family if each.pid not in self._known] if self._own else [self._process, *family]
            )
            total = 0
            for member in members:
                with suppress(psutil.Error):
                    total += member.memory_info().rss
            self.mib = max(self.mib, total / 2**20)


def contestants(folder: Path, house: House, load: Load) -> list[Fetcher]:
    """Everybody who fetches *load*."""
    target, cache = folder / "fetched.gguf", folder / "hub"
    me = psutil.Process()

    def ours() -> None:
        house.run("pull", load.ref, "--name", "whole")

    def curl() -> None:
        must("curl", "--silent", "--fail", "--output", str(target), load.url)
        prove(target, load)

    def aria2() -> None:
        split = ("--max-connection-per-server=8", "--split=8", "--min-split-size=1M", "--file-allocation=none")
        check = f"--checksum=sha-256={load.digest}"
        must("aria2c", "--quiet", *split, check, f"--dir={folder}", f"--out={target.name}", load.url)

    def hub() -> None:
        environment = {
            **os.environ,  # noqa: TID251 - children get ours
            "HF_ENDPOINT": load.url.rpartition("/")[0],
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        found = must(PYTHON, "-c", HUGGINGFACE, str(cache), environment=environment)
        prove(Path(found.strip()), load)

    def gone() -> None:
        target.unlink()

    return [
        Fetcher("roundhouse", "`roundhouse pull` against `roundhouse up`, defaults, synced and registered", ours,
                lambda: house.forget(["whole"]), house.running.process),
        Fetcher("curl", "curl, then `openssl dgst -sha256`", curl, gone, me),
        Fetcher("aria2c", "8 connections, splits of 1 MiB or more, `--checksum`, no file allocation", aria2, gone, me),
        Fetcher("huggingface_hub", "`hf_hub_download` without Xet, then `openssl dgst -sha256`", hub,
                lambda: shutil.rmtree(cache), me),
    ]  # fmt: skip


def prove(path: Path, load: Load) -> None:
    """Hash a file as a careful person would. Ends the benchmark when it is another one."""
    if load.digest not in must("openssl", "dgst", "-sha256", str(path)):
        sys.exit(f"{path} is not what was asked for")


def must(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a command; its output. Ends the benchmark when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{command[0]} failed ({done.returncode}):\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


@contextmanager
def file_server(folder: Path, site: Path, large: Load) -> Iterator[str]:
    """An nginx that serves *site*, and *large* also as a hub would; its address."""
    port = free_port()
    size = large.path.stat().st_size
    (folder / "files.conf").write_text(
        f"""worker_processes 1; daemon off; pid {folder}/files.pid; error_log {folder}/files.log;
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream; root {site};
client_body_temp_path {folder}/body2; proxy_temp_path {folder}/proxy2; fastcgi_temp_path {folder}/fastcgi2;
uwsgi_temp_path {folder}/uwsgi2; scgi_temp_path {folder}/scgi2;
server {{ listen 127.0.0.1:{port};
location /acme/tiny/resolve/main/ {{ alias {site}/;
add_header X-Repo-Commit {COMMIT}; add_header X-Linked-Etag '"{large.digest}"'; add_header X-Linked-Size {size}; }}
}} }}
""",
        encoding="utf-8",
    )
    command = ["nginx", "-c", str(folder / "files.conf"), "-e", str(folder / "files.log")]
    process = subprocess.Popen(command)
    try:
        url = f"http://127.0.0.1:{port}"
        while not _serves(f"{url}/{large.path.name}"):
            if process.poll() is not None:
                sys.exit((folder / "files.log").read_text(errors="replace"))
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _serves(url: str) -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
