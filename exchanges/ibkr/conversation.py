"""The conversation that follows an order: questions, answers, and what remains when it is over.

A question must be answered before anything else is sent, else its order is void; so one conversation is held at a
time. An unanswered question confirms nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from exchanges.ibkr.client import Client
from exchanges.ibkr.confirmations import LAST_HOP, Advice, Policy, Ticket
from exchanges.ibkr.mapping.numbers import conid_text
from exchanges.ibkr.mapping.orders import is_failed
from exchanges.ibkr.mapping.replies import is_advanced_reject, is_question, texts
from exchanges.ibkr.wire.orders import CancelAnswer, PlaceRow
from horizon.clock import Clock
from horizon.errors import ConfirmationRefused, HorizonError, OutcomeUnknown, Refused
from horizon.model import AccountId, ClientOrderId, OrderRequest
from horizon.net.rates import Priority
from horizon.ports import Confirm, Prompt

CONFIRM_SECONDS: Final = 15.0
"""How long a question waits for its answer; then the answer is no."""

_ALREADY_THERE: Final = "already registered"
_UNKNOWN_REPLY: Final = "reply id not found"
_PRICE_ALGO: Final = "p12"
_DO_NOT_USE: Final = "do not use"


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

    async def hold(
        self,
        path: str,
        body: dict[str, object],
        requests: Sequence[OrderRequest],
        account_id: AccountId,
        confirm: Confirm,
    ) -> list[PlaceRow]:
        """Post `body`, answer every question; the rows that remain are acknowledgements and failures.

        Raises Refused or ConfirmationRefused when nothing was accepted, OutcomeUnknown when something may have been.
        """
        lead = requests[0].client_order_id
        async with self._one_at_a_time:
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
                    settled.append(await self._decline(row, account_id, lead))
                else:
                    settled.append(row)
            return settled

    async def _answer(
        self, row: PlaceRow, hop: int, requests: Sequence[OrderRequest], account_id: AccountId, confirm: Confirm
    ) -> list[PlaceRow]:
        """The venue's next rows after one question. Raises ConfirmationRefused when the answer was no."""
        lead, messages, ids = requests[0].client_order_id, texts(row), tuple(row.messageIds or ())
        advice = self._policy.advise(self._ticket(requests), ids, messages, hop=hop)
        accepted = False
        if hop <= LAST_HOP:
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
            accepted = await self._ask(confirm, prompt)
        try:
            answer = await self._post(f"/iserver/reply/{row.id}", {"confirmed": accepted}, lead)
        except Refused as error:
            raise _after_reply(error, lead, messages, advice, accepted=accepted) from None
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
                f"order {lead} was not confirmed ({advice.reason}), but the venue did not acknowledge the refusal: "
                "look for the order",
                client_order_id=lead,
            )
        return answer

    async def _ask(self, confirm: Confirm, prompt: Prompt) -> bool:
        try:
            async with self._clock.deadline(CONFIRM_SECONDS):
                return await confirm(prompt)
        except TimeoutError:
            return False

    async def _decline(self, row: PlaceRow, account_id: AccountId, lead: ClientOrderId) -> PlaceRow:
        """Answer an advanced reject: without the price-management algorithm where that is the choice, else cancel."""
        text = row.text or "the venue holds the order behind a prompt"
        if conid_text(row.orderId) is None:
            raise Refused(f"the venue rejected order {lead}: {text}", code=row.messageId or "", text=text)
        option = next((name for name in row.options or () if _DO_NOT_USE in name.casefold()), None)
        if row.messageId == _PRICE_ALGO and option is not None:
            await self._client.post(
                "/iserver/notification",
                object,
                body={"orderId": row.orderId, "reqId": row.reqId, "text": option},
                priority=Priority.ORDER,
                changes=True,
                client_order_id=lead,
            )
            return PlaceRow(order_id=row.orderId, order_status="PendingSubmit", text=text)
        await self._client.delete(
            f"/iserver/account/{account_id}/order/{row.orderId}", CancelAnswer, client_order_id=lead
        )
        return PlaceRow(order_id=row.orderId, order_status="PendingCancel", text=text)

    async def _post(self, path: str, body: dict[str, object], lead: ClientOrderId) -> list[PlaceRow]:
        return await self._client.post(
            path, list[PlaceRow], body=body, priority=Priority.ORDER, changes=True, client_order_id=lead
        )


def _after_reply(
    error: Refused, lead: ClientOrderId, messages: tuple[str, ...], advice: Advice, *, accepted: bool
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
    why = advice.reason if not advice.accepted else "the answer was no, or came too late"
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
        )
    return error
