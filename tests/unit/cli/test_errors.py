import pytest

from roundhouse.cli.errors import classes, coloured, rebuilt, tell
from roundhouse.core.errors import (
    AuthError,
    InternalError,
    LimitError,
    NotFoundError,
    RoundhouseError,
    SchemaError,
    VerifyError,
)


@pytest.mark.parametrize("owner", [owner for owner in classes() if owner.__bases__ == (RoundhouseError,)])
def test_every_error_survives_the_wire(owner: type[RoundhouseError]) -> None:
    """An error that a server tells is the same error here: class, words, exit code."""
    error = rebuilt(owner("it broke", hint="mend it", details={"a": 1}).to_dict())
    assert (owner, "it broke", "mend it", {"a": 1}) == (type(error), error.message, error.hint, error.details)


@pytest.mark.parametrize(
    ("said", "status", "expected"),
    [
        ({"code": "model_not_found", "message": "m"}, 404, NotFoundError),
        ({"message": "m"}, 401, AuthError),
        ({"message": "m"}, 429, LimitError),
        ({"message": "m"}, 400, SchemaError),
        ({}, 500, InternalError),
    ],
)
def test_a_foreign_code_is_judged_by_its_status(said: dict[str, object], status: int, expected: type) -> None:
    """An answer without a code of ours still ends with the right exit code."""
    assert expected is type(rebuilt(said, status))


def test_a_failure_is_told_in_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """What, then what next, both on stderr; the exit code is the error's."""
    assert VerifyError.exit_code == tell(VerifyError("bad bytes", hint="pull again"), as_json=False, colour=False)
    assert ("", "error: bad bytes (E_VERIFY)\nhint: pull again\n") == capsys.readouterr()


def test_several_lines_are_indented(capsys: pytest.CaptureFixture[str]) -> None:
    """A list of problems stands under the word error."""
    tell(SchemaError("one\ntwo"), as_json=False, colour=False)
    assert "error: one\n       two (E_SCHEMA)\n" == capsys.readouterr().err


def test_an_error_is_data_too(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the error stands on stdout as the API says it."""
    tell(NotFoundError("no"), as_json=True, colour=False)
    assert '"code": "E_NOTFOUND"' in capsys.readouterr().out


def test_our_own_fault_names_the_request(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever reports it can give us the id."""
    tell(rebuilt({"code": "E_INTERNAL", "message": "oops", "request_id": "r-1"}), as_json=False, colour=False)
    assert "request: r-1" in capsys.readouterr().err


def test_colour_is_a_wish() -> None:
    """NO_COLOR and a dumb terminal are respected."""
    assert [True, False, False] == [coloured({}), coloured({"NO_COLOR": "1"}), coloured({"TERM": "dumb"})]


def test_a_tab_in_a_message_is_space(capsys: pytest.CaptureFixture[str]) -> None:
    """Drivers and click indent with tabs; other control characters are still shown as what they are."""
    tell(VerifyError("choose:\n\tbash\x1b[1m", hint=None), as_json=False, colour=False)
    first, second, *_ = capsys.readouterr().err.splitlines()
    assert ("error: choose:", "bash\N{REPLACEMENT CHARACTER}[1m (E_VERIFY)") == (first, second.strip())
