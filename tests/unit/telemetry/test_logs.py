import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from roundhouse.telemetry.logs import configure, redact

SECRET = "rh-AAAAAAAA-secretsecretsecret"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where lines go; afterwards everything is as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def fail() -> None:
    """Raise with a secret in a local variable and in the message."""
    prompt = "what the user asked"
    message = f"Bearer {SECRET} {len(prompt)}"
    raise ValueError(message)


@pytest.mark.parametrize("pretty", [True, False])
def test_an_exception_tells_where_and_not_what(stream: io.StringIO, pretty: bool) -> None:  # noqa: FBT001
    """A traceback without local variables, and without the key in its message."""
    configure(stream, pretty=pretty)
    try:
        fail()
    except ValueError:
        structlog.get_logger("x").exception("failed", request_id="r-1")
    line = stream.getvalue()
    assert "test_logs.py" in line
    assert "r-1" in line
    assert "what the user asked" not in line
    assert "secretsecret" not in line


def test_lines_are_json_where_nobody_looks(stream: io.StringIO) -> None:
    """Not a terminal: one object per line."""
    configure(stream)
    structlog.get_logger("roundhouse.x").warning("event", number=1)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["number"], line["level"], line["logger"]) == ("event", 1, "warning", "roundhouse.x")
    assert "timestamp" in line


def test_libraries_are_in_the_same_log(stream: io.StringIO) -> None:
    """Their lines look like ours, and pass the same redaction."""
    configure(stream)
    logging.getLogger("some.library").error("key %s", SECRET)
    assert json.loads(stream.getvalue())["event"] == "key [hidden]"


def test_level(stream: io.StringIO) -> None:
    """What is less severe is not written."""
    configure(stream, level="warning")
    structlog.get_logger("x").info("quiet")
    logging.getLogger("x").info("quiet")
    assert not stream.getvalue()


def test_talkative_libraries_are_quiet(stream: io.StringIO) -> None:
    """Their warnings are still heard."""
    configure(stream)
    logging.getLogger("dbos").info("chatter")
    logging.getLogger("dbos").warning("trouble")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["trouble"]


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        "sk-abcdefgh12345",
        "hf_abcdefgh12345",
        "ghp_abcdefgh12345",
        "Authorization: Bearer abc.def",
        "http://u:pass@h/",
    ],
)
def test_secrets_are_hidden_by_their_form(text: str) -> None:
    """Wherever in the text, at any depth."""
    event = redact(None, "info", {"event": f"see {text} there", "more": {"deep": [f"<{text}>", text.encode()]}})
    assert str(event).count("[hidden]") == 3


@pytest.mark.parametrize(
    "name", ["api_key", "Authorization", "x-api-key", "password", "cookie", "hf_token", "token", "pepper"]
)
def test_secrets_are_hidden_by_their_name(name: str) -> None:
    """Whatever they look like."""
    assert redact(None, "info", {name: "x", "a": {name: "x"}}) == {name: "[hidden]", "a": {name: "[hidden]"}}


@pytest.mark.parametrize(
    "event", [{"prompt_tokens": 5}, {"url": "http://127.0.0.1:8484/v1"}, {"model": "sk-ip"}, {"n": None}]
)
def test_what_is_no_secret_is_told(event: dict[str, object]) -> None:
    """A log that hides everything helps nobody."""
    assert redact(None, "info", dict(event)) == event
