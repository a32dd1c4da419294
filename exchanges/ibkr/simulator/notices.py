"""What the gateway tells without being asked, and the prompts among it that hold an order."""

from dataclasses import dataclass, field

import msgspec

from exchanges.ibkr.simulator.placed_orders import PlacedOrder

PRICE_MANAGEMENT = "p12"
USE, ALWAYS, DO_NOT = "Use on this order", "Always use", "Do not use"
_TEXT = (
    "If your order is not immediately executable, our systems may, depending on market conditions, reject your order "
    "if its limit price is more than the allowed amount away from the reference price at that time. If this happens, "
    "you will not receive a fill. This is a control designed to ensure that we comply with our regulatory obligations "
    "to avoid submitting disruptive orders to the marketplace.\nUse the Price Management Algo?"
)


class ServerPrompt(msgspec.Struct, frozen=True, kw_only=True):
    """A question about one order that is answered at `/iserver/notification`."""

    order_id: int
    request_id: str
    message_id: str = PRICE_MANAGEMENT
    text: str = _TEXT
    options: tuple[str, ...] = (USE, ALWAYS, DO_NOT)

    def as_json(self) -> dict[str, object]:
        return {
            "orderId": self.order_id,
            "reqId": self.request_id,
            "dismissable": [],
            "text": self.text,
            "options": list(self.options),
            "type": "M",
            "messageId": self.message_id,
            "prompt": True,
        }


@dataclass
class Notices:
    """`ntf` frames in the order they were sent. Whoever was not listening does not hear them again."""

    sent: list[dict[str, object]] = field(default_factory=list)
    prompts: dict[str, ServerPrompt] = field(default_factory=dict)
    """By request number: those not answered yet."""
    answers: list[tuple[int, str]] = field(default_factory=list)
    """What was answered, as (order number, option)."""
    _number: int = 100

    def tell(self, text: str) -> None:
        self._number += 1
        self.sent.append({"id": str(self._number), "text": text, "title": None, "url": None})

    def prompt(self, order: PlacedOrder, *, by_frame: bool) -> ServerPrompt:
        """Ask about an order, in a frame or in whatever the caller answers with."""
        self._number += 1
        prompt = ServerPrompt(order_id=order.order_id, request_id=str(29_000 + self._number))
        self.prompts[prompt.request_id] = prompt
        order.held_for = prompt.request_id
        if by_frame:
            self.sent.append(prompt.as_json())
        return prompt

    def answer(self, order_id: int | None, request_id: str, text: str) -> ServerPrompt | None:
        """The prompt that this answers; None when nothing waits for it."""
        prompt = self.prompts.get(request_id)
        if prompt is None or prompt.order_id != order_id or text not in prompt.options:
            return None
        del self.prompts[request_id]
        self.answers.append((prompt.order_id, text))
        return prompt
