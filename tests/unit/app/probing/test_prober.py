import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from roundhouse.app import probing
from roundhouse.app.probing import Prober, asked
from roundhouse.app.probing.presence import Presence
from roundhouse.core.events import BackendLost, BackendRecovered, Event
from roundhouse.core.inference import Capability, Deployment, Operation, Profile
from roundhouse.core.ledger import UsageRecord
from roundhouse.core.ports import BackendHealth
from roundhouse.core.runtimes import UNTOLD, Traits
from roundhouse.health.standing import Standings
from roundhouse.routing.choose import choose
from roundhouse.routing.snapshot import Snapshot
from roundhouse.serving.admission.gate import Slot
from roundhouse.serving.admission.gates import Gates
from roundhouse.serving.serve import Serving
from roundhouse.testing.backend import FakeBackend, a_deployment, a_request
from roundhouse.testing.clock import FakeClock

CHAT = Profile(Operation.CHAT, "tiny", frozenset({Capability.CHAT}), 1)


def _unread(_record: UsageRecord) -> None:
    """Nobody reads the records."""


class Patient(FakeBackend):
    """A backend whose health a test decides."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.is_well = True
        self.hangs = False
        #: How often it was asked, and a word after each.
        self.asked = 0
        self.answered = asyncio.Event()

    async def health(self) -> BackendHealth:
        """As a test wants it."""
        self.asked += 1
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        self.answered.set()
        return BackendHealth(self.is_well, "well" if self.is_well else "refused")


class House:
    """Two backends with a model each, and what watches them."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.clock.advance(1000.0)
        self.a, self.b = Patient("a"), Patient("b")
        self.backends: Mapping[str, Patient] = {"a": self.a, "b": self.b}
        self.presence = Presence()
        self.told: list[Event] = []
        self.presence.events.subscribe(self.told.append)
        self.standings = Standings(lambda: 0.5)
        self.gates = Gates(self.clock.monotonic)
        self.every_s = 15.0
        self.traits = UNTOLD
        self.prober = Prober(
            self, self.standings, self.gates, lambda _name: self.every_s, self.clock.monotonic, lambda: 0.75
        )

    def offered(self, backend: str) -> tuple[Deployment, ...]:
        """One model."""
        return (replace(a_deployment(f"{backend}/tiny"), traits=self.traits),)

    def serving(self) -> Serving:
        """What serves requests with both."""
        snapshot = Snapshot.build([*self.offered("a"), *self.offered("b")])
        return Serving(self.backends, lambda: snapshot, self.standings, _unread, self.clock, gates=self.gates)

    def chosen(self) -> list[str]:
        """Who would be asked, in order."""
        snapshot = Snapshot.build([*self.offered("a"), *self.offered("b")])
        return [each.id for each in choose(CHAT, snapshot, self.standings, self.clock.monotonic()).candidates]

    async def check(self, *moods: str) -> None:
        """Check `a` once for each mood."""
        for mood in moods:
            self.a.is_well = mood == "well"
            await self.prober.check("a")

    def answered(self, backend: str) -> None:
        """A call there went well, in spite of what may be against it."""
        permit = self.standings.of(f"{backend}/tiny", backend).admit(self.clock.monotonic(), despite_breaker=True)
        assert permit
        permit.succeeded(self.clock.monotonic(), 1.0)


@pytest.fixture
async def house() -> House:
    """Nobody was asked yet."""
    return House()


async def test_an_ill_backend_is_left_out_before_a_request_fails_there(house: House) -> None:
    """Though none of its models was ever tried; and it is announced."""
    await house.check("well", "ill", "ill")
    assert (["b/tiny"], [BackendLost("a", "refused")]) == (house.chosen(), house.told)


async def test_one_lost_packet_is_no_illness(house: House) -> None:
    """It is asked again soon, and only then left out."""
    await house.check("well", "ill")
    assert (["a/tiny", "b/tiny"], 1.0) == (house.chosen(), house.prober.pause_s("a"))
    await house.check("well")
    assert (15.0 * 1.1, []) == (house.prober.pause_s("a"), house.told)


async def test_one_that_is_well_again_is_used_at_once(house: House) -> None:
    """And announced."""
    await house.check("well", "ill", "ill", "ill", "well")
    assert ["a/tiny", "b/tiny"] == house.chosen()
    assert [BackendLost("a", "refused"), BackendRecovered("a")] == house.told


async def test_when_all_are_ill_they_are_tried_all_the_same(house: House) -> None:
    """A check may be wrong."""
    for backend in (house.a, house.b):
        await house.prober.check(backend.name)
        backend.is_well = False
        await house.prober.check(backend.name)
        await house.prober.check(backend.name)
    assert ["a/tiny", "b/tiny"] == house.chosen()


async def test_an_answer_contradicts_a_check(house: House) -> None:
    """It is used again, and the check says nothing until it was right once more."""
    await house.check("well", "ill", "ill")
    house.answered("a")
    house.clock.advance(60.0)
    await house.check("ill", "ill", "ill")
    assert (["a/tiny", "b/tiny"], BackendRecovered("a")) == (house.chosen(), house.told[-1])
    await house.check("well", "ill", "ill")
    assert ["b/tiny"] == house.chosen()


async def test_a_check_that_never_was_right_is_not_believed(house: House) -> None:
    """A key may not be allowed to list models."""
    await house.check("ill", "ill", "ill")
    assert (["a/tiny", "b/tiny"], []) == (house.chosen(), house.told)


