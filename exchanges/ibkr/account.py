"""Accounts, balances, positions and fills of one login, read so that a cold answer is never taken for "nothing"."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from exchanges.ibkr.client import Client
from exchanges.ibkr.mapping import portfolio, trades
from exchanges.ibkr.mapping.contracts import ContractFacts
from exchanges.ibkr.mapping.numbers import conid_text
from exchanges.ibkr.selection import AccountSelection
from exchanges.ibkr.session import Session
from exchanges.ibkr.shared_reads import SharedReads
from exchanges.ibkr.wire.accounts import PortfolioAccount
from exchanges.ibkr.wire.portfolio import Ledger, PositionRow, Summary
from exchanges.ibkr.wire.session import Message
from exchanges.ibkr.wire.trades import TradeRow
from horizon.clock import Clock
from horizon.errors import ConfigurationError, VenueUnavailable, WireError
from horizon.model import Account, AccountId, ClientOrderId, Fill, MarketId, Position, VenueOrderId
from horizon.net.rates import Priority

PAGE_ROWS: Final = 100
MOST_PAGES: Final = 1_000
COLD_PAUSE: Final = 1.0
"""Seconds before a read is repeated that may have been answered from a cold cache."""
COLD_CALLS: Final = 4
MOST_DAYS: Final = 7

Lookup = Callable[[Sequence[MarketId]], Awaitable[Mapping[MarketId, ContractFacts]]]
"""Asks what contracts are: side, currency, multiplier."""

Answer = TypeVar("Answer", Summary, Ledger)


class AccountReader:
    """What the accounts of a login are worth, hold and have traded. No state but what has been primed."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        session: Session,
        selection: AccountSelection,
        lookup: Lookup,
        *,
        exchange: str,
    ) -> None:
        self._client = client
        self._clock = clock
        self._session = session
        self._selection = selection
        self._lookup = lookup
        self._exchange = exchange
        self._portfolio: dict[str, PortfolioAccount] | None = None
        self._warm: set[tuple[str, str]] = set()
        self._weeks = SharedReads(self._week_of_trades)

    async def accounts(self) -> list[Account]:
        """Every tradable account of the login, without its money: see `balances`."""
        rows = await self._portfolio_accounts()
        return [
            portfolio.account(each.account_id, rows.get(each.account_id), exchange=self._exchange, is_live=each.is_live)
            for each in self._session.accounts
        ]

    async def balances(self, account_id: AccountId) -> Account:
        """One account with its totals (the summary) and its cash by currency, `BASE` among them (the ledger)."""
        self._selection.check(account_id)
        rows = await self._portfolio_accounts()
        path = f"/portfolio/{account_id}"
        return portfolio.account(
            account_id,
            rows.get(account_id),
            exchange=self._exchange,
            is_live=self._session.is_live(account_id),
            summary=await self._filled(f"{path}/summary", Summary),
            ledger=await self._filled(f"{path}/ledger", Ledger),
        )

    async def positions(self, account_id: AccountId) -> list[Position]:
        """Everything the account holds, over all pages. Rows of closed positions (size 0) are left out."""
        self._selection.check(account_id)
        await self._portfolio_accounts()
        rows = await self._position_rows(account_id)
        known: dict[str, ContractFacts] = {}
        unknown: list[MarketId] = []
        for row in rows:
            facts = portfolio.facts_in(row)
            if facts is None:
                unknown.append(MarketId(str(row.conid)))
            else:
                known[str(row.conid)] = facts
        if unknown:
            known |= {str(market_id): facts for market_id, facts in (await self._lookup(unknown)).items()}
        found = [portfolio.position(row, known[str(row.conid)], account_id, exchange=self._exchange) for row in rows]
        return [position for position in found if position.size != 0]

    async def refresh_positions(self, account_id: AccountId) -> None:
        """Have the venue look again: its positions can be behind a fill by minutes."""
        self._selection.check(account_id)
        await self._portfolio_accounts()
        await self._client.post(f"/portfolio/{account_id}/positions/invalidate", Message)

    async def fills(self, account_id: AccountId, days: int = 1) -> list[Fill]:
        """Executions of this account over the last `days` trading days (1 to 7), oldest first."""
        if not 1 <= days <= MOST_DAYS:
            raise ConfigurationError(f"the venue keeps fills of 1 to {MOST_DAYS} days, found days={days}")
        if days == MOST_DAYS:
            # as for recovery, with which it is shared
            return await self._fills(await self._weeks.fresh(account_id), account_id)
        return await self._fills(await self._trade_rows(account_id, days, Priority.POLLING), account_id)

    async def fills_of(
        self, account_id: AccountId, client_order_id: ClientOrderId, venue_order_id: VenueOrderId | None = None
    ) -> list[Fill]:
        """Executions of one order within a week. Other orders' contracts, some long expired, are not looked up."""
        rows = await self._weeks.fresh(account_id)
        return await self._fills(
            [
                row
                for row in rows
                if row.order_ref == client_order_id
                or (venue_order_id is not None and conid_text(row.order_id) == venue_order_id)
            ],
            account_id,
        )

    def primed(self, rows: Iterable[PortfolioAccount]) -> None:
        """Take over the portfolio accounts that opening the session has read: asking again costs five seconds."""
        self._portfolio = {row.accountId: row for row in rows} or None

    def forget(self) -> None:
        """After a new session: prime again, and believe no cold answer."""
        self._portfolio = None
        self._warm.clear()

    # -- inside --------------------------------------------------------------------------------------------------

    async def _fills(self, rows: Sequence[TradeRow], account_id: AccountId) -> list[Fill]:
        rows = [row for row in rows if trades.is_complete(row)]
        contracts = await self._lookup(sorted({MarketId(trades.conid_of(row)) for row in rows}))
        now = self._clock.now()
        by_id: dict[str, Fill] = {}
        for row in rows:
            contract = contracts[MarketId(trades.conid_of(row))]
            fill = trades.fill(row, contract, account_id, exchange=self._exchange, now=now)
            kept = by_id.get(fill.execution_id)
            # The same execution can be listed twice, first without its commission.
            if kept is None or kept.commission is None:
                by_id[fill.execution_id] = fill
        return sorted(by_id.values(), key=lambda fill: (fill.trade_time, fill.execution_id))

    async def _portfolio_accounts(self) -> dict[str, PortfolioAccount]:
        """`/portfolio/accounts` must come before every other portfolio call of a session."""
        if self._portfolio is None:
            rows = await self._client.get("/portfolio/accounts", list[PortfolioAccount])
            self._portfolio = {row.accountId: row for row in rows}
        return self._portfolio

    async def _filled(self, path: str, answer_type: type[Answer]) -> Answer:
        """A portfolio object; the empty one of a cold cache is asked for again."""
        for call in range(COLD_CALLS):
            if call:
                await self._clock.sleep(COLD_PAUSE)
            answer = await self._client.get(path, answer_type)
            if answer:
                return answer
        raise VenueUnavailable(f"{path} stayed empty over {COLD_CALLS} reads: ask again")

    async def _position_rows(self, account_id: AccountId) -> list[PositionRow]:
        """All pages; a first read that is empty, or that does not say what its derivatives are, is repeated."""
        rows = await self._all_pages(account_id)
        key = ("positions", account_id)
        for _ in range(COLD_CALLS - 1):
            if key in self._warm or (rows and all(portfolio.facts_in(row) is not None for row in rows)):
                break
            await self._clock.sleep(COLD_PAUSE)
            rows = await self._all_pages(account_id)
            self._warm.add(key)
        self._warm.add(key)
        return rows

    async def _all_pages(self, account_id: AccountId) -> list[PositionRow]:
        """Pages of a hundred until a short one. A page that brings nothing new ends it too: it would go on for ever."""
        found: dict[tuple[str, str], PositionRow] = {}
        for page in range(MOST_PAGES):
            rows = await self._client.get(f"/portfolio/{account_id}/positions/{page}", list[PositionRow])
            before = len(found)
            for row in rows:
                if row.acctId in (None, account_id):
                    found[str(row.conid), row.model or ""] = row
            if len(rows) < PAGE_ROWS or len(found) == before:
                return list(found.values())
        raise WireError(
            f"positions of {account_id} did not end within {MOST_PAGES} pages",
            path=f"/portfolio/{account_id}/positions",
        )

    async def _week_of_trades(self, account_id: AccountId) -> list[TradeRow]:
        return await self._trade_rows(account_id, MOST_DAYS, Priority.RECOVERY)

    async def _trade_rows(self, account_id: AccountId, days: int, priority: Priority) -> list[TradeRow]:
        """This account's rows; the first empty answer of a session is not taken for "no fills"."""
        key = (f"trades of {days} days", account_id)
        while True:
            async with self._selection.of(account_id, priority):
                rows = await self._client.get(
                    trades.PATH,
                    list[TradeRow],
                    params={"days": days, "accountId": account_id},
                    priority=priority,
                )
            if rows or key in self._warm:
                self._warm.add(key)
                return [row for row in rows if trades.account_of(row) in ("", account_id)]
            self._warm.add(key)
            await self._clock.sleep(COLD_PAUSE)
