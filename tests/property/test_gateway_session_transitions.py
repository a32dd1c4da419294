"""Whatever happens to a simulated session, in whatever order: its record tells one story."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from exchanges.ibkr.simulator.agenda import Agenda
from exchanges.ibkr.simulator.life import Life
from exchanges.ibkr.simulator.logins import LoginDesk
from exchanges.ibkr.simulator.resets import WINDOWS, Resets
from exchanges.ibkr.simulator.session import IDLE_LIMIT, Session
from horizon.clock import NANOSECONDS
from horizon.simulation.scripted_clock import ScriptedClock

START = 1_700_000_000 * NANOSECONDS


class HandClock(ScriptedClock):
    """Stands still until it is told."""

    def pass_by(self, seconds: float) -> None:
        self._now += round(seconds * NANOSECONDS)


class Course:
    """A session and what can be done to it."""

    def __init__(self, *, second_factor: bool) -> None:
        self.clock = HandClock(START)
        agenda = Agenda(self.clock)
        self.life = Life(agenda, Resets(WINDOWS, seed=3))
        self.session = Session(self.clock, seed=1, is_paper=True, logged_in=True, established=True, life=self.life)
        self.logins = LoginDesk(agenda, self.session, second_factor=second_factor)

    def step(self, what: str, seconds: float) -> None:
        self.clock.pass_by(seconds)
        self.life.agenda.catch_up()
        acts: dict[str, Callable[[], object]] = {
            "ask": self.session.touch,
            "init": lambda: self._initialise(compete=True),
            "polite init": lambda: self._initialise(compete=False),
            "drop": self.session.drop,
            "log out": self.session.log_out,
            "log in": self.logins.start,
            "approve": self.logins.approve,
            "deny": self.logins.deny,
            "unlock": self.logins.unlock,
            "compete": lambda: self.session.compete(retakes=2),
            "overrun": lambda: setattr(self.life, "overrun", 7200.0),
        }
        acts[what]()

    def _initialise(self, *, compete: bool) -> None:
        if self.session.connected:
            self.session.initialise(compete=compete)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "ask",
                "init",
                "polite init",
                "drop",
                "log out",
                "log in",
                "approve",
                "deny",
                "unlock",
                "compete",
                "overrun",
            ]
        ),
        st.sampled_from([0.0, 1.0, 60.0, 400.0, 3600.0, 20_000.0, 90_000.0]),
    ),
    max_size=40,
)


@given(STEPS, st.booleans())
def test_each_tier_goes_up_and_down_in_turn_and_never_trades_without_a_sign_in(
    steps: list[tuple[str, float]], second_factor: bool
) -> None:
    course = Course(second_factor=second_factor)
    for what, seconds in steps:
        course.step(what, seconds)
        session = course.session
        assert not (session.established and not session.connected)
        assert not (session.established and session.competing)
        assert session.status()["authenticated"] is session.established
    up = {"gateway": True, "brokerage": True, "upstream": True}
    before = START
    for change in course.life.transitions:
        assert up[change.tier] is not change.up
        assert before <= change.time <= course.clock.now()
        up[change.tier], before = change.up, change.time
    assert up["gateway"] is course.session.logged_in
    assert up["brokerage"] is course.session.established
    assert up["upstream"] is not course.life.is_down


@given(st.lists(st.floats(min_value=1, max_value=350), max_size=200))
def test_a_session_that_is_asked_every_six_minutes_never_lapses(waits: list[float]) -> None:
    clock = HandClock(START)
    session = Session(clock, seed=1, is_paper=True, logged_in=True, established=True)
    for seconds in waits:
        clock.pass_by(seconds)
        session.touch()
    assert session.established
    clock.pass_by(IDLE_LIMIT / NANOSECONDS + 1)
    session.life.agenda.catch_up()
    assert not session.established
