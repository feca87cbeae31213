"""Who is measured: each gateway as its own documentation says to run it in production, one process, the same upstream.

Knows nothing about load. Nothing here tunes a peer down, and nothing tunes Roundhouse up: it runs as
`roundhouse up` does, with routing, breakers, metering to SQLite and metrics on.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from roundhouse.access.keys import mint
from roundhouse.testing.program import free_port

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "benchmarks" / ".work"
PORTKEY_VERSION = "1.15.2"
MODEL = "mock"
PROMPT = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": ""}]}, separators=(",", ":"))
#: 1 KiB exactly.
BODY = PROMPT.replace('""', '"' + "x" * (1024 - len(PROMPT)) + '"')
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": MODEL,
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "hello there, this is a mock answer"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 10, "completion_tokens": 8, "total_tokens": 18},
}
MODELS = {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 1, "owned_by": "mock"}]}


@dataclass(frozen=True, slots=True)
class Contestant:
    """A program that can be started."""

    name: str
    command: tuple[str, ...]
    url: str
    #: How it runs, for the reader of the results.
    settings: str
    version: str
    environment: Mapping[str, str] = field(default_factory=dict)
    #: What a client has to send besides the body.
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Running:
    """A contestant that answers."""

    contestant: Contestant
    process: psutil.Popen
    #: Seconds from the command to the first answer.
    ready_s: float

    def rss_mib(self) -> float:
        """Memory of the process and its children."""
        family = [self.process, *self.process.children(recursive=True)]
        return float(sum(member.memory_info().rss for member in family)) / 2**20


def nginx(folder: Path) -> Contestant:
    """The upstream: an nginx that gives the same answer to everybody, at a rate that no gateway reaches."""
    port = free_port()
    (folder / "nginx.conf").write_text(
        f"""worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000000; client_body_buffer_size 64k;
client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi; default_type application/json;
server {{ listen 127.0.0.1:{port};
location = /v1/models {{ return 200 '{json.dumps(MODELS)}'; }}
location / {{ return 200 '{json.dumps(ANSWER)}'; }} }} }}
""",
        encoding="utf-8",
    )
    return Contestant(
        "direct (nginx)",
        ("nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "nginx.log")),
        f"http://127.0.0.1:{port}",
        "1 worker, constant answer, no log",
        _output("nginx", "-v"),
    )


def roundhouse(upstream: str, folder: Path) -> Contestant:
    """`roundhouse up` with one configured backend and its defaults otherwise."""
    home = folder / "roundhouse"
    home.mkdir()
    (home / "roundhouse.toml").write_text(
        f'[discovery]\nenabled = false\n[backends.mock]\nurl = "{upstream}/v1"\nprice_in = 1.0\nprice_out = 2.0\n',
        encoding="utf-8",
    )
    key = mint(secrets.token_bytes)
    (home / "admin.key").write_text(f"{key}\n", encoding="ascii")
    port = free_port()
    command = str(ROOT / ".venv" / "bin" / "roundhouse")
    return Contestant(
        "roundhouse",
        (command, "up", "--home", str(home), "--port", str(port)),
        f"http://127.0.0.1:{port}",
        "`roundhouse up`, defaults, SQLite: 1 process; key checked; routing, breakers, usage records, metrics on",
        _output(command, "--version"),
        headers={"authorization": f"Bearer {key}"},
    )


def litellm(upstream: str, folder: Path) -> Contestant | None:
    """LiteLLM's proxy by its page on production: one worker, no verbose logs; and no database, which only helps it."""
    python = Path(os.environ.get("ROUNDHOUSE_LITELLM_PYTHON") or ROOT / ".venv-litellm" / "bin" / "python")  # noqa: TID251
    if not python.exists():
        return None
    port, key = free_port(), f"sk-{secrets.token_hex(32)}"
    model = {"model": f"openai/{MODEL}", "api_base": f"{upstream}/v1", "api_key": "none"}
    config = {
        "model_list": [{"model_name": MODEL, "litellm_params": model}],
        "general_settings": {"master_key": key},
        "litellm_settings": {"set_verbose": False, "json_logs": True, "request_timeout": 600, "telemetry": False},
    }
    (folder / "litellm.yaml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    command = (str(python.parent / "litellm"), "--config", str(folder / "litellm.yaml"))
    return Contestant(
        "litellm proxy",
        (*command, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1", "--telemetry", "False"),
        f"http://127.0.0.1:{port}",
        "1 worker, LITELLM_MODE=PRODUCTION, LITELLM_LOG=ERROR, master key, no database or callbacks, bundled price map",
        _output(str(python), "-c", "import importlib.metadata as m; print('litellm', m.version('litellm'))"),
        {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        {"authorization": f"Bearer {key}"},
    )


def portkey(upstream: str) -> Contestant | None:
    """Portkey's gateway from npm, headless, as its README runs it."""
    script = WORK / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if not script.exists() and not _npm_install():
        return None
    port = free_port()
    return Contestant(
        "portkey gateway",
        ("node", str(script), "--headless", f"--port={port}"),
        f"http://127.0.0.1:{port}",
        "node, --headless, NODE_ENV=production; provider and upstream in request headers, as it is stateless",
        f"portkey {PORTKEY_VERSION}, node {_output('node', '--version')}",
        {"NODE_ENV": "production"},
        {"x-portkey-provider": "openai", "x-portkey-custom-host": f"{upstream}/v1", "authorization": "Bearer none"},
    )


def _npm_install() -> bool:
    WORK.mkdir(exist_ok=True)
    package = f"@portkey-ai/gateway@{PORTKEY_VERSION}"
    try:
        done = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", package],
            cwd=WORK,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return False
    return done.returncode == 0


@contextmanager
def running(contestant: Contestant, folder: Path, reply: bytes = b"this is a mock answer") -> Iterator[Running]:
    """Start a contestant and wait until it answers a chat with *reply* in it; stop it and its children afterwards."""
    environment = {**os.environ, **contestant.environment}  # noqa: TID251 - children get ours
    log = folder / f"{contestant.name.split()[0]}.log"
    with log.open("wb") as sink:
        started = time.perf_counter()
        process = psutil.Popen(contestant.command, env=environment, stdout=sink, stderr=sink, cwd=folder)
        try:
            while not answers(contestant, reply):
                if process.poll() is not None or time.perf_counter() - started > 180:
                    sys.exit(f"{contestant.name} did not start:\n{log.read_text(errors='replace')[-4000:]}")
                time.sleep(0.01)
            yield Running(contestant, process, time.perf_counter() - started)
        finally:
            _stop(process)


def answers(contestant: Contestant, reply: bytes = b"this is a mock answer") -> bool:
    """Whether a chat through it gives the upstream's answer."""
    headers = {"content-type": "application/json", **contestant.headers}
    request = urllib.request.Request(f"{contestant.url}/v1/chat/completions", BODY.encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return reply in response.read()
    except (urllib.error.URLError, OSError):
        return False


def _stop(process: psutil.Popen) -> None:
    family = [*process.children(recursive=True), process] if process.is_running() else []
    for member in family:
        member.terminate()
    _, alive = psutil.wait_procs(family, timeout=10)
    for member in alive:
        member.kill()
    process.wait(timeout=10)


def _output(*command: str) -> str:
    """What a command prints, on one line."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return " ".join((done.stdout + done.stderr).split())
