import io
import tarfile
from collections.abc import Callable

import pytest
from tests.unit.library.exchange.conftest import House, in_pieces, packed

from roundhouse.core.desks.exchange import Import
from roundhouse.core.errors import RoundhouseError, SchemaError
from roundhouse.library.exchange import tar

Change = Callable[[tarfile.TarInfo], None]


def rewritten(data: bytes, change: Change, *, form: int = tarfile.GNU_FORMAT) -> bytes:
    """The same tar with its last entry changed."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, tarfile.open(fileobj=out, mode="w", format=form) as new:
        for each in old.getmembers():
            content = old.extractfile(each)
            if each.name != "manifest.json":
                change(each)
            new.addfile(each, content)
    return out.getvalue()


def named(name: str) -> Change:
    """Give the entry another name."""
    return lambda entry: setattr(entry, "name", name)


def typed(kind: bytes, target: str = "") -> Change:
    """Make something else than a file of the entry."""

    def change(entry: tarfile.TarInfo) -> None:
        entry.type, entry.linkname = kind, target
        entry.size = 0

    return change


def sized(size: int) -> Change:
    """Lie about the size."""
    return lambda entry: setattr(entry, "size", size)


HOSTILE: dict[str, Change] = {
    "absolute": named("/etc/cron.d/x"),
    "outside": named("../../x"),
    "other": named("blobs/sha256-" + "0" * 64),
    "link": typed(tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": typed(tarfile.LNKTYPE, "manifest.json"),
    "device": typed(tarfile.CHRTYPE),
    "fifo": typed(tarfile.FIFOTYPE),
    "folder": typed(tarfile.DIRTYPE),
    "sparse": typed(tarfile.GNUTYPE_SPARSE),
    "shorter": sized(10),
    "manifest twice": named("manifest.json"),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
async def test_hostile_entries(here: House, there: House, change: Change) -> None:
    """Whatever is not what the manifest lists is refused, and nothing is left anywhere."""
    await here.add("acme/one")
    data = rewritten(await packed(here, ["acme/one"]), change)
    with pytest.raises(RoundhouseError) as raised:
        await there.exchange.unpack(in_pieces(data), Import())
    assert raised.value.status < 500
    assert ([], []) == (await there.models(), there.leftovers())


@pytest.mark.parametrize("name", ["x" * 5000, "a/" * 90 + "b"])
async def test_headers_of_any_length(here: House, there: House, name: str) -> None:
    """Long names need entries of other kinds, which are refused before they are read."""
    await here.add("acme/one")
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        data = rewritten(await packed(here, ["acme/one"]), named(name), form=form)
        with pytest.raises(SchemaError):
            await there.exchange.unpack(in_pieces(data), Import())


async def test_sizes_that_lie(there: House) -> None:
    """A manifest of a terabyte is refused by its size alone."""
    for size in (1 << 40, (1 << 80) - 1):
        block = tar.header(tar.Member("manifest.json", size))
        with pytest.raises(SchemaError, match="manifest"):
            await there.exchange.unpack(in_pieces(block), Import())


async def test_order_and_end(here: House, there: House) -> None:
    """The manifest is first, each file is there once, and nothing is behind the end."""
    await here.add("acme/one")
    data = await packed(here, ["acme/one"])
    with tarfile.open(fileobj=io.BytesIO(data)) as read:
        manifest, blob = read.getmembers()
    head, body = data[: blob.offset], data[blob.offset :]
    body_end = blob.offset_data + blob.size + -blob.size % 512
    first = data[blob.offset : body_end]
    for wrong in (body, head + bytes(10_240), head + first + body, data + b"x", data + bytes(50_000), bytes(1024), b""):
        with pytest.raises(RoundhouseError) as raised:
            await there.exchange.unpack(in_pieces(wrong), Import())
        assert raised.value.status < 500
    assert ([], []) == (await there.models(), there.leftovers())
    assert manifest.name == "manifest.json"


@pytest.mark.parametrize("size", [0, 1, 512, 8**11 - 1, 8**11, 1 << 50])
def test_sizes(size: int) -> None:
    """What is written is read again."""
    member = tar.Member("blobs/x", size)
    assert member == tar.parse(tar.header(member))


def test_the_size_is_known_beforehand() -> None:
    """It is that of the parts, rounded up as tars are."""
    assert tar.whole_size([tar.Member("a", 1), tar.Member("b", 512)]) == 10_240
