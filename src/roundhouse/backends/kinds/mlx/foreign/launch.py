"""The program around mlx_lm.server: run by the interpreter that has mlx_lm, so it can import nothing of ours.

Gets one line of JSON on standard input and answers with one on standard output, as soon as it listens; the model may
still be on its way then. Serves until standard input ends: a parent that dies takes it along everywhere, on Linux even
if this process hangs. What mlx_lm.server leaves open is closed here, in the standard library that it stands on: it
listens on a port that the system chose, answers only who has the key, connects to nobody else, and lets no request grow
beyond its context: the memory that was reckoned for it is all there is.
"""

from __future__ import annotations

import ctypes
import hmac
import importlib
import ipaddress
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import TCPServer
from typing import Any

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Be killed when *parent* dies; go at once if it died already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def forgo_core_dumps() -> None:
    """A crash must not write the conversations in memory to disk."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - there is none on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def say(pipe: int, what: dict[str, str]) -> None:
    """Tell the parent, on its own end of standard output."""
    os.write(pipe, json.dumps(what).encode() + b"\n")


def stay_here() -> None:
    """Let nothing in this interpreter connect beyond this machine, or ask who that would be."""

    def check(event: str, arguments: tuple[object, ...]) -> None:
        if event == "socket.connect":
            address = arguments[1]
            host = address[0] if isinstance(address, tuple) else None
        elif event == "socket.getaddrinfo":
            host = arguments[0]
        else:
            return
        if host is not None and not _is_here(host):
            message = "nothing may leave this machine"
            raise PermissionError(message)

    sys.addaudithook(check)


def _is_here(host: object) -> bool:
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return text in {"", "localhost"}


def tell_where(pipe: int) -> None:
    """Tell the parent the address as soon as a server has one; nobody is asked for the name of this machine."""

    def server_bind(self: HTTPServer) -> None:
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def server_activate(self: HTTPServer) -> None:
        TCPServer.server_activate(self)
        say(pipe, {"address": f"http://{self.server_name}:{self.server_port}"})

    _replace(HTTPServer, server_bind, server_activate)


def answer_only_with(key: str) -> None:
    """Refuse whoever does not bring *key*; and keep no book of who asked."""
    wanted, parse = f"Bearer {key}".encode(), BaseHTTPRequestHandler.parse_request

    def parse_request(self: BaseHTTPRequestHandler) -> bool:
        if not parse(self):
            return False
        brought = self.headers.get("Authorization", "").encode("utf-8", "replace")
        if hmac.compare_digest(wanted, brought):
            return True
        self.send_error(HTTPStatus.UNAUTHORIZED)
        return False

    def log_request(_self: BaseHTTPRequestHandler, _code: int | str = "-", _size: int | str = "-") -> None:
        return

    _replace(BaseHTTPRequestHandler, parse_request, log_request)


def _replace(kind: type, *methods: Callable[..., object]) -> None:
    """Give all of that kind these methods instead of their own of the same name."""
    for method in methods:
        setattr(kind, method.__name__, method)


def wire_at_most(limit: int) -> None:
    """Cap what is wired, whatever mlx_lm thinks is best."""
    core = importlib.import_module("mlx.core")
    wire = core.set_wired_limit

    def set_wired_limit(size: int) -> int:
        return int(wire(min(size, limit)))

    vars(core)["set_wired_limit"] = set_wired_limit


def keep_within(context: int) -> None:
    """Refuse a prompt that fills the context, and end an answer that does; mlx_lm.server itself would let both grow."""
    generator = importlib.import_module("mlx_lm.server").ResponseGenerator
    tokenize = generator._tokenize  # noqa: SLF001 - nothing public lies between the prompt and the memory it takes

    def _tokenize(self: object, tokenizer: object, request: object, args: Any) -> object:
        found = tokenize(self, tokenizer, request, args)
        prompt = len(found[0] if isinstance(found, tuple) else found)
        if prompt >= context:
            message = f"the prompt is too long: {prompt} tokens, where {context} fit with the answer"
            raise ValueError(message)
        args.max_tokens = min(args.max_tokens, context - prompt)
        return found

    _replace(generator, _tokenize)


def follow_parent() -> None:
    """End when standard input ends; there is nothing to save."""

    def read_on() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=read_on, daemon=True).start()


def main() -> None:
    """Prepare, then be mlx_lm.server until standard input ends."""
    pipe = os.dup(1)
    # Code that prints must not print into the conversation with the parent.
    os.dup2(2, 1)
    order = json.loads(sys.stdin.buffer.readline())
    die_with(order["parent"])
    forgo_core_dumps()
    follow_parent()
    stay_here()
    tell_where(pipe)
    answer_only_with(order["key"])
    sys.argv = ["mlx_lm.server", *order["arguments"]]
    try:
        if order["wired"] is not None:
            wire_at_most(order["wired"])
        keep_within(order["context"])
        serve = importlib.import_module("mlx_lm.server").main
    except (ImportError, AttributeError) as error:
        say(pipe, {"error": f"this mlx_lm cannot be used: {error}"})
        os._exit(1)
    serve()


if __name__ == "__main__":
    main()
