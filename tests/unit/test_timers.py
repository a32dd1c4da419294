"""A strategy's timers."""

import pytest

from horizon.engine.timers import Timers
from horizon.model import TimerFired

SECOND = 1_000_000_000


def test_a_repeating_timer_is_due_at_even_distances_however_late_it_is_handled() -> None:
    timers = Timers()
    timers.set("beat", now=0, at=None, every=1.0)
    due = []
    for now in (int(1.7 * SECOND), 2 * SECOND, 3 * SECOND):
        fired = timers.due(now)
        assert fired is not None
        assert timers.fired(fired)
        due.append(fired.time)
    assert due == [SECOND, 2 * SECOND, 3 * SECOND]


def test_a_single_timer_fires_once() -> None:
    timers = Timers()
    timers.set("once", now=0, at=5, every=None)
    assert timers.due(4) is None
    assert timers.fired(TimerFired(name="once", time=5))
    assert not timers.fired(TimerFired(name="once", time=5))
    assert timers.next_due is None


def test_the_earliest_comes_first_and_names_break_ties() -> None:
    timers = Timers()
    timers.set("b", now=0, at=5, every=None)
    timers.set("a", now=0, at=5, every=None)
    timers.set("c", now=0, at=4, every=None)
    order = []
    while (fired := timers.due(10)) is not None:
        timers.fired(fired)
        order.append(fired.name)
    assert order == ["c", "a", "b"]


def test_a_timer_that_was_replaced_does_not_fire_at_its_old_time() -> None:
    timers = Timers()
    timers.set("t", now=0, at=5, every=None)
    timers.set("t", now=0, at=9, every=None)
    assert not timers.fired(TimerFired(name="t", time=5))
    assert timers.next_due == 9


def test_a_cancelled_timer_is_gone() -> None:
    timers = Timers()
    timers.set("t", now=0, at=5, every=None)
    timers.cancel("t")
    timers.cancel("t")
    assert timers.next_due is None


@pytest.mark.parametrize(("at", "every"), [(None, None), (1, 1.0), (None, 0.0), (None, -1.0), (None, float("nan"))])
def test_a_timer_without_a_clear_time_is_refused(at: int | None, every: float | None) -> None:
    with pytest.raises(ValueError, match="timer 't'"):
        Timers().set("t", now=0, at=at, every=every)
