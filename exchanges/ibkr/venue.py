"""Interactive Brokers as a `horizon.ports.Venue`: everything is done by the modules beside this one."""

import asyncio
from collections.abc import Sequence

from exchanges.ibkr.account import AccountReader
from exchanges.ibkr.away import Holdings
from exchanges.ibkr.client import Client
from exchanges.ibkr.confirmations import MARKET_ORDERS, Policy, Ticket
from exchanges.ibkr.conversation import Conversation
from exchanges.ibkr.forecastex import Forecasts
from exchanges.ibkr.mapping.choice import only
from exchanges.ibkr.mapping.contracts import ContractFacts, is_event
from exchanges.ibkr.market_data import MarketData
from exchanges.ibkr.markets import Markets
from exchanges.ibkr.orders import GtcNotices, OrderFinder, Orders, Previews, SentOrders
from exchanges.ibkr.profile import PROFILE, IbkrProfile, check_not_expired
from exchanges.ibkr.selection import AccountSelection
from exchanges.ibkr.session import Session
from exchanges.ibkr.stream import OrderStream
from exchanges.ibkr.wire.orders import PlaceRow
from horizon.clock import Clock
from horizon.errors import ConfigurationError, HorizonError, VenueUnavailable
from horizon.model import (
    Account,
    AccountId,
    ClientOrderId,
    Fill,
    Instrument,
    Market,
    MarketId,
    MarketKind,
    MarketQuery,
    Notice,
    NoticeLevel,
    Order,
    OrderReport,
    OrderRequest,
    Position,
    Preview,
    Quote,
    VenueOrderId,
    instrument,
)
from horizon.ports import Capabilities, Confirm, PutVenueEvent


