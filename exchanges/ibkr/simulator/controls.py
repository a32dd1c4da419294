"""What a test, or a plan, can do to a running gateway, and what it counts."""

from collections.abc import Sequence

from exchanges.ibkr.simulator.life import Transition
from exchanges.ibkr.simulator.logins import PASSWORD, LoginDesk, LoginPhase
from exchanges.ibkr.simulator.order_controls import OrderControls
from exchanges.ibkr.simulator.pacing import PENALTY
from exchanges.ibkr.simulator.session import USER_NAME
from exchanges.ibkr.simulator.state import State


class Controls(OrderControls):
    """The handles of one gateway."""

    state: State

    # --- the session

    def drop_session(self) -> None:
        """End the brokerage session; the sign-in stays."""
        self.state.session.drop()

    def log_out(self) -> None:
        """End everything: a person has to sign in again."""
        self.state.session.log_out()

    def log_in(self) -> bool:
        """A person signs in, and the gateway opens the brokerage session. False in a downtime."""
        return self.state.session.log_in()

    def expire_tokens(self) -> None:
        """Whatever proves the sign-in is good no longer."""
        self.state.expire()

    def compete(self, *, retakes: int = 0, retakes_after: float = 30.0, looks_well: bool = False) -> None:
        """Another program of the same user takes the brokerage session.

        Put out by `ssodh/init`, it takes it back `retakes` times, each `retakes_after` seconds later. With
        `looks_well` ours is still called authenticated, and its list of accounts is `{}`.
        """
        self.state.session.compete(retakes=retakes, retakes_after=retakes_after, looks_well=looks_well)

    def leave(self) -> None:
        """The other program ends; the brokerage session is free to be initialised."""
        self.state.session.competing = False

    def overrun(self, seconds: float) -> None:
        """The next downtime lasts so much longer than its window."""
        self.state.session.life.overrun = seconds

    # --- the login page

    @property
    def logins(self) -> LoginDesk:
        return self.state.logins

    @property
    def second_factor_until(self) -> int | None:
        """Until when (ns) a person has to approve on the phone; None when nothing waits for it."""
        return self.state.logins.second_factor_until

    def start_login(self, user: str = USER_NAME, password: str = PASSWORD) -> LoginPhase:
        """A person sends the login page."""
        return self.state.logins.start(user, password)

    def approve(self) -> LoginPhase:
        """The person approves on the phone."""
        return self.state.logins.approve()

    # --- what is behind the gateway

    def stop_answering(self) -> None:
        """The upstream is away: no answer at all, and sockets fall silent."""
        self.state.upstream.fall_silent()

    def resume(self) -> None:
        self.state.upstream.answer_again()

    def lose_bridge(self, *, for_good: bool = False) -> None:
        """`/iserver` says "no bridge" though the status looks well, until `ssodh/init` (or, `for_good`, until
        `restore_bridge`)."""
        self.state.upstream.bridge = False
        self.state.upstream.bridge_can_return = not for_good

    def restore_bridge(self) -> None:
        self.state.upstream.bridge = self.state.upstream.bridge_can_return = True

    def close_orders(self) -> None:
        """503 on whatever changes orders; the rest works."""
        self.state.upstream.orders = False

    def accept_orders(self) -> None:
        self.state.upstream.orders = True

    def gone(self, host: int) -> None:
        """One numbered host answers 410 from now on."""
        self.state.upstream.gone.add(host)

    def back(self, host: int) -> None:
        self.state.upstream.gone.discard(host)

    def penalize(self, seconds: float = PENALTY) -> None:
        """The next request is answered 429, and so is everything for so long after it."""
        self.state.pacing.punish(seconds)

    # --- what was counted

    @property
    def rate_limited(self) -> int:
        """How many requests were refused for coming too fast."""
        return self.state.pacing.refused

    @property
    def sent_in_penalty_box(self) -> int:
        """How many requests were sent although the user was shut out and could know it."""
        return self.state.pacing.sent_in_box

    @property
    def sign_ins(self) -> int:
        return self.state.session.life.sign_ins

    @property
    def human_logins(self) -> int:
        return self.state.session.life.human_logins

    @property
    def transitions(self) -> Sequence[Transition]:
        """Every change of the session so far, oldest first."""
        return self.state.session.life.transitions
