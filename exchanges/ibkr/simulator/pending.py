"""Orders that wait for an answer to a question."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

from exchanges.ibkr.simulator.prompts import Question
from horizon.clock import NANOSECONDS

ANSWER_WITHIN = 120 * NANOSECONDS


@dataclass
class Chain:
    """Questions still open about one request, and what happens once the last was confirmed."""

    questions: list[Question]
    submit: Callable[[], object]
    asked: int


@dataclass
class Pending:
    """At most one chain: any other order request in between makes the waiting one void."""

    chains: dict[str, Chain] = field(default_factory=dict)

    def void(self) -> None:
        self.chains.clear()

    def ask(self, chain: Chain, random: Random) -> object:
        """The answer that asks the next question, or that of the submission when none is left."""
        if not chain.questions:
            return chain.submit()
        question = chain.questions.pop(0)
        reply_id = str(UUID(int=random.getrandbits(128), version=4))
        self.chains = {reply_id: chain}
        return [
            {
                "id": reply_id,
                "message": [question.text],
                "isSuppressed": False,
                "messageIds": [question.message_id],
                "messageOptions": ["Yes", "No"],
            }
        ]

    def take(self, reply_id: str, now: int) -> Chain | None:
        """The chain that this id answers; each id is good once, and for two minutes."""
        chain = self.chains.pop(reply_id, None)
        if chain is None or now - chain.asked > ANSWER_WITHIN:
            return None
        chain.asked = now
        return chain
