"""Net liquidation over all accounts of a login: the BASE row of each ledger, in the account's own currency.

    python examples/06_net_liquidation.py

Prints:

    DU1234567    100,000.00 USD
    DU7654321     50,700.95 USD
    total        150,700.95
"""

import asyncio
from decimal import Decimal

from exchanges import InteractiveBrokers
from exchanges.ibkr.simulator import Simulator


async def main() -> None:
    async with (
        Simulator() as gateway,
        InteractiveBrokers(
            api_url=gateway.base_url, certificate=gateway.certificate, account_id=gateway.accounts[0]
        ) as ib,
    ):
        total = Decimal(0)
        for each in await ib.accounts():
            account = await ib.account(each.account_id)
            base = account.base
            if base is None or base.net_liquidation is None:
                raise SystemExit(f"{each.account_id} shows no BASE row: read it again in a few seconds")
            print(f"{each.account_id}  {base.net_liquidation:>12,.2f} {account.currency}")
            total += base.net_liquidation
        print(f"{'total':9}  {total:>12,.2f}")


asyncio.run(main())
