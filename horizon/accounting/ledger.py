"""Positions and cash by booked fills: the only such arithmetic on this side of a venue."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from horizon.accounting.account_cash import AccountCash
from horizon.accounting.holding import Holding
from horizon.accounting.pairing import Pair, make_pair
from horizon.errors import ConfigurationError
from horizon.model import (
    ZERO,
    Account,
    AccountId,
    ExecutionId,
    Fill,
    FillKind,
    Instrument,
    Market,
    Position,
    Side,
    exact,
    split_instrument,
)

_Key = tuple[str, AccountId, ExecutionId]


class BookedFill(msgspec.Struct, frozen=True, kw_only=True):
    """What booking one report of a fill changed. Money is in the fill's currency."""

    fill: Fill
    new: bool = True
    """False when the execution was known and only its commission came: position and trade cash did not move."""
    position: Decimal
    """Held of the fill's instrument afterwards."""
    average_price: Decimal | None
    cash: Decimal
    """What the trade moved before commission, payouts of netted pairs included."""
    realized: Decimal | None
    """By closing, at either side of a pair, before commission; None where the cost of what was closed is not known."""
    fee: Decimal | None
    """The commission booked now; None while the venue has not reported it."""
    netted: Decimal = ZERO
    """Pairs of opposite outcomes that were exchanged for their payout."""


class _Netting(msgspec.Struct, frozen=True):
    pairs: Decimal = ZERO
    paid: Decimal = ZERO
    realized: Decimal | None = ZERO


