"""A store is adopted, adopted again without effect, and taken back as if it had never been."""

from pathlib import Path

import pytest

from roundhouse.core.clock import SystemClock
from roundhouse.core.errors import ConflictError, DiskError, NotFoundError
from roundhouse.migration import Hall, Kind, Limits, Migrations, Mode, OnConflict, Outcome, Surroundings, Wish
from roundhouse.testing.adoption import census, digest_of, folder_times, migrations, registered
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.stores import HuggingFaceCache, OllamaStore, an_lmstudio_folder

ONE, TWO = a_gguf(bytes(64)), a_gguf(bytes(128))


async def carried(moving: Migrations, source: Path | str, wish: Wish = Wish()) -> Outcome:  # noqa: B008 - frozen
    """Adopt *source* to the end."""
    outcome = await moving.start(str(source), None, wish)
    await moving.wait()
    return outcome if outcome.id is None else await moving.show(outcome.id)


async def names(hall: Hall) -> list[str]:
    """The models of the library."""
    return [artifact.model for artifact in await hall.library.list()]


async def test_models_are_adopted_and_their_bytes_proven(moving: Migrations, hall: Hall, store: OllamaStore) -> None:
    """They are registered, whole, and pass a full verification."""
    store.add("tiny:latest", {"model": ONE, "template": b"{{ .Prompt }}"})
    outcome = await carried(moving, "ollama")
    assert ("applied", ("tiny:latest",), ()) == (outcome.state, outcome.adopted, outcome.failed)
    assert (await hall.library.verify("tiny:latest")).ok


@pytest.mark.parametrize("mode", list(Mode))
async def test_every_mode_leaves_right_bytes_and_goes_back(
    moving: Migrations, hall: Hall, store: OllamaStore, home: Path, mode: Mode
) -> None:
    """Library, store and registry are afterwards what they were, to the link count and the time."""
    store.add("tiny:latest", {"model": ONE, "template": b"x"})
    store.add("tiny:same", {"model": ONE})
    before = (census(home), folder_times(home), await registered(hall))
    outcome = await carried(moving, "ollama", Wish(mode))
    if mode is Mode.REFLINK and outcome.failed:
        assert "E_DISK" == outcome.failed[0][1]["code"]  # this file system cannot
    else:
        assert ["tiny:latest", "tiny:same"] == await names(hall)
        assert all([(await hall.library.verify(name)).ok for name in await names(hall)])
    await moving.rollback(outcome.id or "")
    assert before == (census(home), folder_times(home), await registered(hall))
    assert {} == census(hall.library.root, without=("migrations",))


async def test_a_move_empties_the_store_of_what_it_took(moving: Migrations, store: OllamaStore) -> None:
    """And of nothing that a model which stays behind needs."""
    store.add("tiny:latest", {"model": ONE, "license": b"MIT"})
    broken = store.add("broken:latest", {"model": ONE[:-8], "license": b"MIT"})
    await carried(moving, "ollama", Wish(Mode.MOVE))
    left = {path.name for path in store.root.rglob("*") if path.is_file()}
    needed = {broken.name, *(f"sha256-{digest_of(data)}" for data in (ONE[:-8], b"MIT", b'{"model_format": "gguf"}'))}
    assert needed == left


async def test_a_second_time_changes_nothing(moving: Migrations, hall: Hall, tmp_path: Path) -> None:
    """Also when no name promises a digest."""
    an_lmstudio_folder(tmp_path / "m", "ada/tiny", {"t-Q4_0.gguf": ONE})
    await carried(moving, tmp_path / "m")
    before = (census(tmp_path), await registered(hall))
    again = await carried(moving, tmp_path / "m")
    assert (None, (), ("t-q4_0",)) == (again.id, again.plan.steps, again.plan.unchanged)
    assert before == (census(tmp_path), await registered(hall))


async def test_a_hard_link_leaves_the_store_as_it_is(moving: Migrations, hall: Hall, store: OllamaStore) -> None:
    """Mode and time are the store's; only the link count tells."""
    store.add("tiny:latest", {"model": ONE})
    blob = store.blob(ONE)
    blob.chmod(0o640)
    seen = blob.stat()
    await carried(moving, "ollama", Wish(Mode.LINK))
    now = blob.stat()
    assert (seen.st_mode, seen.st_mtime_ns, seen.st_uid) == (now.st_mode, now.st_mtime_ns, now.st_uid)
    assert hall.library.blobs.path_of(digest_of(ONE)).samefile(blob)


async def test_removing_a_linked_model_frees_nothing(moving: Migrations, hall: Hall, store: OllamaStore) -> None:
    """The other program still holds the bytes, and nobody is told otherwise."""
    store.add("tiny:latest", {"model": ONE})
    await carried(moving, "ollama", Wish(Mode.LINK))
    assert 0 == await hall.library.remove("tiny:latest")
    assert store.blob(ONE).is_file()