async def test_nobody_is_asked_who_has_just_answered(house: House) -> None:
    """Traffic shows it, for as long as the pause between two checks."""
    house.answered("a")
    house.clock.advance(14.0)
    await house.check("ill")
    assert 0 == house.a.asked
    house.clock.advance(1.0)
    await house.check("ill")
    assert 1 == house.a.asked


async def hanging(house: House, monkeypatch: pytest.MonkeyPatch) -> Slot:
    """Let `a` say nothing any more, with one call under way."""
    monkeypatch.setattr(probing, "PATIENCE_S", 0.0)
    await house.check("well")
    house.a.hangs = True
    slot = house.gates.of("a").take(a_deployment("a/tiny"))
    assert slot
    return slot


async def test_silence_of_one_at_work_counts_when_nothing_comes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """For three checks it may only be busy; it is looked after at the pace of this machine, wherever it is."""
    await hanging(house, monkeypatch)
    house.every_s = 60.0
    await house.check("silent", "silent")
    assert (15.0 * 1.1, []) == (house.prober.pause_s("a"), house.told)
    await house.check("silent", "silent")
    assert (["b/tiny"], [BackendLost("a", "no answer")]) == (house.chosen(), house.told)


async def test_silence_of_one_whose_answers_come_says_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It works; and without a call under way the same silence is an illness."""
    slot = await hanging(house, monkeypatch)
    for _ in range(10):
        house.clock.advance(15.0)
        slot.gate.moved = house.clock.monotonic()
        await house.check("silent", "silent")
    assert [] == house.told
    slot.leave()
    await house.check("silent", "silent")
    assert [BackendLost("a", "no answer")] == house.told


async def test_silence_of_one_that_cannot_speak_at_work_says_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some runtimes answer one at a time."""
    house.traits = Traits(mute_at_work=True)
    await hanging(house, monkeypatch)
    await house.check(*["silent"] * 10)
    assert [] == house.told


async def test_calls_go_elsewhere_while_one_hangs(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops in the middle of a stream; what came before proves that it worked, and nothing since."""
    monkeypatch.setattr(probing, "PATIENCE_S", 0.0)
    serving = house.serving()
    await house.check("well")
    house.a.hold(after_pieces=2)
    _, flow = await serving.stream(a_request(stream=True))
    await anext(flow)
    house.a.hangs = True
    house.clock.advance(15.0)
    await house.check("silent", "silent")
    await anext(flow)
    await anext(flow)
    await house.check("silent", "silent", "silent")
    before = sorted(house.chosen())
    await house.check("silent")
    served, _ = await serving.answer(a_request())
    assert (["a/tiny", "b/tiny"], "b/tiny") == (before, served.deployment.id)
    house.a.hangs = False
    await house.check("well")
    house.a.let_go()
    assert ["a/tiny", "b/tiny"] == sorted(house.chosen())
    await flow.aclose()


async def test_those_who_wait_for_one_that_hangs_are_served_elsewhere(house: House) -> None:
    """As soon as it is left out; nothing was sent there, so nothing is sent twice."""
    house.traits = Traits(slots=1)
    serving = house.serving()
    await house.check("well")
    house.a.hold(after_pieces=2)
    _, flow = await serving.stream(a_request(stream=True))
    house.b.hold(after_pieces=2)
    _, busy = await serving.stream(replace(a_request(stream=True), id="r-2"))
    waiting = asyncio.ensure_future(serving.answer(replace(a_request(), id="r-3")))
    for _ in range(5):
        await asyncio.sleep(0)
    assert 1 == house.gates.of("a").queued
    house.b.let_go()
    await busy.aclose()
    await house.check("ill", "ill")
    served, _ = await waiting
    assert "b/tiny" == served.deployment.id
    house.a.let_go()
    await flow.aclose()


async def test_one_that_hangs_delays_nobody(house: House) -> None:
    """Each is asked on its own, also one that came later."""
    house.every_s = 1e-6
    house.a.hangs = True
    house.backends = {"a": house.a}
    watching = asyncio.create_task(house.prober.run())
    await asyncio.sleep(0)
    house.backends = {"a": house.a, "b": house.b}
    house.prober.look(())
    async with asyncio.timeout(10):
        await house.b.answered.wait()
        house.b.answered.clear()
        await house.b.answered.wait()
    assert 1 == house.a.asked
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_zero_is_never(house: House) -> None:
    """Nobody is asked, until somebody wishes otherwise."""
    house.every_s = 0.0
    watching = asyncio.create_task(house.prober.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert 0 == house.a.asked + house.b.asked
    house.every_s = 1e-6
    house.prober.look(())
    async with asyncio.timeout(10):
        await house.a.answered.wait()
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_one_that_is_taken_away_is_watched_no_longer(house: House) -> None:
    """Also while it is being asked; and another one by its name begins anew."""
    house.every_s = 1e-6
    watching = asyncio.create_task(house.prober.run())
    async with asyncio.timeout(10):
        await house.a.answered.wait()
        house.backends = {"b": house.b}
        house.prober.look(())
        house.b.answered.clear()
        await house.b.answered.wait()  # a turn of `b`, and `a` would have had one
    asked, house.backends = house.a.asked, {"a": Patient("a"), "b": house.b}
    house.prober.look(())
    async with asyncio.timeout(10):
        await house.backends["a"].answered.wait()
    assert (asked, []) == (house.a.asked, house.told)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_a_kind_that_breaks_its_word_is_ill() -> None:
    """Whatever it raises ends no watch, and its words are not repeated."""

    class Broken(FakeBackend):
        async def health(self) -> BackendHealth:
            message = "sk-secret"
            raise ValueError(message)

    assert BackendHealth(ok=False, detail="cannot say how it is: ValueError") == await asked(Broken())
