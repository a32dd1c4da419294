"""The conversation that follows an order: questions, answers, and what remains when it is over.

A question must be answered before anything else is sent, else its order is void; so one conversation is held at a
time, and whatever else changes something waits for its end. An unanswered question confirms nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import Final

from msgspec.structs import replace

from exchanges.ibkr.client import Client
from exchanges.ibkr.confirmations import LAST_HOP, Answer, Policy, Ticket
from exchanges.ibkr.mapping.numbers import conid_text
from exchanges.ibkr.mapping.orders import is_failed
from exchanges.ibkr.mapping.replies import is_advanced_reject, is_question, texts
from exchanges.ibkr.wire.orders import CancelAnswer, PlaceRow
from horizon.clock import Clock
from horizon.errors import ConfirmationRefused, HorizonError, InvalidOrder, OutcomeUnknown, Refused, WireError
from horizon.model import AccountId, ClientOrderId, OrderRequest
from horizon.net.rates import Priority
from horizon.ports import Confirm, Prompt

CONFIRM_SECONDS: Final = 15.0
"""How long a question waits for its answer; then the answer is no."""

_ALREADY_THERE: Final = "already registered"
_UNKNOWN_REPLY: Final = "reply id not found"
_TAKEN: Final = ("success", "request was submitted")
"""How the venue says, as bare text, that it took the answer to a prompt with options."""


class Conversation:
    """Sends an order or a change, and answers what the venue asks about it."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        *,
        exchange: str,
        policy: Policy,
        ticket: Callable[[Sequence[OrderRequest]], Ticket],
    ) -> None:
        self._client = client
        self._clock = clock
        self._exchange = exchange
        self._policy = policy
        self._ticket = ticket
        self._one_at_a_time = asyncio.Lock()
        self._stop = asyncio.Event()
        self._held_until = self._stop
        """Set when the conversation that is held is to end with no."""

    async def hold(
        self,
        path: str,
        body: dict[str, object],
        requests: Sequence[OrderRequest],
        account_id: AccountId,
        confirm: Confirm,
    ) -> list[PlaceRow]:
        """Post `body`, answer every question; the rows that remain are acknowledgements and failures.

        Raises Refused or ConfirmationRefused when nothing was accepted, OutcomeUnknown when something may have been,
        and InvalidOrder for an order that was waiting for its turn when `refuse_open_prompt` was called.
        """
        lead, stop = requests[0].client_order_id, self._stop
        async with self._one_at_a_time:
            if stop.is_set():
                raise InvalidOrder(
                    f"order {lead} was waiting for its turn when trading was stopped: nothing was sent",
                    rule="stopped",
                )
            self._held_until = stop
            try:
                pending = await self._post(path, body, lead)
            except Refused as error:
                raise _if_already_there(error, lead) from None
            settled: list[PlaceRow] = []
            hop = 0
            while pending:
                row = pending.pop(0)
                if is_question(row):
                    hop += 1
                    try:
                        pending = [*await self._answer(row, hop, requests, account_id, confirm), *pending]
                    except (ConfirmationRefused, Refused) as error:
                        if all(is_failed(other) for other in [*settled, *pending]):
                            raise
                        # Other orders of the group have been accepted: their rows must not be lost.
                        settled.append(PlaceRow(order_id="-1", order_status="Failed", text=str(error)))
                elif is_advanced_reject(row):
                    hop += 1
                    settled.append(await self._choose(row, hop, lead, account_id, confirm))
                else:
                    settled.append(row)
            return settled

    @asynccontextmanager
    async def none_open(self) -> AsyncIterator[None]:
        """A block during which no question is open: what is sent in it voids no order."""
        async with self._one_at_a_time:
            yield

    async def refuse_open_prompt(self) -> None:
        """Answer the question that is open with no, now, and wait until its conversation is over.

        Orders that wait for their turn are refused unsent. For whoever stops trading: cancels can follow at once.
        """
        stop, self._stop = self._stop, asyncio.Event()
        stop.set()
        async with self._one_at_a_time:
            return

    async def attend(
        self, row: PlaceRow, client_order_id: ClientOrderId, account_id: AccountId, confirm: Confirm
    ) -> PlaceRow:
        """Answer a prompt with options that came by itself (an `ntf` notification, which has the shape of a row)."""
        stop = self._stop
        async with self._one_at_a_time:
            self._held_until = stop
            return await self._choose(row, 1, client_order_id, account_id, confirm)

    # -- questions: yes or no ------------------------------------------------------------------------------------

    async def _answer(
        self, row: PlaceRow, hop: int, requests: Sequence[OrderRequest], account_id: AccountId, confirm: Confirm
    ) -> list[PlaceRow]:
        """The venue's next rows after one question. Raises ConfirmationRefused when the answer was no."""
        lead, messages, ids = requests[0].client_order_id, texts(row), tuple(row.messageIds or ())
        advice = self._policy.advise(self._ticket(requests), ids, messages, hop=hop)
        prompt = Prompt(
            exchange=self._exchange,
            account_id=account_id,
            client_order_id=lead,
            prompt_id=row.id or "",
            message_ids=ids,
            messages=messages,
            options=tuple(row.messageOptions or ()),
            hop=hop,
            advised=advice.accepted,
            advice=advice.reason,
        )
        if hop <= LAST_HOP:
            answer = await self._own_word(prompt)
            prompt = answer if isinstance(answer, Prompt) else _answered(prompt, _is_yes(answer))
        accepted = await self._ask(confirm, prompt)
        try:
            rows = await self._post(f"/iserver/reply/{row.id}", {"confirmed": accepted}, lead)
        except Refused as error:
            raise _after_reply(error, lead, messages, prompt, accepted=accepted) from None
        except OutcomeUnknown:
            raise
        except HorizonError as error:
            # The order stands at the venue, waiting for an answer that did not get there.
            raise OutcomeUnknown(
                f"the answer to the question about order {lead} was not delivered ({error}): look for the order",
                client_order_id=lead,
            ) from error
        if not accepted:
            raise OutcomeUnknown(
                f"order {lead} was not confirmed ({prompt.advice}), but the venue did not acknowledge the refusal: "
                "look for the order",
                client_order_id=lead,
            )
        return rows

    async def _own_word(self, prompt: Prompt) -> Prompt | bool | str:
        """What the user's own function says; the prompt, with the advice that stands, where it says nothing usable.

        It has `CONFIRM_SECONDS`. A function that fails, or is stopped, has said no.
        """
        decide, stop = self._policy.decide, self._held_until
        if stop.is_set():
            return _no(prompt, "trading was stopped")
        if decide is None:
            return prompt

        async def call() -> Answer:
            found = decide(prompt)
            return await found if isawaitable(found) else found

        asked = asyncio.ensure_future(call())
        stopped = asyncio.ensure_future(stop.wait())
        try:
            async with self._clock.deadline(CONFIRM_SECONDS):
                await asyncio.wait((asked, stopped), return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                return _no(prompt, "trading was stopped")
            answer = await asked
        except TimeoutError:
            return _no(prompt, f"your own function did not answer within {CONFIRM_SECONDS:g} s")
        except HorizonError as error:
            return _no(prompt, f"your own function failed ({error})")
        except Exception as error:
            # Whatever goes wrong in it must not leave a question open at the venue.
            return _no(prompt, f"your own function failed ({type(error).__name__}: {error})")
        finally:
            for task in (asked, stopped):
                task.cancel()
            await asyncio.gather(asked, stopped, return_exceptions=True)
        return prompt if answer is None else answer

    async def _ask(self, confirm: Confirm, prompt: Prompt) -> bool:
        """The answer that is on record; no where it comes too late, too often, or after trading was stopped."""
        try:
            async with self._clock.deadline(CONFIRM_SECONDS):
                return await confirm(prompt) and prompt.hop <= LAST_HOP and not self._held_until.is_set()
        except TimeoutError:
            return False

    # -- prompts with options of their own -----------------------------------------------------------------------

    async def _choose(
        self, row: PlaceRow, hop: int, lead: ClientOrderId, account_id: AccountId, confirm: Confirm
    ) -> PlaceRow:
        """Choose an option that leaves the order as it was asked for; where there is none, cancel the order."""
        text = row.text or "the venue holds the order behind a prompt"
        if conid_text(row.orderId) is None:
            raise Refused(f"the venue rejected order {lead}: {text}", code=row.messageId or "", text=text)
        options = tuple(row.options or ())
        option = self._policy.option(row.messageId or "", options)
        prompt = Prompt(
            exchange=self._exchange,
            account_id=account_id,
            client_order_id=lead,
            prompt_id=str(row.reqId or ""),
            message_ids=(row.messageId,) if row.messageId else (),
            messages=(text,),
            options=options,
            hop=hop,
            advised=option is not None,
            advice=_choice(option),
        )
        answer = await self._own_word(prompt)
        if isinstance(answer, Prompt):
            prompt, option = answer, option if answer.advised else None
        elif answer is not True:
            option = answer if isinstance(answer, str) and answer in options else None
        prompt = replace(prompt, advised=option is not None, advice=_choice(option) if option else prompt.advice)
        if await self._ask(confirm, prompt) and option is not None:
            await self._notify(row, option, lead)
            return PlaceRow(order_id=row.orderId, order_status="PendingSubmit", text=text)
        await self._client.delete(
            f"/iserver/account/{account_id}/order/{row.orderId}", CancelAnswer, client_order_id=lead
        )
        return PlaceRow(order_id=row.orderId, order_status="PendingCancel", text=text)

    async def _notify(self, row: PlaceRow, option: str, lead: ClientOrderId) -> None:
        try:
            await self._client.post(
                "/iserver/notification",
                object,
                body={"orderId": row.orderId, "reqId": row.reqId, "text": option},
                priority=Priority.ORDER,
                changes=True,
                client_order_id=lead,
            )
        except OutcomeUnknown as error:
            # The documented answer is bare text, which is no JSON.
            cause = error.__cause__
            if not isinstance(cause, WireError) or cause.found.strip().casefold() not in _TAKEN:
                raise

    async def _post(self, path: str, body: dict[str, object], lead: ClientOrderId) -> list[PlaceRow]:
        return await self._client.post(
            path, list[PlaceRow], body=body, priority=Priority.ORDER, changes=True, client_order_id=lead
        )


def _is_yes(answer: bool | str) -> bool:
    return answer if isinstance(answer, bool) else answer.strip().casefold() == "yes"


def _answered(prompt: Prompt, accepted: bool) -> Prompt:
    word = "yes" if accepted else "no"
    return replace(prompt, advised=accepted, advice=f"your own function said {word} (the table: {prompt.advice})")


def _no(prompt: Prompt, reason: str) -> Prompt:
    return replace(prompt, advised=False, advice=reason)


def _choice(option: str | None) -> str:
    if option is None:
        return "none of the options leaves the order as it was asked for: it is cancelled"
    return f"chosen: {option}"


def _after_reply(
    error: Refused, lead: ClientOrderId, messages: tuple[str, ...], prompt: Prompt, *, accepted: bool
) -> HorizonError:
    """What a refusal means that comes back for an answer."""
    if _UNKNOWN_REPLY in error.text.casefold():
        return OutcomeUnknown(
            f"the venue no longer knows the question it asked about order {lead} ({error.text}): whether it took the "
            "order is not known",
            client_order_id=lead,
        )
    if accepted:
        return _if_already_there(error, lead)
    why = prompt.advice if not prompt.advised else "the answer was no, or came too late"
    return ConfirmationRefused(
        f"order {lead} was not confirmed: {why}. The venue asked: {' '.join(' '.join(messages).split())}",
        prompts=messages,
    )


def _if_already_there(error: Refused, client_order_id: ClientOrderId) -> HorizonError:
    """A refusal as "already registered" proves that the same id has arrived before: it is not a refusal at all."""
    if _ALREADY_THERE in error.text.casefold():
        return OutcomeUnknown(
            f"the venue already has an order under {client_order_id} ({error.text}): look it up before anything else",
            client_order_id=client_order_id,
            received=True,
        )
    return error
