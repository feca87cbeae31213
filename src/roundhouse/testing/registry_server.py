"""A real registry for tests: Debian's ``docker-registry`` on a free port. Knows nothing about models."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from roundhouse.testing.program import free_port, running


class RegistryMissingError(RuntimeError):
    """No registry on this machine: install Debian's docker-registry."""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


@dataclass(frozen=True, slots=True)
class Challenge:
    """Where a registry sends those who come without a token."""

    realm: str
    service: str


@contextmanager
def registry_server(folder: Path, *, challenge: Challenge | None = None) -> Iterator[str]:
    """Run an empty registry that keeps its blobs in *folder*; gives its address.

    With a *challenge* it wants a token of those who read, and is satisfied with any.

    Raises:
        RegistryMissingError: the program is not there.

    """
    program = shutil.which("docker-registry")
    if program is None:
        raise RegistryMissingError
    port = free_port()
    # JSON is YAML. Its health is asked for on a port of its own, because that one never wants a token.
    debug = free_port()
    config = folder / "registry.yml"
    config.write_text(json.dumps(_config(folder / "blobs", port, debug, challenge)), encoding="utf-8")
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}  # noqa: TID251
    command = [program, "serve", str(config)]
    ready = f"http://127.0.0.1:{debug}/debug/health"
    with running(command, ready, log=folder / "registry.log", environ=environ, within_s=30.0):
        yield f"http://127.0.0.1:{port}"


def _config(folder: Path, port: int, debug: int, challenge: Challenge | None) -> Mapping[str, object]:
    config: dict[str, object] = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder)}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}", "debug": {"addr": f"127.0.0.1:{debug}"}},
    }
    if challenge is not None:
        config["auth"] = {"silly": {"realm": challenge.realm, "service": challenge.service}}
    return config
