"""Everything that plugs into Horizon: venues, feeds, recordings, journals.

These are the shapes that the engine relies on. A venue sends once and keeps no order state; the desk above it does.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Protocol, runtime_checkable

import msgspec

from horizon.errors import InvalidOrder
from horizon.model import (
    Account,
    AccountId,
    ClientOrderId,
    CoreEvent,
    Fill,
    Instrument,
    Market,
    MarketEvent,
    MarketQuery,
    Notice,
    Order,
    OrderReport,
    OrderRequest,
    OrderType,
    Position,
    Preview,
    PromptAnswered,
    Quote,
    SessionState,
    TimeInForce,
    VenueOrderId,
)


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue can do, for its documentation page and for refusing early what it can't."""

    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    replaces: bool = False
    """A working order can be changed."""
    brackets: bool = False
    """An order can wait for another to fill, and orders can cancel each other."""

    def check(self, request: OrderRequest) -> None:
        """Raise InvalidOrder, naming what to use instead, for an order of a kind that the venue does not have."""
        if request.order_type not in self.order_types:
            raise InvalidOrder(
                f"expected an order type of {', '.join(sorted(self.order_types))}, found {request.order_type}",
                rule="order_type",
            )
        if request.time_in_force not in self.times_in_force:
            advice = ": use IOC, which may fill in part" if request.time_in_force is TimeInForce.FOK else ""
            raise InvalidOrder(
                f"expected a time in force of {', '.join(sorted(self.times_in_force))}, "
                f"found {request.time_in_force}{advice}",
                rule="time_in_force",
            )
        if not self.brackets and (request.parent is not None or request.group):
            raise InvalidOrder(
                "this venue has neither brackets nor groups: send the exits once the entry has filled", rule="brackets"
            )


class VenueProfile(Protocol):
    """A venue's rules, fees and hours as pure data: the same for live, paper and backtest."""

    @property
    def name(self) -> str: ...
    @property
    def capabilities(self) -> Capabilities: ...
    def check(self, request: OrderRequest, market: Market) -> None:
        """Raise InvalidOrder, naming the rule, for what the venue would refuse."""
        ...


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """A question a venue asks before it accepts an order, with the answer the venue's own policy advises."""

    exchange: str
    account_id: AccountId
    client_order_id: ClientOrderId
    prompt_id: str
    message_ids: tuple[str, ...]
    messages: tuple[str, ...]
    options: tuple[str, ...] = ()
    hop: int
    advised: bool
    advice: str
    """Why the policy says yes or no."""


Confirm = Callable[[Prompt], Awaitable[bool]]
"""Answers a prompt. The answer is durable when the call returns, so the venue may be told."""

VenueEvent = OrderReport | Fill | SessionState | Notice | PromptAnswered
PutVenueEvent = Callable[[VenueEvent], None]


class Venue(Protocol):
    """One trading venue, raw: every call goes out once, and no order state is kept.

    Calls that change something raise InvalidOrder or Refused (surely nothing was accepted), VenueUnavailable (surely
    nothing was sent), or OutcomeUnknown.
    """

    @property
    def name(self) -> str: ...
    @property
    def capabilities(self) -> Capabilities: ...
    @property
    def profile(self) -> VenueProfile: ...

    async def open(self, put: PutVenueEvent) -> None:
        """Sign in. From then on, what the venue reports by itself goes to `put`, which never blocks."""
        ...

    async def close(self) -> None: ...
    async def accounts(self) -> Sequence[Account]: ...
    async def find_markets(self, query: MarketQuery) -> Sequence[Market]: ...
    async def market(self, query: MarketQuery) -> Market:
        """The one market that is meant. ConfigurationError when nothing fits, or several do: it lists them."""
        ...

    async def quotes(self, instruments: Sequence[Instrument]) -> Sequence[Quote]: ...

    async def place(self, group: Sequence[OrderRequest], confirm: Confirm) -> Sequence[OrderReport]:
        """Send one order, or a bracket or group as one call. One report per request, in the same order."""
        ...

    async def replace(self, order: Order, request: OrderRequest, confirm: Confirm) -> OrderReport: ...
    async def withdraw(self, order: Order) -> OrderReport | None:
        """Ask for a cancel. The report is CANCEL_PENDING unless the venue has already confirmed."""
        ...

    async def find_order(
        self,
        account_id: AccountId,
        client_order_id: ClientOrderId,
        *,
        request: OrderRequest | None = None,
        venue_order_id: VenueOrderId | None = None,
        sent: int | None = None,
    ) -> OrderReport | None:
        """Look an order up by the id it was sent with. None means surely absent; not knowing raises.

        `request` is what was sent: where a bracket's exits carry no id of ours, they are found by what they ask.
        `sent` is when it first left (ns), just now if not given: a list of today proves nothing about an order of
        yesterday. Many orders may be looked up at once.
        """
        ...

    async def open_orders(self, account_id: AccountId) -> Sequence[OrderReport]:
        """Every order of this account that can still fill, wherever it was placed."""
        ...

    async def fills(self, account_id: AccountId, days: int = 1) -> Sequence[Fill]:
        """Executions of this account over the last `days` trading days, oldest first."""
        ...

    async def positions(self, account_id: AccountId) -> Sequence[Position]: ...
    async def balances(self, account_id: AccountId) -> Account: ...

    def watch(self, account_id: AccountId, *, orders: bool, fills: bool) -> None:
        """Say whether order changes and fills of an account are expected, for venues that must be polled for them."""
        ...