class IbkrVenue:
    """One login, raw: every call goes out once. `market_data`, `markets` and `forecasts` are IBKR's own extras."""

    def __init__(
        self,
        client: Client,
        session: Session,
        clock: Clock,
        *,
        policy: Policy | None = None,
        name: str = PROFILE.name,
    ) -> None:
        self._client = client
        self._session = session
        self._clock = clock
        self._name = name
        self._put: PutVenueEvent = _nowhere
        self._polling: asyncio.Task[None] | None = None
        self._holdings = Holdings()
        self._used: set[AccountId] = set()
        selection = AccountSelection(client, session)
        self.markets = Markets(client, exchange=name)
        self.forecasts = Forecasts(client, clock, self.markets, exchange=name)
        self.market_data = MarketData(
            client, clock, exchange=name, prepare=self.markets.prepare, tell=session.data_seen
        )
        self._account = AccountReader(client, clock, session, selection, self.markets.facts, exchange=name)
        surroundings = _Surroundings(self.markets, self.market_data, self._account, clock)
        sent = SentOrders()
        self._conversation = Conversation(
            client, clock, exchange=name, policy=policy or Policy(), ticket=surroundings.ticket
        )
        self._gtc = GtcNotices(clock, self._tell)
        self._finder = OrderFinder(
            client, clock, selection, surroundings, sent, self._gtc, exchange=name, region=session.region
        )
        self._orders = Orders(client, clock, selection, self._conversation, self._finder, sent, exchange=name)
        self._previews = Previews(client, selection, self._conversation, exchange=name)
        self._stream = OrderStream(self._finder.todays_orders, self._account.fills, clock, exchange=name)
        # In this order: a new session has forgotten searches, streams and warm caches.
        session.on_established.extend((self._forget, self._catch_up, self.market_data.restore))

    @property
    def name(self) -> str:
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        return PROFILE.capabilities

    @property
    def profile(self) -> IbkrProfile:
        return PROFILE

    @property
    def session(self) -> Session:
        return self._session

    async def open(self, put: PutVenueEvent) -> None:
        """Sign in, and from then on report session changes, order changes, fills and notices to `put`."""
        self._put = put
        await self._session.open(put)
        self._account.primed(self._session.portfolio_accounts)
        if self._polling is None:
            self._polling = asyncio.create_task(self._stream.run(put), name=f"{self._name} order polling")

    async def close(self) -> None:
        """Stop polling, close the market-data streams, end the keep-alive and every connection."""
        polling, self._polling = self._polling, None
        if polling is not None:
            polling.cancel()
            await asyncio.wait([polling])
        try:
            if self.market_data.is_streaming and self._session.state.ready:
                await self.market_data.unsubscribe_all()
        except HorizonError as error:
            self._tell(f"market-data streams could not be closed: {error}")
        finally:
            await self._session.close()
            await self._client.close()

    async def accounts(self) -> Sequence[Account]:
        return await self._account.accounts()

    async def find_markets(self, query: MarketQuery) -> Sequence[Market]:
        """Every market that fits; nothing is an empty list. Events are asked for by kind, or by a conid."""
        if await self._is_event(query):
            return await self.forecasts.find(query)
        return await self.markets.find(query)

    async def market(self, query: MarketQuery | str) -> Market:
        """The one market that is meant; text is a symbol. ConfigurationError for none and for several."""
        if isinstance(query, str):
            query = MarketQuery(symbol=query)
        if query.exchange not in (None, self._name):
            raise ConfigurationError(f"expected a query for {self._name}, found exchange={query.exchange!r}")
        if await self._is_event(query):
            return only(await self.forecasts.find(query), query)
        return await self.markets.the_one(query)

    async def quotes(self, instruments: Sequence[Instrument]) -> Sequence[Quote]:
        return await self.market_data.quotes(instruments)

    async def place(self, group: Sequence[OrderRequest], confirm: Confirm) -> Sequence[OrderReport]:
        self._check_expiry(group)
        self._gtc.sending(group)
        await self._see_prices(group)
        return await self._orders.place(group, confirm)

    async def replace(self, order: Order, request: OrderRequest, confirm: Confirm) -> OrderReport:
        self._check_expiry([request])
        return await self._orders.replace(order, request, confirm)

    async def preview(self, group: Sequence[OrderRequest]) -> Preview:
        """What an order or a bracket would cost; nothing is sent to a market and no question is answered."""
        first = group[0]
        contracts = await self.markets.facts([request.market_id for request in group])
        # the estimate needs the market's data to be there
        await self._read_quotes([instrument(self._name, each.market_id, each.side) for each in group])
        accounts = {account.account_id: account.currency for account in await self._account.accounts()}
        return await self._previews.preview(
            group,
            first.account_id,
            currency=contracts[first.market_id].currency,
            account_currency=accounts.get(first.account_id, ""),
        )

    async def withdraw(self, order: Order) -> OrderReport:
        return await self._orders.withdraw(order)

    async def refuse_open_prompt(self) -> None:
        """Answer the question that is open with no, and wait until nothing is open: then cancels leave at once."""
        await self._conversation.refuse_open_prompt()

    async def answer_notification(
        self, row: PlaceRow, client_order_id: ClientOrderId, account_id: AccountId, confirm: Confirm
    ) -> OrderReport:
        """Answer a prompt with options that came as a notification, by the same policy as any other.

        `row` is the notification, which has the fields of a row of a placing answer.
        """
        return await self._orders.answer_notification(row, client_order_id, account_id, confirm)

    async def find_order(
        self,
        account_id: AccountId,
        client_order_id: ClientOrderId,
        *,
        request: OrderRequest | None = None,
        venue_order_id: VenueOrderId | None = None,
        sent: int | None = None,
    ) -> OrderReport | None:
        """The order sent under this id; None only when it is surely absent.

        A child of a bracket that an earlier process placed is found only with its `request`.
        """
        report = await self._finder.find_order(
            account_id, client_order_id, request, venue_order_id=venue_order_id, sent=sent
        )
        if report is None and request is not None and self._holdings.were_read_before(account_id, sent):
            await self._see_positions(account_id, request)
        return report

    async def open_orders(self, account_id: AccountId) -> Sequence[OrderReport]:
        return await self._finder.open_orders(account_id)

    async def fills(self, account_id: AccountId, days: int = 1) -> Sequence[Fill]:
        return await self._account.fills(account_id, days)

    async def positions(self, account_id: AccountId) -> Sequence[Position]:
        positions = await self._account.positions(account_id)
        self._holdings.read(account_id, positions, self._clock.now())
        return positions

    async def refresh_positions(self, account_id: AccountId) -> None:
        """Have the venue's cache of positions thrown away."""
        await self._account.refresh_positions(account_id)

    async def balances(self, account_id: AccountId) -> Account:
        return await self._account.balances(account_id)

    def watch(self, account_id: AccountId, *, orders: bool, fills: bool) -> None:
        self._used.add(account_id)
        self._stream.watch(account_id, orders=orders, fills=fills)

    # -- inside --------------------------------------------------------------------------------------------------

    async def _is_event(self, query: MarketQuery) -> bool:
        if query.kind is not None:
            return query.kind is MarketKind.EVENT
        if query.market_id is None:
            return query.threshold is not None or query.nearest_threshold is not None
        known = self.markets.known(query.market_id)
        if known is not None:
            return known.kind is MarketKind.EVENT
        return is_event(await self.markets.info(query.market_id))

    async def _see_prices(self, group: Sequence[OrderRequest]) -> None:
        """A market order's prompt is accepted only against a fresh live quote: read one unless it is there already.

        Once a question has been asked it is too late, because nothing else may be sent before its answer.
        """
        ticket = Ticket(
            requests=tuple(group),
            now=self._clock.now(),
            quotes={
                request.market_id: quote
                for request in group
                if (quote := self.market_data.latest(request.market_id)) is not None
            },
        )
        unseen = [
            instrument(self._name, request.market_id, request.side)
            for request in group
            if request.order_type in MARKET_ORDERS and ticket.fresh_quote(request.market_id) is None
        ]
        if unseen:
            await self._read_quotes(unseen)

    async def _see_positions(self, account_id: AccountId, request: OrderRequest) -> None:
        """Raise VenueUnavailable when a position has changed as an order would have done of which there is no trace."""
        name = instrument(self._name, request.market_id, request.side)
        positions = [each for each in await self._account.positions(account_id) if each.instrument == name]
        if not self._holdings.changes(account_id, positions, (), of=name):
            return
        fills = [each for each in await self._account.fills(account_id) if each.instrument == name]
        if changes := self._holdings.changes(account_id, positions, fills, of=name):
            raise VenueUnavailable(
                f"order {request.client_order_id} is neither listed nor traded, but the position has changed "
                f"({', '.join(changes)}) and no fill explains it: its absence is not proven"
            )

    async def _read_quotes(self, instruments: Sequence[Instrument]) -> None:
        try:
            await self.market_data.read(list(dict.fromkeys(instruments)))
        except HorizonError as error:
            # The order may still go through unasked; without a quote the policy refuses a prompt.
            self._tell(f"no quote before an order: {error}")

    def _check_expiry(self, group: Sequence[OrderRequest]) -> None:
        for request in group:
            market = self.markets.known(request.market_id)
            if market is not None:
                check_not_expired(market, self._clock.now())

    def _tell(self, text: str, level: NoticeLevel = NoticeLevel.WARNING) -> None:
        self._put(Notice(exchange=self._name, time=self._clock.now(), level=level, text=text))

    async def _forget(self) -> None:
        self.markets.forget()
        self.market_data.forget()
        self._account.forget()
        self._account.primed(self._session.portfolio_accounts)

    async def _catch_up(self) -> None:
        """Report what happened while the session was away: orders and fills as they are, positions as a notice."""
        accounts = self._session.accounts
        used = {*self._used, *self._holdings.accounts} or {accounts[0].account_id}
        known = [each.account_id for each in accounts if each.account_id in used]
        for account_id in known:
            fills = await self._stream.reread(account_id, self._put)
            if fills is None or account_id not in self._holdings.accounts:
                continue
            positions = await self._account.positions(account_id)
            changes = self._holdings.changes(account_id, positions, fills)
            self._holdings.read(account_id, positions, self._clock.now())
            if changes:
                self._tell(
                    f"positions of {account_id} changed while the session was away, and no fill of the day explains "
                    f"it: {', '.join(changes)}"
                )


