"""Place an order and cancel it: each call returns the order as the venue says it is.

    python examples/03_place_and_cancel.py

Prints:

    submitted WORKING filled 0 of 10
    cancelled CANCELED
    refused here: the price 10.001 of SPY is off its tick of 0.01: the nearest prices are 10 and 10.01
"""

import asyncio
from decimal import Decimal

from exchanges import InteractiveBrokers
from exchanges.ibkr.simulator import Simulator
from horizon import InvalidOrder, OrderRequest, OrderSide


async def main() -> None:
    async with (
        Simulator() as gateway,
        InteractiveBrokers(
            api_url=gateway.base_url, certificate=gateway.certificate, account_id=gateway.accounts[0]
        ) as ib,
    ):
        spy = await ib.market("SPY")
        quote = await ib.quote(spy)
        assert quote.bid is not None
        below = spy.price_grid.floor(Decimal(str(quote.bid)) * Decimal("0.99"))
        request = OrderRequest(market_id=spy.market_id, order_side=OrderSide.BUY, size=Decimal(10), price=below)

        order = await ib.submit(request)
        print("submitted", order.status, "filled", order.filled, "of", order.request.size)
        order = await ib.cancel(order)
        print("cancelled", order.status)

        try:
            await ib.submit(
                OrderRequest(
                    market_id=spy.market_id, order_side=OrderSide.BUY, size=Decimal(1), price=Decimal("10.001")
                )
            )
        except InvalidOrder as error:
            print("refused here:", error)


asyncio.run(main())
