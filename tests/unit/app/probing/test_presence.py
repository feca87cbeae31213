from roundhouse.app.probing.presence import Presence
from roundhouse.core.events import BackendLost, BackendRecovered, Event


def test_one_that_two_find_away_is_lost_once_and_back_when_both_say_so() -> None:
    """Whoever looks first tells; the last trouble that is over ends it."""
    presence, told = Presence(), list[Event]()
    presence.events.subscribe(told.append)
    for by, trouble in (("lists", None), ("health", "hung"), ("lists", "refused"), ("health", None), ("lists", None)):
        presence.note("a", by, trouble)
    assert [BackendLost("a", "hung"), BackendRecovered("a")] == told


def test_everybody_may_ask_for_the_trouble() -> None:
    """Of one who looked, or of any."""
    presence = Presence()
    presence.note("a", "lists", "refused")
    assert ("refused", "refused", None) == (
        presence.trouble("a"),
        presence.trouble("a", "lists"),
        presence.trouble("a", "health"),
    )