class _Surroundings:
    """What the orders module asks of its neighbours."""

    def __init__(self, markets: Markets, market_data: MarketData, account: AccountReader, clock: Clock) -> None:
        self._markets = markets
        self._market_data = market_data
        self._account = account
        self._clock = clock

    def ticket(self, requests: Sequence[OrderRequest]) -> Ticket:
        ids = {request.market_id for request in requests}
        quotes = {market_id: self._market_data.latest(market_id) for market_id in ids}
        known = {market_id: self._markets.known(market_id) for market_id in ids}
        return Ticket(
            requests=tuple(requests),
            now=self._clock.now(),
            quotes={market_id: quote for market_id, quote in quotes.items() if quote is not None},
            multipliers={market_id: market.multiplier for market_id, market in known.items() if market is not None},
            cash_quantity=any(request.cash_quantity is not None for request in requests),
        )

    async def fills_of(
        self, account_id: AccountId, client_order_id: ClientOrderId, venue_order_id: VenueOrderId | None
    ) -> Sequence[Fill]:
        return await self._account.fills_of(account_id, client_order_id, venue_order_id)

    async def contract(self, market_id: MarketId) -> ContractFacts:
        return (await self._markets.facts([market_id]))[market_id]


def _nowhere(event: object) -> None:
    """Nobody has opened the venue yet."""