async def test_a_reference_that_is_changed_is_found_out(moving: Migrations, hall: Hall, store: OllamaStore) -> None:
    """Its bytes are the other program's; verification reads them where they are."""
    store.add("tiny:latest", {"model": ONE})
    await carried(moving, "ollama", Wish(Mode.REFERENCE))
    blob = next(path for path in (store.root / "blobs").iterdir() if path.stat().st_size == len(ONE))
    blob.write_bytes(bytes(len(ONE)))
    assert not (await hall.library.verify("tiny:latest")).ok


async def test_a_name_that_lies_about_its_bytes_is_not_adopted(
    moving: Migrations, hall: Hall, store: OllamaStore
) -> None:
    """A zeroed blob lists as healthy in Ollama; the others of the store still come."""
    store.add("rotten:latest", {"model": ONE})
    store.add("fine:latest", {"model": TWO})
    blob = store.blob(ONE)
    blob.write_bytes(ONE[:-8] + b"rot. rot")
    outcome = await carried(moving, "ollama")
    assert (("fine:latest",), "E_VERIFY") == (outcome.adopted, outcome.failed[0][1]["code"])
    assert not hall.library.blobs.has(digest_of(ONE))
    assert ["fine:latest"] == await names(hall)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (OnConflict.SKIP, {"tiny:latest": TWO}),
        (OnConflict.KEEP_BOTH, {"tiny:latest": TWO, "tiny:latest-2": ONE}),
        (OnConflict.REPLACE, {"tiny:latest": ONE}),
    ],
)
async def test_the_same_name_with_other_bytes_follows_the_policy(
    moving: Migrations, hall: Hall, home: Path, policy: OnConflict, expected: dict[str, bytes]
) -> None:
    """It is listed, decided as asked, and what was replaced comes back with a rollback."""
    await _adopt_other(moving, home, "tiny:latest", TWO)
    OllamaStore(home / ".ollama").add("tiny:latest", {"model": ONE})
    before = (census(hall.library.root, without=("migrations",)), await registered(hall))
    outcome = await carried(moving, "ollama", Wish(on_conflict=policy))
    assert [("tiny:latest", policy)] == [
        (each.model.removesuffix("-2"), each.resolution) for each in outcome.plan.conflicts
    ]
    found = {artifact.model: artifact.files[0].digest for artifact in await hall.library.list()}
    assert {name: digest_of(data) for name, data in expected.items()} == found
    if outcome.id:
        await moving.rollback(outcome.id)
    assert before == (census(hall.library.root, without=("migrations",)), await registered(hall))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (OnConflict.SKIP, ["other:latest"]),
        (OnConflict.KEEP_BOTH, ["other:latest", "tiny:latest"]),
        (OnConflict.REPLACE, ["tiny:latest"]),
    ],
)
async def test_the_same_bytes_under_another_name_follow_the_policy(
    moving: Migrations, hall: Hall, home: Path, policy: OnConflict, expected: list[str]
) -> None:
    """A second name costs nothing; whether it is wanted is asked."""
    await _adopt_other(moving, home, "other:latest", ONE)
    OllamaStore(home / ".ollama").add("tiny:latest", {"model": ONE})
    before = (census(hall.library.root, without=("migrations",)), await registered(hall))
    outcome = await carried(moving, "ollama", Wish(on_conflict=policy))
    assert expected == await names(hall)
    if outcome.id:
        await moving.rollback(outcome.id)
    assert before == (census(hall.library.root, without=("migrations",)), await registered(hall))


async def _adopt_other(moving: Migrations, home: Path, name: str, data: bytes) -> None:
    """Let the library have a model already."""
    elsewhere = OllamaStore(home / "elsewhere")
    elsewhere.add(name, {"model": data})
    await carried(moving, elsewhere.root, Wish(Mode.COPY))


async def test_keeping_both_twice_keeps_two(moving: Migrations, hall: Hall, home: Path) -> None:
    """The name that the second one got the first time is known again."""
    await _adopt_other(moving, home, "tiny:latest", TWO)
    OllamaStore(home / ".ollama").add("tiny:latest", {"model": ONE})
    await carried(moving, "ollama", Wish(on_conflict=OnConflict.KEEP_BOTH))
    again = await carried(moving, "ollama", Wish(on_conflict=OnConflict.KEEP_BOTH))
    assert (None, ["tiny:latest", "tiny:latest-2"]) == (again.id, await names(hall))