@runtime_checkable
class PreviewsOrders(Protocol):
    """A venue that says what an order would cost. Venues that can't do not have this."""

    async def preview(self, group: Sequence[OrderRequest]) -> Preview:
        """The estimate for one order or one bracket. Nothing is sent to a market, and no question is answered."""
        ...


@runtime_checkable
class AsksQuestions(Protocol):
    """A venue that asks before it takes an order."""

    async def refuse_open_prompt(self) -> None:
        """Answer the question that is open with no, at once, and return when nothing is open any more.

        Orders that wait behind it are refused unsent.
        """
        ...


@runtime_checkable
class RefreshesPositions(Protocol):
    """A venue whose positions may be old: it can be asked to look again."""

    async def refresh_positions(self, account_id: AccountId) -> None:
        """From the next read on, positions are as fresh as the venue can make them."""
        ...


class FeedHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How alive one instrument's data is."""

    instrument: Instrument
    last_received: int | None
    """Integer nanoseconds of the last event; None before the first."""
    cause: str = ""
    """Why nothing arrives; empty when it does."""
    last_asked: int | None = None
    """Integer nanoseconds of the last attempt to get data; None where data comes without being asked for."""


PutMarketEvent = Callable[[MarketEvent], None]


class Feed(Protocol):
    """A source of market data. `put` is synchronous and never blocks."""

    async def run(self, put: PutMarketEvent) -> None:
        """Deliver events until cancelled, or until a finite source is exhausted."""
        ...

    async def subscribe(self, instruments: Sequence[Instrument]) -> None: ...
    def health(self) -> Sequence[FeedHealth]: ...


class Recording(Protocol):
    """Events as they were handed to a core, by receive time and then by recorded sequence."""

    def markets(self) -> Sequence[Market]: ...
    def batches(self) -> Iterator[Iterable[CoreEvent]]: ...


class RecordKind(StrEnum):
    """What a journal line stands for, with what its payload is."""

    OWNER = "owner"
    """Who opened the journal to trade: process, run and version."""
    INTENT = "intent"
    """An OrderRequest that is about to leave."""
    CANCEL_INTENT = "cancel_intent"
    REPLACE_INTENT = "replace_intent"
    """The OrderRequest that an order is to become."""
    REFUSED = "refused"
    """Refused on this side; `subject` is the guard or rule."""
    PROMPT = "prompt"
    """A Prompt, with every word of it; `subject` is its id."""
    ANSWER = "answer"
    """A PromptAnswered that is about to leave; `subject` is the prompt's id."""
    ACKNOWLEDGEMENT = "acknowledgement"
    """The OrderReport that brought the venue's own id: the order has arrived."""
    REPORT = "report"
    """Any other OrderReport that changed an order."""
    FILL = "fill"
    DECISION = "decision"
    """What recovery or a person decided, and why."""
    LINK = "link"
    """A new client order id for an order that is proven dead; `subject` is the old one."""
    SETTLED = "settled"
    """Nothing more is expected of the order: recovery need not look at it."""
    STATE = "state"
    """A strategy's own state; `subject` is the strategy's name."""


class JournalRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the journal. `payload` is JSON; `RecordKind` says of what."""

    time: int
    exchange: str
    account_id: AccountId
    kind: RecordKind
    client_order_id: ClientOrderId = ClientOrderId("")
    venue_order_id: VenueOrderId | None = None
    subject: str = ""
    """What the line is about beside an order: a guard's name, a strategy's, a prompt's id."""
    payload: bytes = b"{}"


class Journal(Protocol):
    """The durable truth about orders."""

    def commit(self, records: Sequence[JournalRecord]) -> None:
        """Append; everything is on disk when this returns."""
        ...

    def records(self, *, account_id: AccountId | None = None) -> Iterator[JournalRecord]:
        """All lines in the order in which they were written."""
        ...

    def unsettled(self, *, account_id: AccountId, also: Collection[ClientOrderId] = ()) -> Iterator[JournalRecord]:
        """The lines about every order that is not known to be settled, and about those in `also`, as written."""
        ...

    def latest(self, kind: RecordKind, subject: str, *, account_id: AccountId) -> JournalRecord | None:
        """The last line of a kind about one subject."""
        ...

    def close(self) -> None: ...
