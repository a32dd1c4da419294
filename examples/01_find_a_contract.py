"""Find a contract: a share by its symbol, and the event contracts on one number.

    python examples/01_find_a_contract.py

This runs on an embedded gateway. With a gateway of your own, `InteractiveBrokers()` is enough.
"""

import asyncio

from exchanges import InteractiveBrokers
from exchanges.ibkr.simulator import Simulator
from horizon import MarketKind, MarketQuery, Side


async def main() -> None:
    async with (
        Simulator() as gateway,
        InteractiveBrokers(
            api_url=gateway.base_url, certificate=gateway.certificate, account_id=gateway.accounts[0]
        ) as ib,
    ):
        spy = await ib.market("SPY")
        print(spy.symbol, spy.market_id, spy.kind, spy.listing_exchange, spy.currency, f"multiplier {spy.multiplier}")

        for event in await ib.find_markets(MarketQuery(symbol="SPXC", kind=MarketKind.EVENT, side=Side.YES)):
            assert event.event is not None
            print(event.market_id, event.side, event.event.question, f"pays {event.event.payout} {event.currency}")


asyncio.run(main())
