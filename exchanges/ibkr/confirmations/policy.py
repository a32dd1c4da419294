"""Judges a prompt by the table, the order and the user's opt-ins."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import msgspec

from exchanges.ibkr.confirmations.table import TABLE, Default, Rule
from exchanges.ibkr.confirmations.ticket import OptIn, Ticket
from horizon.errors import ConfigurationError
from horizon.ports import Prompt

LAST_HOP: Final = 5
"""Prompts follow each other; chains of three have been seen. The sixth is answered no."""

MOST_SUPPRESSED: Final = 51
"""How many ids one session may suppress."""

_CASH: Final = re.compile(r"cash[- ]quantity", re.IGNORECASE)
_QUOTES_A_LIMIT: Final = re.compile(
    r"(exceeds?|limit of|constraint of|maximum of|more than|greater than)\D{0,80}\d", re.IGNORECASE | re.DOTALL
)
_ABOUT_CASH: Final = frozenset({"o10164", "o10223"})


Answer = bool | str | None
"""Yes or no, or the option to choose among those that the prompt offers; None leaves it to the table."""

Decide = Callable[[Prompt], Awaitable[Answer] | Answer]
"""A user's own function. It sees what the table advises."""

_PRICE_ALGO: Final = "p12"
_DO_NOT_USE: Final = "do not use"


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """The policy's answer to one prompt, with its reason."""

    accepted: bool
    reason: str


class Policy:
    """Answers prompts by the table, plus the ids for which the user opted in.

    `accept` maps a message id to the limit under which it may be accepted; text in place of an `OptIn` is the reason
    alone, which is enough only for ids that are no fat-finger stop. `decide` is a function of the user's own that has
    the last word. Raises ConfigurationError for an id that the table does not know or never accepts.
    """

    def __init__(self, accept: Mapping[str, OptIn | str] | None = None, *, decide: Decide | None = None) -> None:
        self.decide = decide
        self._accept = {
            message_id: OptIn(because=value) if isinstance(value, str) else value
            for message_id, value in (accept or {}).items()
        }
        for message_id, opt_in in self._accept.items():
            _check_opt_in(message_id, opt_in)

    def advise(self, ticket: Ticket, message_ids: Sequence[str], messages: Sequence[str], *, hop: int = 1) -> Advice:
        """Yes only if every id is in the table, every text reads as its id says, and the order agrees."""
        if hop > LAST_HOP:
            return _no(f"this is prompt number {hop} in a row; at most {LAST_HOP} are answered with yes")
        if not message_ids or not all(message_ids):
            return _no("the prompt has no message id, or an empty one")
        if not any(text.strip() for text in messages):
            return _no("the prompt has no text")
        reasons = []
        for message_id, texts in _texts_by_id(message_ids, messages):
            advice = self._advise_one(ticket, message_id, texts)
            if not advice.accepted:
                return advice
            reasons.append(advice.reason)
        if stray := _unexplained(message_ids, messages):
            return _no(f"no known message id explains this text: {_short(stray)}")
        return Advice(accepted=True, reason="; ".join(reasons))

    def option(self, message_id: str, options: Sequence[str]) -> str | None:
        """What to choose where the venue offers options in place of yes and no; None for none of them.

        Only one such prompt has an answer that leaves the order as it was asked for: not to use the price-management
        algorithm.
        """
        if message_id != _PRICE_ALGO:
            return None
        return next((name for name in options if _DO_NOT_USE in name.casefold()), None)

    def suppressible(self, message_ids: Sequence[str]) -> tuple[str, ...]:
        """The ids, checked: prompts that the venue need not ask because the answer would be yes whatever they say.

        Raises ConfigurationError for any other, and for one with a limit of the user's own: what is not asked can't be
        checked against it.
        """
        if len(message_ids) > MOST_SUPPRESSED:
            raise ConfigurationError(f"expected at most {MOST_SUPPRESSED} ids to suppress, found {len(message_ids)}")
        for message_id in message_ids:
            rule, opted_in = TABLE.get(message_id), self._accept.get(message_id)
            if rule is None:
                raise ConfigurationError(
                    f"cannot suppress {message_id!r}: expected one of the known message ids, {', '.join(sorted(TABLE))}"
                )
            if opted_in is not None and opted_in.has_limit:
                raise ConfigurationError(
                    f"cannot suppress {message_id} ({rule.subject}): your own limit for it could not be checked then"
                )
            if rule.default is not Default.ACCEPT and opted_in is None:
                raise ConfigurationError(
                    f"cannot suppress {message_id} ({rule.subject}): it is refused by default; opt in with accept="
                )
        return tuple(dict.fromkeys(message_ids))

    def _advise_one(self, ticket: Ticket, message_id: str, texts: Sequence[str]) -> Advice:
        rule = TABLE.get(message_id)
        if rule is None:
            return _no(f"{message_id} is not a known message id")
        fitting = [text for text in texts if _reads_as(message_id, rule, text)]
        if not fitting:
            return _no(f"{message_id} stands for {rule.subject}, but the text reads otherwise: {_short(texts[0])}")
        opted_in = self._accept.get(message_id)
        if opted_in is None and rule.default is not Default.ACCEPT:
            return _no(f"{message_id} ({rule.subject}) is refused by default: {rule.why}")
        if rule.default is not Default.OPT_IN_WITH_LIMIT and any(_QUOTES_A_LIMIT.search(text) for text in fitting):
            return _no(f"{message_id} ({rule.subject}) quotes a numeric limit: {_short(fitting[0])}")
        objection = rule.agrees(ticket) if rule.agrees is not None else ""
        if not objection and opted_in is not None:
            objection = opted_in.objection(ticket)
        if objection:
            return _no(f"{message_id} ({rule.subject}): {objection}")
        why = rule.why if opted_in is None else f"opted in{': ' + opted_in.because if opted_in.because else ''}"
        return Advice(accepted=True, reason=f"{message_id} ({rule.subject}): {why}")


def _check_opt_in(message_id: str, opt_in: OptIn) -> None:
    rule = TABLE.get(message_id)
    if rule is None:
        raise ConfigurationError(
            f"cannot opt in to {message_id!r}: it is not a known message id; known are {', '.join(sorted(TABLE))}"
        )
    if rule.default is Default.NEVER:
        raise ConfigurationError(f"cannot opt in to {message_id} ({rule.subject}): {rule.why}")
    if rule.default is Default.OPT_IN_WITH_LIMIT and not opt_in.has_limit:
        raise ConfigurationError(
            f"an opt-in to {message_id} ({rule.subject}) needs a limit of your own: give OptIn a max_size, "
            "max_value or max_deviation"
        )


def _texts_by_id(message_ids: Sequence[str], messages: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    """Each id with the texts that may be its own: the one at its place, or all when the two lists do not pair up."""
    if len(message_ids) == len(messages):
        return [(message_id, (text,)) for message_id, text in zip(message_ids, messages, strict=True)]
    return [(message_id, messages) for message_id in message_ids]


def _unexplained(message_ids: Sequence[str], messages: Sequence[str]) -> str:
    """A text that reads as none of the ids; such a text could ask for anything."""
    known = [(message_id, TABLE[message_id]) for message_id in message_ids]
    for text in messages:
        if not any(_reads_as(message_id, rule, text) for message_id, rule in known):
            return text or "(empty)"
    return ""


def _reads_as(message_id: str, rule: Rule, text: str) -> bool:
    if message_id not in _ABOUT_CASH and _CASH.search(text):
        return False
    return rule.pattern.search(text) is not None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:197]}..."


def _no(reason: str) -> Advice:
    return Advice(accepted=False, reason=reason)
