"""`horizon orders buy` and `sell`: one order, through the guards of whoever trades the account."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated

import typer

from horizon.cli import consent
from horizon.cli.orders import reach
from horizon.errors import ConfigurationError
from horizon.model import MarketId, MarketKind, MarketQuery, OrderSide, OrderType, Side, TimeInForce, exact


def _command(direction: OrderSide) -> Callable[..., None]:
    def command(
        market: Annotated[str, typer.Argument(help="A symbol; with --id, the venue's own id of a market.")],
        size: Annotated[str, typer.Argument(help="Shares or contracts.")],
        price: Annotated[str | None, typer.Option(help="Limit price; without one it is a market order.")] = None,
        stop: Annotated[str | None, typer.Option(help="Trigger of a stop order.")] = None,
        by_id: Annotated[bool, typer.Option("--id", help="The market is given by the venue's id (conid).")] = False,
        kind: Annotated[MarketKind | None, typer.Option(help="Kind of market, when a symbol has several.")] = None,
        side: Annotated[Side | None, typer.Option(help="YES or NO of an event.")] = None,
        time_in_force: Annotated[TimeInForce, typer.Option("--tif", help="For how long.")] = TimeInForce.DAY,
        outside_rth: Annotated[bool, typer.Option("--outside-rth", help="Outside regular hours too.")] = False,
        account: reach.Account = None,
        profile: reach.Profile = None,
        api_url: reach.ApiUrl = None,
        certificate: reach.Certificate = None,
        journal: reach.Journal = None,
        live: consent.Live = False,
        yes_live: consent.YesLive = None,
        max_size: consent.MaxSize = None,
        max_notional: consent.MaxNotional = None,
        max_position: consent.MaxPosition = None,
        max_daily_loss: consent.MaxDailyLoss = None,
        json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
    ) -> None:
        from horizon.cli.orders.shown import show_orders
        from horizon.orders.control.messages import OrdersAnswer, Submit

        limits = consent.Limits(
            max_size=max_size, max_notional=max_notional, max_position=max_position, max_daily_loss=max_daily_loss
        )
        guards = limits.guards(live=live or yes_live is not None)
        agreed = consent.agreed_account(live, yes_live, account)
        limit, trigger = _number(price, "--price"), _number(stop, "--stop")
        wanted = Submit(
            query=MarketQuery(market_id=MarketId(market), kind=kind)
            if by_id
            else MarketQuery(symbol=market, kind=kind),
            order_side=direction,
            size=_number(size, "the size") or Decimal(0),
            price=limit,
            stop_price=trigger,
            order_type=_TYPES[limit is not None, trigger is not None],
            time_in_force=time_in_force,
            side=side,
            outside_rth=outside_rth,
        )
        where = reach.Where(
            account=agreed or account, profile=profile, api_url=api_url, certificate=certificate, journal=journal
        )
        answer = asyncio.run(reach.reach(where, wanted, live=agreed is not None, guards=guards))
        if isinstance(answer, OrdersAnswer) and not show_orders(answer, json=json):
            raise typer.Exit(1)

    command.__doc__ = (
        f"{direction.value.capitalize()}: a market order, a limit order with --price, a stop with --stop, or both. The "
        "guards of the program that trades the account hold, or the default ones where none does."
    )
    return command


_TYPES = {
    (False, False): OrderType.MARKET,
    (True, False): OrderType.LIMIT,
    (False, True): OrderType.STOP,
    (True, True): OrderType.STOP_LIMIT,
}


def _number(text: str | None, what: str) -> Decimal | None:
    if text is None:
        return None
    try:
        return exact(text, what)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


buy = _command(OrderSide.BUY)
sell = _command(OrderSide.SELL)
