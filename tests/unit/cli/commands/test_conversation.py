from collections.abc import Callable
from pathlib import Path

import pytest

from roundhouse.cli.client import Client
from roundhouse.cli.commands import waiting
from roundhouse.cli.commands.conversation import Conversation, Wishes, converse
from roundhouse.cli.output import Mode, Output
from roundhouse.core.clock import SystemClock
from roundhouse.testing.management import KEY, FakeServer
from roundhouse.testing.management_service import a_model

Talk = Callable[..., str]


@pytest.fixture
def talk(server: FakeServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Talk:
    """Type lines, then leave with Ctrl-D; everything that was printed."""

    def typed(*lines: str | type[BaseException]) -> str:
        waiting = iter(lines)

        def line(_: str) -> str:
            said = next(waiting, EOFError)
            if isinstance(said, str):
                return said
            raise said

        monkeypatch.setattr("builtins.input", line)
        out = Output(Mode.HUMAN, stdout_tty=False, stderr_tty=False, colour=False)
        conversation = Conversation(Client(server.url, KEY), out, Wishes("auto"))
        assert 0 == converse(conversation, server.home, SystemClock())
        printed = capsys.readouterr()
        return printed.out + printed.err

    return typed


def test_what_was_said_is_remembered(talk: Talk, server: FakeServer) -> None:
    """The second question carries the first and its answer."""
    talk("hi", "and you?")
    assert ["hi", "Hello there.", "and you?"] == [turn["content"] for turn in server.chat.asked[1]["messages"]]


def test_clear_forgets(talk: Talk, server: FakeServer) -> None:
    """/clear starts over."""
    talk("hi", "/clear", "again")
    assert ["again"] == [turn["content"] for turn in server.chat.asked[1]["messages"]]


def test_model_changes_who_answers(talk: Talk, server: FakeServer) -> None:
    """/model NAME is for the next question."""
    talk("/model acme/tiny", "hi")
    assert "acme/tiny" == server.chat.asked[0]["model"]


def test_model_alone_lists(talk: Talk, server: FakeServer) -> None:
    """/model shows what there is."""
    server.management.catalog = [a_model("a/b")]
    assert "auto\na/b\n" in talk("/model")


@pytest.mark.parametrize("word", ["/help", "/?", "/nope"])
def test_help_is_there(talk: Talk, word: str) -> None:
    """An unknown command shows what is known."""
    assert "/clear" in talk(word)


@pytest.mark.parametrize("word", ["/bye", "/exit", "/quit"])
def test_bye_leaves(talk: Talk, server: FakeServer, word: str) -> None:
    """What follows is not asked."""
    talk(word, "hi")
    assert [] == server.chat.asked


def test_a_block_of_lines_is_one_question(talk: Talk, server: FakeServer) -> None:
    """Three quotes hold lines together."""
    talk('"""one', 'two"""')
    assert "one\ntwo" == server.chat.asked[0]["messages"][0]["content"]


def test_an_error_ends_the_turn_only(talk: Talk, server: FakeServer) -> None:
    """After a failure the conversation goes on."""
    server.chat.words, server.chat.error = (), {"message": "no such model", "code": "E_NOTFOUND"}
    assert 2 == talk("hi", "hi").count("error: no such model")


def test_ctrl_c_at_the_prompt_stays(talk: Talk, server: FakeServer) -> None:
    """It says how to leave."""
    assert "/bye leaves" in talk(KeyboardInterrupt, "hi")
    assert 1 == len(server.chat.asked)


def test_empty_lines_ask_nothing(talk: Talk, server: FakeServer) -> None:
    """Return is not a question."""
    talk("", "   ")
    assert [] == server.chat.asked


def test_the_history_is_for_this_user_alone(talk: Talk, home: Path) -> None:
    """What was typed may be private."""
    talk("hi")
    assert 0o600 == (home / "chat_history").stat().st_mode & 0o777


def test_ctrl_c_stops_the_answer_and_stays(talk: Talk, server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The conversation goes on until the person leaves."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Conversation, "_show", interrupted)
    assert "(stopped)" in talk("hi")
    assert 1 == len(server.chat.asked)


def _asked(server: FakeServer, *, is_terminal: bool) -> None:
    out = Output(Mode.HUMAN, stdout_tty=is_terminal, stderr_tty=is_terminal, colour=False)
    Conversation(Client(server.url, KEY), out, Wishes("auto")).ask("hi", SystemClock())


def test_what_is_waited_for_is_shown(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, each in the place of the one before, and gone at the first word."""
    server.chat.comments = ("queued position=3 eta_s=12", "loading", "heartbeat")
    _asked(server, is_terminal=True)
    printed = capsys.readouterr()
    long, short = "queued, place 3, about 12 s", "loading …"
    shown = f"\r{long}\r{short.ljust(len(long))}\r{' ' * len(short)}\r"
    assert ("Hello there.\n", True) == (printed.out, printed.err.startswith(shown))
    assert "\r" not in printed.err.removeprefix(shown)


def test_ctrl_c_while_waiting_leaves_nothing_behind(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line is taken away before anything else is said."""

    def interrupted(comment: str) -> str:
        if comment == "loading":
            return comment
        raise KeyboardInterrupt

    server.chat.comments = ("loading", "queued")
    monkeypatch.setattr(waiting, "told", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _asked(server, is_terminal=True)
    assert "\rloading\r       \r" == capsys.readouterr().err


def test_a_pipe_is_not_told_of_waiting(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor does what it gets change."""
    server.chat.comments = ("queued position=3 eta_s=12",)
    _asked(server, is_terminal=False)
    printed = capsys.readouterr()
    assert ("Hello there.\n", False) == (printed.out, "queued" in printed.err or "\r" in printed.err)
