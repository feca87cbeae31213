"""What every `Management` promises to the API and the pages. A house under test has `NAME` in its library."""

from datetime import UTC, datetime

import pytest

from roundhouse.core.desks.browse import Query
from roundhouse.core.desks.routes import RouteQuestion
from roundhouse.core.desks.trial import Trial
from roundhouse.core.errors import ConflictError, NotFoundError, OfflineError, SchemaError
from roundhouse.core.inference import Operation
from roundhouse.core.management import Management
from roundhouse.testing.management_service import InMemoryManagement

NAME = "roundhouse/noise"


def a_question(model: str) -> RouteQuestion:
    """Ask where a short chat would go."""
    return RouteQuestion(model, Operation.CHAT, {"model": model, "messages": [{"role": "user", "content": "hi"}]}, 80)


async def test_models_are_listed_and_shown(management: Management) -> None:
    """What is listed can be shown under its name, with the same facts."""
    (listed,) = await management.models()
    shown = await management.model(NAME)
    assert (listed.name, listed.size, listed.local) == (NAME, shown.size, True)
    assert shown.size == sum(file.size for file in shown.files)


@pytest.mark.parametrize("name", ["nobody", "", "a/b:c", "\N{SNOWMAN}"])
async def test_unknown_names(management: Management, name: str) -> None:
    """Whatever is asked of something unknown is NotFoundError."""
    for attempt in (
        management.model(name),
        management.remove_model(name, dry_run=True),
        management.verify_model(name),
        management.transfer(name),
        management.pause_transfer(name),
        management.resume_transfer(name),
        management.cancel_transfer(name),
        management.test_backend(name, Trial()),
    ):
        with pytest.raises(NotFoundError):
            await attempt


async def test_a_dry_removal_tells_the_truth_and_does_nothing(management: Management) -> None:
    """First the promise, then the deed, then the model is gone."""
    promised = await management.remove_model(NAME, dry_run=True)
    assert NAME in {model.name for model in await management.models()}
    done = await management.remove_model(NAME, dry_run=False)
    assert (promised.bytes_freed, promised.dry_run, done.dry_run) == (done.bytes_freed, True, False)
    assert NAME not in {model.name for model in await management.models() if model.local}


async def test_verify(management: Management) -> None:
    """Bytes that nobody touched are right."""
    report = await management.verify_model(NAME)
    assert report.ok
    assert all(file.ok and file.actual == file.digest for file in report.files)
    assert (await management.verify_model(NAME, quick=True)).ok


async def test_nonsense_is_not_pulled(management: Management) -> None:
    """What is no reference is SchemaError, dry or not."""
    with pytest.raises(SchemaError):
        await management.start_pull("nonsense", None)
    with pytest.raises(SchemaError):
        await management.plan_pull("nonsense", None)
    assert "nonsense" not in {transfer.ref for transfer in await management.transfers()}


async def test_a_pull_is_paused_resumed_and_cancelled(management: Management, gone: str) -> None:
    """Each answer is the state from now on; after the last one nothing can be changed."""
    started = await management.start_pull(gone, None)
    steps = (
        management.pause_transfer,
        management.resume_transfer,
        management.pause_transfer,
        management.cancel_transfer,
    )
    states = [(await step(started.id)).state for step in steps]
    assert [states[0], *states[2:]] == ["paused", "paused", "cancelled"]
    assert states[1] in {"queued", "resolving", "downloading"}
    with pytest.raises(ConflictError):
        await management.resume_transfer(started.id)


async def test_status_counts(management: Management) -> None:
    """The state agrees with the lists."""
    status = await management.status()
    assert status.models == len(await management.models())
    assert {backend.name for backend in status.backends} == {backend.name for backend in await management.backends()}
    assert status.next.command.startswith("roundhouse ")


async def test_checks_that_are_not_ok_have_a_fix(management: Management) -> None:
    """A warning without a way out helps nobody."""
    assert all(check.fix for check in await management.checks() if check.status != "ok")


async def test_explain(management: Management) -> None:
    """The chosen one is the first candidate."""
    told = await management.explain(a_question(NAME))
    assert (told.chosen, told.error) == (told.candidates[0].id, None)
    assert [candidate.rank for candidate in told.candidates] == list(range(1, len(told.candidates) + 1))


async def test_explain_an_unknown_model(management: Management) -> None:
    """That there is no such model is an answer."""
    told = await management.explain(a_question("nobody"))
    assert (told.chosen, tuple(told.candidates)) == (None, ())
    assert told.error is not None
    assert told.error["code"] == "E_NOTFOUND"


async def test_routes_that_nobody_remembers(management: Management) -> None:
    """Unknown ids are left out."""
    assert dict(await management.routes(["r-nobody"])) == {}


@pytest.mark.parametrize("by", ["model", "backend", "day"])
async def test_nothing_was_used_yet(management: Management, by: str) -> None:
    """A house that served nobody has nothing to add up."""
    assert list(await management.usage(by, datetime(2026, 1, 1, tzinfo=UTC))) == []  # type: ignore[arg-type]
    assert list(await management.requests(10)) == []


async def test_browsing_offline_says_so(management: Management, *, offline: bool) -> None:
    """Before anybody is asked."""
    if isinstance(management, InMemoryManagement):
        management.offline = offline
    with pytest.raises(OfflineError, match="needs the network"):
        await management.browse(Query())


async def test_limits(management: Management) -> None:
    """What was said last holds, and null lifts it."""
    for limit in (1 << 20, None):
        assert limit == (await management.limit_transfers(limit)).limit == (await management.bandwidth()).limit
    with pytest.raises(NotFoundError):
        await management.limit_transfer("nobody", 4096)
    with pytest.raises(NotFoundError):
        await management.prioritize_transfer("nobody", 1)


async def test_what_comes_from_one_source_is_limited_apart(management: Management) -> None:
    """And the limit of all stays as it was; lifted, it is gone."""
    limited = await management.limit_transfers(1 << 20, "hf")
    assert (None, {"hf": 1 << 20}, None) == (limited.limit, dict(limited.sources), limited.holds)
    assert {} == dict((await management.limit_transfers(None, "hf")).sources)


async def test_a_model_is_tried_and_measured(management: Management) -> None:
    """One with random weights answers, and not sensibly."""
    (backend,) = await management.backends()
    quiet = await management.test_backend(backend.name, Trial())
    assert (None, None, False) == (quiet.reply, quiet.verdict, quiet.baseline)
    tried = await management.test_backend(backend.name, Trial(prompt=True, baseline=True))
    assert (True, "wrong") == (tried.ok, tried.verdict)
    assert (tried.first_token_ms or 0.0) > 0.0
