"""What every test gets: a home of its own, a database of its own, and no network beyond this machine."""

import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest

from roundhouse.testing.mlx import make_noise
from roundhouse.testing.postgres import PostgresMissingError, new_database, postgres
from roundhouse.testing.registry_server import RegistryMissingError, registry_server
from roundhouse.testing.valkey import ValkeyMissingError, valkey

#: What steers the tests themselves; everything else of ours in the environment could change their outcome.
_STEERING = (
    "ROUNDHOUSE_TEST_",
    "ROUNDHOUSE_REQUIRE_SERVICES",
    "ROUNDHOUSE_FAULTS",
    "ROUNDHOUSE_FUZZ",
    "ROUNDHOUSE_LITELLM_",
    "ROUNDHOUSE_MLX_",
)

_ROOT = Path(__file__).resolve().parents[1]

hypothesis.settings.register_profile("dev", max_examples=10, deadline=None)
hypothesis.settings.register_profile("ci", max_examples=200, deadline=None)
hypothesis.settings.register_profile("night", max_examples=5000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))  # noqa: TID251 - no settings yet


class NetworkIsOffError(RuntimeError):
    """A test tried to reach beyond this machine; no test may. No OSError: nobody must take it for a bad line."""

    def __init__(self, what: object) -> None:
        super().__init__(f"the network is off in tests: {what!r}")


def is_loopback(host: object) -> bool:
    """Whether *host* is this machine."""
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return host in {None, "", "localhost", b"localhost"}


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Refuse every connection and every question to a name server that would leave this machine."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def check(family: int, address: object) -> None:
        if family != socket.AF_UNIX and not (isinstance(address, tuple) and is_loopback(address[0])):
            raise NetworkIsOffError(address)

    def guarded_connect(self: socket.socket, address: tuple[object, ...]) -> None:
        check(self.family, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: tuple[object, ...]) -> int:
        check(self.family, address)
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: object, *arguments: object, **options: object) -> object:
        if not is_loopback(host) and not _is_address(host):
            raise NetworkIsOffError(host)
        return getaddrinfo(host, *arguments, **options)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


@pytest.fixture(scope="session")
def peer_python() -> Callable[[str, str], Path]:
    """Find the interpreter that has a real peer installed: as a variable says, else in a folder of ours."""
    environ = dict(os.environ)  # noqa: TID251 - there are no settings in a test

    def find(variable: str, folder: str) -> Path:
        python = Path(environ.get(variable) or _ROOT / folder / "bin" / "python")
        if not python.exists():
            message = f"{python} is missing: run `make peers`"
            if environ.get("ROUNDHOUSE_REQUIRE_SERVICES") == "1":
                pytest.fail(message)
            pytest.skip(message)
        return python

    return find


@pytest.fixture(scope="session")
def mlx_python(peer_python: Callable[[str, str], Path]) -> Path:
    """The interpreter that has mlx_lm."""
    return peer_python("ROUNDHOUSE_MLX_PYTHON", ".venv-mlx")


@pytest.fixture(scope="session")
def mlx_noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny random model of MLX."""
    folder = tmp_path_factory.mktemp("mlx-model") / "noise"
    make_noise(_ROOT / "scripts" / "make_noise_mlx.py", folder)
    return folder


def _is_address(host: object) -> bool:
    try:
        ipaddress.ip_address(str(host))
    except ValueError:
        return False
    return True


@pytest.fixture(autouse=True, scope="session")
def clean_environment() -> Iterator[None]:
    """Hide the settings and the hub token of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):  # noqa: TID251 - it is what is cleaned
            ours = name.startswith("ROUNDHOUSE_") and not name.startswith(_STEERING)
            if ours or name in {"HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE"}:
                patch.delenv(name)
        yield


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home folder."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a PostgreSQL server where databases may be created."""
    try:
        with postgres(os.environ) as url:  # noqa: TID251 - names the server, or not
            yield url
    except PostgresMissingError as missing:
        if os.environ.get("ROUNDHOUSE_REQUIRE_SERVICES") == "1":  # noqa: TID251 - steers the tests
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Make an empty database of this test alone, of the kind that is named, and give its URL."""
    with ExitStack() as dropped:

        def make(kind: str) -> str:
            if kind == "sqlite":
                return f"sqlite:///{tmp_path / 'roundhouse.sqlite'}"
            return dropped.enter_context(new_database(request.getfixturevalue("postgres_url")))

        yield make


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, new_url: Callable[[str], str]) -> str:
    """An empty database of this test alone, on each of the databases that we speak."""
    return new_url(request.param)


@pytest.fixture(scope="session")
def docker_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real registry that everybody may write to."""
    try:
        with registry_server(tmp_path_factory.mktemp("registry")) as url:
            yield url
    except RegistryMissingError as missing:
        if os.environ.get("ROUNDHOUSE_REQUIRE_SERVICES") == "1":  # noqa: TID251 - steers the tests
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """The URL of a Valkey server that anything may be put in."""
    try:
        with valkey(os.environ) as url:  # noqa: TID251 - names the server, or not
            yield url
    except ValkeyMissingError as missing:
        if os.environ.get("ROUNDHOUSE_REQUIRE_SERVICES") == "1":  # noqa: TID251 - steers the tests
            pytest.fail(str(missing))
        pytest.skip(str(missing))