async def test_a_model_that_was_changed_since_stays(moving: Migrations, hall: Hall, home: Path) -> None:
    """A rollback takes back what it did, not what others did after it."""
    OllamaStore(home / ".ollama").add("tiny:latest", {"model": ONE})
    first = await carried(moving, "ollama")
    elsewhere = OllamaStore(home / "elsewhere")
    elsewhere.add("tiny:latest", {"model": TWO})
    await carried(moving, elsewhere.root, Wish(on_conflict=OnConflict.REPLACE))
    undone = await moving.rollback(first.id or "")
    assert ("undone", ("tiny:latest is another model now, and stays",)) == (undone.state, undone.left)
    assert ["tiny:latest"] == await names(hall)


async def test_secrets_are_never_read(moving: Migrations, hall: Hall, store: OllamaStore, home: Path) -> None:
    """Not one byte of a key or token comes into the library."""
    cache = HuggingFaceCache(home / ".cache" / "huggingface")
    cache.add("ada/tiny-GGUF", {"tiny-Q4_K_M.gguf": TWO})
    store.add("tiny:latest", {"model": ONE})
    secrets = [store.home / "id_ed25519", cache.home / "token", cache.home / "stored_tokens"]
    for path in secrets:
        path.write_text("s3kr3t")
    for source in ("ollama", "huggingface", str(home)):
        await carried(moving, source)
    held = [path for path in hall.library.root.rglob("*") if path.is_file() and b"s3kr3t" in path.read_bytes()]
    assert [] == held


async def test_what_is_found_at_the_usual_places_is_listed(moving: Migrations, store: OllamaStore) -> None:
    """With what adopting it would bring."""
    store.add("tiny:latest", {"model": ONE})
    (plan,) = await moving.stores()
    assert (Kind.OLLAMA, ["tiny:latest"], len(ONE)) == (
        plan.kind,
        [step.model for step in plan.steps],
        plan.bytes_shared,
    )


async def test_nothing_at_the_usual_places_is_said(moving: Migrations) -> None:
    """With where was looked."""
    with pytest.raises(NotFoundError):
        await moving.plan("lmstudio", None, Wish())


@pytest.mark.parametrize("wrong", ["", "no such", "../../etc", "0" * 12])
async def test_an_unknown_id_is_said_to_be_unknown(moving: Migrations, wrong: str) -> None:
    """Also one that is a path."""
    with pytest.raises(NotFoundError):
        await moving.show(wrong)


async def test_a_second_migration_waits_for_its_turn(moving: Migrations, store: OllamaStore) -> None:
    """Two at once would plan on sand."""
    store.add("tiny:latest", {"model": ONE})
    await moving.start("ollama", None, Wish())
    with pytest.raises(ConflictError):
        await moving.start("ollama", None, Wish())
    await moving.wait()


async def test_one_under_way_can_be_rolled_back(moving: Migrations, hall: Hall, store: OllamaStore) -> None:
    """It stops, and what it did is taken back."""
    store.add("tiny:latest", {"model": ONE})
    outcome = await moving.start("ollama", None, Wish())
    assert "undone" == (await moving.rollback(outcome.id or "")).state
    assert [] == await names(hall)


async def test_what_was_stopped_goes_on(moving: Migrations, hall: Hall, store: OllamaStore, home: Path) -> None:
    """The next start finds the journal."""
    store.add("tiny:latest", {"model": ONE})
    await moving.start("ollama", None, Wish())
    await moving.close()
    later = migrations(hall, home)
    await later.recover()
    await later.wait()
    assert (["tiny:latest"], ["applied"]) == (await names(hall), [outcome.state for outcome in await later.list()])


async def test_a_rollback_can_be_asked_for_twice(moving: Migrations, store: OllamaStore) -> None:
    """The second changes nothing."""
    store.add("tiny:latest", {"model": ONE})
    outcome = await carried(moving, "ollama")
    first = await moving.rollback(outcome.id or "")
    assert first == await moving.rollback(outcome.id or "")


async def test_what_is_forgotten_cannot_be_taken_back(moving: Migrations, hall: Hall, store: OllamaStore) -> None:
    """The models stay."""
    store.add("tiny:latest", {"model": ONE})
    outcome = await carried(moving, "ollama")
    await moving.forget(outcome.id or "")
    with pytest.raises(NotFoundError):
        await moving.rollback(outcome.id or "")
    assert (["tiny:latest"], []) == (await names(hall), await moving.list())


async def test_a_copy_that_has_no_room_is_not_begun(hall: Hall, home: Path, store: OllamaStore) -> None:
    """It would fail at its end."""
    store.add("tiny:latest", {"model": ONE})
    around = Surroundings(home, {})
    moving = Migrations(hall, around, SystemClock(), lambda: "0" * 12, Limits(min_free=1 << 60))
    with pytest.raises(DiskError):
        await moving.start("ollama", None, Wish(Mode.COPY))
    assert [] == await moving.list()
