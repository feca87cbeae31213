"""D16, offline: no socket leaves this machine, whatever command is run and whatever page is looked at.

The kernel is the witness: strace sees every connect and every datagram of the server, its children and the commands,
also those of uvloop and of C libraries, which no hook in Python sees.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from roundhouse.cli.main import root
from roundhouse.testing.program import free_port, running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is the witness, and is not here"),
]

DRIVER = Path(__file__).with_name("offline_driver.py")
_ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')
_SETTINGS = """
[backends.cloud]
kind = "openai-compatible"
url = "https://api.example.com/v1"
models = ["gpt-elsewhere"]

[backends.lan]
kind = "openai-compatible"
url = "http://192.0.2.7:8000/v1"

[discovery]
ollama = "http://192.0.2.8:11434"
"""
#: What a command needs to be asked for; any other argument is made up.
_REF, _MODEL = "hf:acme/noise-tiny:Q4_K_M", "roundhouse/noise"
_WORDS = {"ref": _REF, "model": _MODEL, "name": _MODEL, "prompt": "hello"}
#: Those that are tried with a server of their own; the others would do the same with it.
_ALONE = {"pull", "doctor", "models browse", "models ls", "backends ls"}
#: They go on for ever, or are what runs already.
_ENDLESS = {"up", "serve", "events"}


def foreign(log: Path) -> list[str]:
    """Every address beyond this machine that was connected to or sent to."""
    found = [one or other for one, other in _ADDRESS.findall(log.read_text(errors="replace"))]
    return [each for each in found if not each.startswith("127.") and each not in {"::1", "::ffff:127.0.0.1"}]


def traced(log: Path, *command: str) -> list[str]:
    """Put the witness in front of *command*."""
    calls = "trace=connect,sendto,sendmsg,sendmmsg"
    return ["strace", "-f", "-qq", "--seccomp-bpf", "-e", "signal=none", "-e", calls, "-o", str(log), *command]


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """Every command there is, with arguments."""
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if isinstance(command, click.Group):
                yield from commands(command, (*path, name))
            elif command is not None and name not in _ENDLESS:
                arguments = [each for each in command.params if isinstance(each, click.Argument)]
                words = [_WORDS.get((each.name or "").rstrip("s"), "something") for each in arguments]
                yield [*path, name, *words]


@dataclass(frozen=True, slots=True)
class House:
    """An offline server with a witness, and where it is."""

    url: str
    home: Path
    environ: dict[str, str]
    log: Path

    def get(self, path: str, body: object = None) -> tuple[int, bytes]:
        """Ask for *path*; of what has no end, the beginning."""
        data = None if body is None else json.dumps(body).encode()
        key = (self.home / "admin.key").read_text().strip()
        headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
        request = urllib.request.Request(self.url + path, data, headers)  # noqa: S310 - our own server
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                endless = path.startswith("/api/v1/events")
                return answer.status, answer.read1(1000) if endless else answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Start one that knows of backends elsewhere, and end it so that its log is whole."""
    folder = tmp_path_factory.mktemp("offline")
    home, log, port = folder / "home", folder / "server.strace", free_port()
    home.mkdir(mode=0o700)
    (home / "roundhouse.toml").write_text(_SETTINGS)
    environ = {**os.environ, "ROUNDHOUSE_HOME": str(home), "NO_PROXY": "*"}  # noqa: TID251 - a program's own
    words = ["-c", "from roundhouse.cli import main; raise SystemExit(main())"]
    command = traced(log, sys.executable, *words, "up", "--offline", "--port", str(port))
    url = f"http://127.0.0.1:{port}"
    with running(command, f"{url}/readyz", log=folder / "up.log", environ=environ):
        yield House(url, home, environ, log)


def test_the_witness_sees_what_leaves(tmp_path: Path) -> None:
    """A control: a lookup, a connect of the server's loop and a connect of plain Python are all counted."""
    log = tmp_path / "control.strace"
    subprocess.run(traced(log, sys.executable, str(DRIVER), "control"), check=True, timeout=60)
    seen = foreign(log)
    print(f"control: {len(seen)} foreign")
    assert {"192.0.2.1", "2001:db8::1"} <= set(seen)
    assert any(":53" not in each and each not in {"192.0.2.1", "2001:db8::1"} for each in seen)  # the name server


def test_nothing_leaves_with_any_page_or_any_question(house: House) -> None:
    """All that can be looked at is looked at; what is local works."""
    schema = json.loads(house.get("/api/v1/openapi.json")[1])
    paths = [path for path, operations in schema["paths"].items() if "get" in operations]
    pages = ["/", "/nothing", "/metrics", "/healthz", "/readyz", "/v1/models"]
    for path in [*paths, *pages]:
        status, _ = house.get(re.sub(r"\{[^}]*\}", _MODEL, path))
        assert status < 500 or path.endswith("/browse"), path
    chat = {"model": _MODEL, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
    assert house.get("/v1/chat/completions", chat)[0] == 200
    print(f"pages and questions: {len(paths) + len(pages)}, foreign: {len(foreign(house.log))}")
    assert foreign(house.log) == []


def test_what_needs_the_network_says_so_and_what_is_here_instead(house: House) -> None:
    """The error has the code, and names a model; backends elsewhere are reported, and are no errors."""
    status, body = house.get("/api/v1/transfers", {"ref": _REF})
    error = json.loads(body)["error"]
    assert (status, error["code"], error["details"]) == (503, "E_OFFLINE", {"available": [_MODEL]})
    assert json.loads(house.get("/api/v1/browse?text=x")[1])["error"]["code"] == "E_OFFLINE"
    backends = {each["name"]: each for each in json.loads(house.get("/api/v1/backends")[1])["backends"]}
    question = {"model": "gpt-elsewhere", "messages": [{"role": "user", "content": "hi"}]}
    for model in ("gpt-elsewhere", "lan/whatever"):
        status, body = house.get("/v1/chat/completions", {**question, "model": model})
        assert (status, json.loads(body)["error"]["code"]) == (503, "E_OFFLINE")
    assert backends["cloud"]["detail"] == "offline: api.example.com is not this machine"
    assert [backends[name]["ok"] for name in ("cloud", "lan", "local")] == [False, False, True]


@pytest.mark.parametrize("with_server", [True, False])
def test_nothing_leaves_with_any_command(house: House, tmp_path: Path, *, with_server: bool) -> None:
    """Every command there is, with a server and without one."""
    log, environ = tmp_path / "commands.strace", dict(house.environ)
    wanted = [[*words, "--offline"] for words in commands(root)]
    if not with_server:
        (tmp_path / "home").mkdir(mode=0o700)
        (tmp_path / "home" / "roundhouse.toml").write_text(_SETTINGS)
        environ["ROUNDHOUSE_HOME"] = str(tmp_path / "home")
        wanted = [words for words in wanted if " ".join(words[:2]) in _ALONE or words[0] in _ALONE]
    done = subprocess.run(
        traced(log, sys.executable, str(DRIVER), json.dumps(wanted)),
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    told = [json.loads(line) for line in done.stderr.splitlines() if line.startswith('{"words"')]
    ended = {" ".join(each["words"]): each["code"] for each in told}
    print(f"commands: {len(ended)}, foreign: {len(foreign(log))}")
    assert len(ended) == len(wanted), done.stderr[-2000:]
    assert ended[f"pull {_REF} --offline"] == 5
    assert foreign(log) == foreign(house.log) == []
    assert "127.0.0.1" in house.log.read_text()  # it looked around on this machine, so the witness was awake