class Ledger:
    """Positions (average cost), cash and fees per currency of what one strategy trades.

    Every execution is booked once, whatever is reported how often and in which order. A correction (a higher `revision`
    of the same `series`) takes back what it corrects, at its price, and is booked in its place; a pair of opposite
    outcomes that was paid out meanwhile stays paid out.
    """

    def __init__(self) -> None:
        self._holdings: dict[Instrument, Holding] = {}
        self._cash: dict[str, Decimal] = {}
        self._by_account = AccountCash()
        self._fees: dict[str, Decimal] = {}
        self._pairs: dict[Instrument, Pair] = {}
        self._charged: dict[_Key, bool] = {}
        """Executions that are booked, and whether their commission is."""
        self._revisions: dict[_Key, Fill] = {}
        """The report that counts of every execution that can be corrected, by its series."""

    def start(
        self, positions: Iterable[Position] = (), accounts: Iterable[Account] = (), known: Iterable[Fill] = ()
    ) -> None:
        """Begin with what the venue holds. `known` are fills that are in these numbers already: they are not booked.

        Currencies that the accounts do not mention begin at 0, so their cash is what was moved since. Raises
        ConfigurationError once anything has been booked, because the numbers would then count twice.
        """
        if self._holdings or self._cash or self._charged:
            raise ConfigurationError("expected an empty ledger to start from, found one with bookings: make a new one")
        accounts, known = tuple(accounts), tuple(known)
        self._by_account.start(accounts, known)
        for position in positions:
            self._open(position)
        for account in accounts:
            for currency, cash in _balances(account).items():
                self._cash[currency] = self.cash(currency) + cash
        for fill in known:
            self._charged[_key(fill)] = True
            self._revisions[_series(fill)] = fill
        for pair in {id(pair): pair for pair in self._pairs.values()}.values():
            self._net(pair)

    def pair(self, one: Market, other: Market) -> None:
        """From now on, holding both sides of this event turns into cash: payout x pairs.

        Raises ConfigurationError for markets that are not each other's twin.
        """
        pair = make_pair(one, other)
        self._pairs[pair.yes] = self._pairs[pair.no] = pair
        self._net(pair)

    def book(self, fill: Fill) -> BookedFill | None:
        """What the report changed, or None for one that brings nothing new and for the venue's netting reports.

        A known execution that comes again with the commission that was missing moves cash and fees by it, once.
        """
        key = _key(fill)
        charged = self._charged.get(key)
        if fill.kind is FillKind.NETTING or charged or (charged is False and fill.commission is None):
            return None
        counted = self._revisions.get(_series(fill)) if fill.series else None
        if counted is not None and counted.corrects(fill):
            return None
        taken_back = self._take_back(counted) if counted is not None and fill.corrects(counted) else ZERO
        self._charged[key] = fill.commission is not None
        if fill.series:
            self._revisions[_series(fill)] = fill
        self._charge(fill)
        new = charged is None
        if new:
            realized = self._holding(fill).trade(fill.signed_size, fill.price)
            self._move(fill.exchange, fill.currency, fill.money)
            netting = self._net(self._pairs.get(fill.instrument), bought=fill.instrument)
            if realized is not None:
                realized = None if netting.realized is None else realized + netting.realized
        else:
            netting, realized = _Netting(), ZERO
        return BookedFill(
            fill=fill,
            new=new,
            position=self.position(fill.instrument),
            average_price=self.average_price(fill.instrument),
            cash=fill.money + netting.paid + taken_back if new else ZERO,
            realized=realized,
            fee=fill.commission,
            netted=netting.pairs,
        )

    def settle(self, market: Market, winner: Side) -> Decimal:
        """Pay what every contract of this event is worth and close both sides. Returns the cash this moved.

        The twin is closed with it when the two were given to `pair`. Settling again moves nothing.
        """
        if winner not in (Side.YES, Side.NO):
            raise ConfigurationError(f"expected YES or NO as the side that is right, found {winner}")
        if market.event is None:
            raise ConfigurationError(f"expected an event market to settle, found {market.symbol} ({market.kind})")
        moved = ZERO
        for instrument, side in self._sides(market):
            holding = self._holdings.get(instrument)
            if holding is None or not holding.size:
                continue
            money = holding.size * market.event.payout if side is winner else ZERO
            holding.close(-holding.size, money)
            self._move(market.exchange, market.currency, money)
            moved += money
        return moved

    def position(self, instrument: Instrument) -> Decimal:
        """What is held; below 0 is short."""
        holding = self._holdings.get(instrument)
        return ZERO if holding is None else holding.size

    def positions(self) -> dict[Instrument, Decimal]:
        """Everything that is not flat."""
        return {instrument: holding.size for instrument, holding in self._holdings.items() if holding.size}

    def average_price(self, instrument: Instrument) -> Decimal | None:
        """In price units; None while flat, or when the venue did not say what an opening position had cost."""
        holding = self._holdings.get(instrument)
        return None if holding is None else holding.average_price

    def cost(self, instrument: Instrument) -> Decimal | None:
        """Money in what is held, below 0 for a short position; None when it is not known."""
        holding = self._holdings.get(instrument)
        return ZERO if holding is None else holding.cost

    def realized(self, instrument: Instrument) -> Decimal:
        """Money made by closing since the start, before commission. Parts whose cost is not known are left out."""
        holding = self._holdings.get(instrument)
        return ZERO if holding is None else holding.realized

    def cash(self, currency: str = "USD") -> Decimal:
        return self._cash.get(currency, ZERO)

    def cash_balances(self) -> dict[str, Decimal]:
        """Cash of every currency that has ever moved."""
        return dict(self._cash)

    def cash_at(self, exchange: str, currency: str = "USD") -> Decimal | None:
        """Cash of one account, settled or not; None when its venue has not said."""
        return self._by_account.cash(exchange, currency)

    def settled_at(self, exchange: str, currency: str = "USD") -> Decimal | None:
        """Cash of one account that may be spent without waiting for a sale to settle; None when it is not known."""
        return self._by_account.settled(exchange, currency)

    def terms(self, instrument: Instrument) -> tuple[str, Decimal] | None:
        """Currency and multiplier of an instrument that is held or was; None for any other."""
        holding = self._holdings.get(instrument)
        return None if holding is None else (holding.currency, holding.multiplier)

    def fees(self, currency: str = "USD") -> Decimal:
        """Commissions booked since the start; a rebate counts below 0."""
        return self._fees.get(currency, ZERO)

    def equity(self, prices: Mapping[Instrument, float | Decimal], currency: str = "USD") -> Decimal | None:
        """Cash plus the value of everything held in one currency; None when something held has no price."""
        value = self.cash(currency)
        for instrument, holding in self._holdings.items():
            if holding.currency != currency or not holding.size:
                continue
            price = prices.get(instrument)
            if price is None:
                return None
            value += holding.size * exact(price, f"a price of {instrument}") * holding.multiplier
        return value

    def _open(self, position: Position) -> None:
        cost = position.average_price
        if cost is not None:
            cost *= position.size * position.multiplier
        held = self._holdings.get(position.instrument)
        if held is None:
            self._holdings[position.instrument] = Holding(position.currency, position.multiplier, position.size, cost)
        else:
            held.size += position.size
            held.cost = None if held.cost is None or cost is None else held.cost + cost

    def _holding(self, fill: Fill) -> Holding:
        holding = self._holdings.get(fill.instrument)
        if holding is None:
            holding = self._holdings[fill.instrument] = Holding(fill.currency, fill.multiplier)
        return holding

    def _take_back(self, fill: Fill) -> Decimal:
        """Undo what a report did that was corrected. Returns the cash that moves back, without its commission."""
        self._holding(fill).trade(-fill.signed_size, fill.price)
        self._move(fill.exchange, fill.currency, -fill.money)
        if fill.commission and self._charged.get(_key(fill)):
            self._move(fill.exchange, fill.commission_currency, fill.commission)
            self._fees[fill.commission_currency] = self.fees(fill.commission_currency) - fill.commission
        return -fill.money

    def _move(self, exchange: str, currency: str, money: Decimal) -> None:
        self._cash[currency] = self.cash(currency) + money
        self._by_account.move(exchange, currency, money)

    def _charge(self, fill: Fill) -> None:
        if fill.commission:
            self._move(fill.exchange, fill.commission_currency, -fill.commission)
            self._fees[fill.commission_currency] = self.fees(fill.commission_currency) + fill.commission

    def _net(self, pair: Pair | None, *, bought: Instrument | None = None) -> _Netting:
        """Exchange what is held of both sides for its payout.

        The side that was bought leaves at its own cost, so that what the exchange realized is found at the side that
        was held: buying the twin is how that one is sold.
        """
        if pair is None:
            return _Netting()
        added = self._holdings.get(bought or pair.yes)
        held = self._holdings.get(pair.other(bought or pair.yes))
        if added is None or held is None or not (added.size > 0 and held.size > 0):
            return _Netting()
        pairs = min(added.size, held.size)
        paid = pairs * pair.payout
        self._move(split_instrument(pair.yes)[0], pair.currency, paid)
        cost = added.release(-pairs)
        if cost is None:
            held.release(-pairs)
            return _Netting(pairs, paid, None)
        return _Netting(pairs, paid, held.close(-pairs, paid - cost))

    def _sides(self, market: Market) -> list[tuple[Instrument, Side]]:
        if market.side is None:
            return [(market.instrument(side), side) for side in (Side.YES, Side.NO)]
        pair = self._pairs.get(market.instrument())
        if pair is None:
            return [(market.instrument(), market.side)]
        return [(pair.yes, Side.YES), (pair.no, Side.NO)]


def _series(fill: Fill) -> _Key:
    return fill.exchange, fill.account_id, ExecutionId(fill.series or fill.execution_id)


def _key(fill: Fill) -> _Key:
    return fill.exchange, fill.account_id, fill.execution_id


def _balances(account: Account) -> dict[str, Decimal]:
    """Cash by currency: the rows of the ledger without its total, or the one figure the account has."""
    rows = {row.currency: row.cash for row in account.balances if row.currency != "BASE"}
    if rows or account.cash is None:
        return rows
    return {account.currency: account.cash}
