import io

import pytest
from tests.unit.cli.conftest import Run

from roundhouse.testing.management import FakeServer


def test_an_answer_is_streamed_to_stdout(run: Run, server: FakeServer) -> None:
    """Stdout is the answer and nothing else; who gave it is told on stderr."""
    outcome = run("chat", "acme/tiny:Q4_K_M", "hi")
    assert (0, "Hello there.\n") == (outcome.code, outcome.out)
    assert "acme/tiny:Q4_K_M at local: 3 tokens" in outcome.err
    assert ("acme/tiny:Q4_K_M", True) == (server.chat.asked[0]["model"], server.chat.asked[0]["stream"])


def test_a_single_question_goes_to_auto(run: Run, server: FakeServer) -> None:
    """A model's name has no space in it."""
    run("chat", "why is the sky blue?")
    asked = server.chat.asked[0]
    assert ("auto", "why is the sky blue?") == (asked["model"], asked["messages"][0]["content"])


def test_wishes_are_passed_on(run: Run, server: FakeServer) -> None:
    """System prompt, temperature and length are in the request."""
    run("chat", "auto", "hi", "--system", "be brief", "--temperature", "0", "--max-tokens", "5")
    asked = server.chat.asked[0]
    assert (0.0, 5) == (asked["temperature"], asked["max_tokens"])
    assert {"role": "system", "content": "be brief"} == asked["messages"][0]


@pytest.mark.parametrize(
    ("words", "prompt"),
    [
        (["auto"], "piped"),
        (["auto", "-"], "piped"),
        (["auto", "sum up:", "-"], "sum up:\n\npiped"),
        (["auto", "a", "b"], "a b"),
    ],
)
def test_standard_input_is_read_when_asked_for(
    run: Run, server: FakeServer, monkeypatch: pytest.MonkeyPatch, words: list[str], prompt: str
) -> None:
    """A pipe is the prompt when there is none, or where `-` stands; never by surprise."""
    monkeypatch.setattr("sys.stdin", io.StringIO("piped\n"))
    run("chat", *words)
    assert prompt == server.chat.asked[0]["messages"][0]["content"]


def test_no_prompt_at_all_is_a_usage_error(run: Run, server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty standard input asks nothing."""
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert (2, []) == (run("chat", "auto").code, server.chat.asked)


@pytest.mark.usefixtures("server")
def test_json_is_the_whole_answer_and_who_gave_it(run: Run) -> None:
    """The answer as the endpoint gives it, with our headers beside."""
    answer = run("chat", "auto", "hi", "--json").json
    assert "Hello there." == answer["choices"][0]["message"]["content"]
    assert "local" == answer["roundhouse"]["backend"]


def test_an_error_before_the_answer_has_its_exit_code(run: Run, server: FakeServer) -> None:
    """An unknown model is exit 3."""
    server.chat.words, server.chat.error = (), {"message": "no such model", "code": "E_NOTFOUND", "hint": "look"}
    outcome = run("chat", "none", "hi")
    assert (3, "") == (outcome.code, outcome.out)
    assert "error: no such model (E_NOTFOUND)\nhint: look\n" == outcome.err


def test_an_error_within_the_answer_keeps_what_came(run: Run, server: FakeServer) -> None:
    """The words so far stand, on a line of their own, and the exit code tells."""
    server.chat.error = {"message": "the model died", "code": "E_BACKEND"}
    outcome = run("chat", "auto", "hi")
    assert (9, "Hello there.\n") == (outcome.code, outcome.out)


def test_an_answer_that_is_cut_is_exit_9(run: Run, server: FakeServer) -> None:
    """Half an answer is not passed off as whole."""
    server.chat.cut = True
    assert 9 == run("chat", "auto", "hi").code


@pytest.mark.usefixtures("server")
def test_quiet_is_the_answer_alone(run: Run) -> None:
    """No talk."""
    outcome = run("chat", "auto", "hi", "-q")
    assert ("Hello there.\n", "") == (outcome.out, outcome.err)
