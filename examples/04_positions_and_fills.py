"""List positions and fills: trade, then read back what the gateway booked.

    python examples/04_positions_and_fills.py

A position's average price holds the commission, as Interactive Brokers counts it.

Prints:

    order FILLED at 592.62
    fill BUY 5 SPY at 592.62 commission 1.0
    position 5 SPY average 592.82
"""

import asyncio
from decimal import Decimal

from exchanges import InteractiveBrokers
from exchanges.ibkr.simulator import Simulator
from horizon import OrderRequest, OrderSide, OrderType


async def main() -> None:
    async with (
        Simulator() as gateway,
        InteractiveBrokers(
            api_url=gateway.base_url, certificate=gateway.certificate, account_id=gateway.accounts[0]
        ) as ib,
    ):
        spy = await ib.market("SPY")
        order = await ib.submit(
            OrderRequest(
                market_id=spy.market_id, order_side=OrderSide.BUY, size=Decimal(5), order_type=OrderType.MARKET
            )
        )
        order = await ib.wait(order, lambda latest: latest.booked == latest.request.size, timeout=30)
        print("order", order.status, "at", order.average_price)

        for fill in await ib.fills():
            print("fill", fill.order_side, fill.size, fill.symbol, "at", fill.price, "commission", fill.commission)
        for position in await ib.positions():
            print("position", position.size, position.symbol, "average", position.average_price)


asyncio.run(main())
