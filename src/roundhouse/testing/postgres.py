"""A PostgreSQL for tests: the one that is named, or one of our own in a temporary folder. Knows no table."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from roundhouse.testing.program import free_port, wait_until

#: Names a running server, as a URL; then none is started.
URL_VARIABLE = "ROUNDHOUSE_TEST_POSTGRES_URL"
#: Tests throw the data away, so nothing waits for the disk.
_OPTIONS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200", "shared_buffers=32MB")


class PostgresMissingError(RuntimeError):
    """No PostgreSQL on this machine: install Debian's postgresql, or set ROUNDHOUSE_TEST_POSTGRES_URL."""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


@contextmanager
def postgres(environ: Mapping[str, str]) -> Iterator[str]:
    """The URL of a server where databases may be created. Raises PostgresMissingError."""
    if url := environ.get(URL_VARIABLE):
        yield url
        return
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="roundhouse-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        _run(
            programs / "initdb",
            "-D",
            str(folder / "data"),
            "-U",
            "roundhouse",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        )
        with _server(programs / "postgres", folder) as started:
            yield started
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def new_database(server_url: str) -> Iterator[str]:
    """A database of one's own on that server, dropped afterwards whoever is still connected."""
    name = f"roundhouse_{secrets.token_hex(8)}"
    _execute(server_url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield f"{server_url.rpartition('/')[0]}/{name}"
    finally:
        _execute(server_url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _programs() -> Path:
    """Where the newest installed server is."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    found = str(installed[-1]) if installed else shutil.which("initdb")
    if found is None or (os.geteuid() == 0 and shutil.which("setpriv") is None):
        raise PostgresMissingError
    return Path(found).resolve().parent


def _as_postgres() -> list[str]:
    """The server refuses to run as root; and if the tests are killed, it must not outlive them."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return []
    other_user = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    return [setpriv, *other_user, "--pdeathsig=QUIT"]


def _run(program: Path, *arguments: str) -> None:
    subprocess.run([*_as_postgres(), program, *arguments], check=True, capture_output=True, cwd="/")  # noqa: S603 - our own words


@contextmanager
def _server(program: Path, folder: Path) -> Iterator[str]:
    port = free_port()
    settings = (f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", *_OPTIONS)
    command = [*_as_postgres(), str(program), "-D", str(folder / "data"), *(f"--{each}" for each in settings)]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, cwd="/") as process:  # noqa: S603 - our own words
        url = f"postgresql://roundhouse@127.0.0.1:{port}/postgres"
        try:
            wait_until(lambda: _connects(url), process, lambda: _trouble(folder / "log"))
            yield url
        finally:
            process.send_signal(signal.SIGINT)  # "fast": drops its clients and stops


def _trouble(log: Path) -> str:
    return f"PostgreSQL did not start:\n{log.read_text(errors='replace')}"


def _connects(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _execute(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
