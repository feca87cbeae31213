"""Whatever a store and a library hold: adopting and taking back is nothing, and adopting twice is adopting once."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from roundhouse.migration import Mode, OnConflict, Wish
from roundhouse.migration.placing import read_whole
from roundhouse.testing.adoption import a_hall, census, folder_times, migrations, registered
from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.stores import HuggingFaceCache, OllamaStore, a_llamacpp_cache, an_lmstudio_folder

#: A few names and a few contents, so that they meet.
NAMES = st.sampled_from(["a", "b", "c"])
CONTENTS = st.sampled_from(
    [a_gguf(bytes(size)) for size in (64, 128)] + [a_gguf(bytes(63)) + b"x", a_gguf()[:-9], b"?"]
)
#: What a store holds: a model's name, its bytes, and what happened to the file since.
HELD = st.lists(st.tuples(NAMES, CONTENTS, st.sampled_from(["", "", "", "gone", "rotten", "cut"])), max_size=5)
WISHES = st.builds(
    Wish, st.sampled_from([mode for mode in Mode if mode is not Mode.REFLINK]), st.sampled_from(list(OnConflict))
)
KINDS = st.sampled_from(["ollama", "huggingface", "lmstudio", "llamacpp"])


def build(kind: str, home: Path, held: list[tuple[str, bytes, str]]) -> None:
    """Write a store of *kind* for the person in *home*."""
    ollama, cache = OllamaStore(home / ".ollama"), HuggingFaceCache(home / ".cache" / "huggingface")
    lmstudio, llamacpp = home / ".lmstudio" / "models", home / ".cache" / "llama.cpp"
    for each in (lmstudio, llamacpp):
        each.mkdir(parents=True)
    for name, data, fate in held:
        match kind:
            case "ollama":
                ollama.add(f"{name}:latest", {"model": data, "license": b"MIT"})
                path = ollama.blob(data)
            case "huggingface":
                snapshot = cache.folder(f"ada/{name}") / "snapshots"
                if not snapshot.exists():
                    cache.add(f"ada/{name}", {"m-Q4_0.gguf": data})
                path = next(snapshot.rglob("*.gguf")).resolve()
            case "lmstudio":
                path = an_lmstudio_folder(lmstudio, f"ada/{name}", {"m-Q4_0.gguf": data}) / "m-Q4_0.gguf"
            case _:
                path = a_llamacpp_cache(llamacpp, f"ada/{name}", "m-Q4_0.gguf", data)
        happen(path, fate)


def happen(path: Path, fate: str) -> None:
    """Let a file be lost, rot or be cut short."""
    if not path.is_file():
        return
    data = path.read_bytes()
    if fate == "gone":
        path.unlink()
    elif fate == "rotten":
        path.write_bytes(data[:-1] + bytes(each ^ 1 for each in data[-1:]))
    elif fate == "cut":
        path.write_bytes(data[:-4])


async def run(
    root: Path, kind: str, ours: list[tuple[str, bytes, str]], theirs: list[tuple[str, bytes, str]], wish: Wish
) -> None:
    """Adopt, adopt again, take back."""
    hall, person = a_hall(root / "library"), root / "person"
    build(kind, root / "earlier", [(name, data, "") for name, data, _ in ours])
    earlier = migrations(hall, root / "earlier", new_id=lambda: "e" * 12)
    await earlier.start(kind, None, Wish(Mode.COPY))
    await earlier.wait()
    build(kind, person, theirs)

    async def seen() -> tuple[object, ...]:
        library = census(hall.library.root, without=("migrations",))
        return (library, await registered(hall), census(person), folder_times(person))

    before, moving = await seen(), migrations(hall, person)
    first = await moving.start(kind, None, wish)
    await moving.wait()
    for file in [file for artifact in await hall.library.list() for file in artifact.files]:
        assert file.digest == read_whole(hall.library.blobs.path_of(file.digest)).digest
    after = await seen()
    failed = first.id is not None and (await moving.show(first.id)).failed
    if not failed:  # what failed is tried again
        assert (await moving.start(kind, None, wish)).id is None
        assert after == await seen()
    if first.id is not None:
        assert "undone" == (await moving.rollback(first.id)).state
    assert [] == [outcome for outcome in await moving.list() if outcome.left]
    assert before == await seen()


@given(KINDS, HELD, HELD, WISHES)
def test_there_and_back_is_nothing(
    kind: str, ours: list[tuple[str, bytes, str]], theirs: list[tuple[str, bytes, str]], wish: Wish
) -> None:
    """The library, the registry and the store are to the last byte, link and time what they were."""
    with TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder), kind, ours, theirs, wish))
