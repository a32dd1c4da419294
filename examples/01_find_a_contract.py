"""Find a contract: a share by its symbol, and the event contracts on one number.

    python examples/01_find_a_contract.py

It runs on an embedded gateway. With a gateway of your own, `InteractiveBrokers()` is enough.

Prints:

    SPY 756733 STOCK ARCA USD multiplier 1
    860100000 YES Will the S&P 500 close above 5,800 on November 23, 2026? pays 1.00 USD
    860100010 YES Will the S&P 500 close above 5,825 on November 23, 2026? pays 1.00 USD
    860100020 YES Will the S&P 500 close above 5,850 on November 23, 2026? pays 1.00 USD
    860100030 YES Will the S&P 500 close above 5,875 on November 23, 2026? pays 1.00 USD
    860100040 YES Will the S&P 500 close above 5,900 on November 23, 2026? pays 1.00 USD
    860100050 YES Will the S&P 500 close above 5,925 on November 23, 2026? pays 1.00 USD
    860100060 YES Will the S&P 500 close above 5,950 on November 23, 2026? pays 1.00 USD
    860100070 YES Will the S&P 500 close above 5,975 on November 23, 2026? pays 1.00 USD
    860100080 YES Will the S&P 500 close above 6,000 on November 23, 2026? pays 1.00 USD
    860100090 YES Will the S&P 500 close above 6,025 on November 23, 2026? pays 1.00 USD
    860100100 YES Will the S&P 500 close above 6,050 on November 23, 2026? pays 1.00 USD
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
