"""Quote a contract: the top of the book, and how fresh it is. What the venue did not send is None, never 0.

    python examples/02_quote.py

Prints:

    ibkr:756733:LONG 592.61 592.62 300.0 700.0 LIVE
"""

import asyncio

from exchanges import InteractiveBrokers
from exchanges.ibkr.simulator import Simulator


async def main() -> None:
    async with (
        Simulator() as gateway,
        InteractiveBrokers(
            api_url=gateway.base_url, certificate=gateway.certificate, account_id=gateway.accounts[0]
        ) as ib,
    ):
        quote = await ib.quote(await ib.market("SPY"))
        print(quote.instrument, quote.bid, quote.ask, quote.bid_size, quote.ask_size, quote.availability)


asyncio.run(main())
