import asyncio

import pytest
from tests.unit.gateway.conftest import Reply, piece

from roundhouse.core.errors import BackendError
from roundhouse.gateway.asgi import Message
from roundhouse.gateway.exchange import Exchange, State
from roundhouse.gateway.sse import OpenAIEvents


class Wire:
    """The other end; each message takes a turn of the loop, as on a full socket."""

    def __init__(self) -> None:
        self.reply = Reply()

    async def send(self, message: Message) -> None:
        """Take one message."""
        await asyncio.sleep(0)
        self.reply.messages.append(message)


@pytest.fixture
def wire() -> Wire:
    """The other end."""
    return Wire()


@pytest.fixture
def stream(wire: Wire) -> Exchange:
    """An exchange that will stream."""
    exchange = Exchange(wire.send, "id")
    exchange.will_stream(OpenAIEvents())
    return exchange


async def test_a_stream_opens_once(stream: Exchange, wire: Wire) -> None:
    """A keep-alive that had to open it leaves nothing for the answer to open."""
    await stream.keep_alive()
    await stream.open([(b"x-late", b"1")])
    await stream.close()
    assert [message["type"] for message in wire.reply.messages].count("http.response.start") == 1


async def test_pieces_and_keep_alives_take_turns(stream: Exchange, wire: Wire) -> None:
    """Two tasks that send at the same time never interleave, and the head is always first."""
    await asyncio.gather(stream.keep_alive(), stream.open([]), stream.keep_alive(), stream.write(piece()))
    await stream.close()
    assert [message["type"] for message in wire.reply.messages][:2] == ["http.response.start", "http.response.body"]
    assert wire.reply.events[-1] == "[DONE]"


async def test_nothing_follows_the_end(stream: Exchange, wire: Wire) -> None:
    """A keep-alive that is late, or a second error, stays unsaid."""
    await stream.open([])
    await stream.fail(BackendError())
    sent = len(wire.reply.messages)
    await stream.keep_alive()
    await stream.fail(BackendError())
    assert (stream.state, len(wire.reply.messages)) == (State.OVER, sent)


async def test_only_streams_stream(wire: Wire) -> None:
    """Using it otherwise is a mistake of ours, and loud."""
    with pytest.raises(RuntimeError):
        await Exchange(wire.send, "id").write(piece())
