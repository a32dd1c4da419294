"""Orders that wait for an answer to a question."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

from exchanges.ibkr.simulator.prompts import Question
from horizon.clock import NANOSECONDS


@dataclass
class Chain:
    """Questions still open about one request, and what happens once the last was confirmed."""

    questions: list[Question]
    submit: Callable[[], object]
    asked: int
    session: object
    """The brokerage session in which it was asked; in another nobody knows of it."""


@dataclass
class Pending:
    """At most one chain: any other order request in between makes the waiting one void."""

    chains: dict[str, Chain] = field(default_factory=dict)
    extra: list[Question] = field(default_factory=list)
    """Asked about the next order, whatever it is."""
    races: int = 0
    """How many of the next answers find no question, though it was just asked."""

    def void(self) -> None:
        self.chains.clear()

    def ask(self, chain: Chain, random: Random, *, together: bool) -> object:
        """The answer that asks the next question (or all that are left), or that of the submission when none is."""
        if not chain.questions:
            return chain.submit()
        count = len(chain.questions) if together else 1
        questions, chain.questions = chain.questions[:count], chain.questions[count:]
        reply_id = str(UUID(int=random.getrandbits(128), version=4))
        self.chains = {reply_id: chain}
        return [
            {
                "id": reply_id,
                "message": [question.text for question in questions],
                "isSuppressed": False,
                "messageIds": [question.message_id for question in questions],
                "messageOptions": ["Yes", "No"],
            }
        ]

    def take(self, reply_id: str, now: int, *, session: object, lasts: float) -> Chain | None:
        """The chain that this id answers; each id is good once, for a while, and in its own session."""
        chain = self.chains.pop(reply_id, None)
        if chain is None or chain.session is not session or now - chain.asked > lasts * NANOSECONDS:
            return None
        if self.races:
            self.races -= 1
            return None
        chain.asked = now
        return chain
