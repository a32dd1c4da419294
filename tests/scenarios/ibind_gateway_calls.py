"""A third party's client of the gateway: ibind, in an environment of its own.

usage: ibind_gateway_calls.py BASE_URL ACCOUNT [CERTIFICATE]

Prints one JSON object. Without a certificate ibind verifies nothing, as it does by default: the stock certificate names
no host and has expired.
"""

import json
import os
import sys
import warnings

os.environ |= {"IBIND_LOG_TO_CONSOLE": "0", "IBIND_LOG_TO_FILE": "0"}
from ibind import IbkrClient


def main() -> None:
    url, account, *certificate = sys.argv[1:]
    warnings.simplefilter("ignore")
    client = IbkrClient(
        url=f"{url}/",
        account_id=account,
        cacert=certificate[0] if certificate else False,
        use_oauth=False,
        auto_register_shutdown=False,
    )
    found = {
        "healthy": client.check_health(),
        "tickle": sorted(client.tickle().data),
        "established": client.authentication_status().data["established"],
        "brokerage": client.receive_brokerage_accounts().data["accounts"],
        "accounts": [row["accountId"] for row in client.portfolio_accounts().data],
        "conid": client.stock_conid_by_symbol("SPY").data["SPY"],
        "bars": len(client.marketdata_history_by_conid("756733", period="1d", bar="5min").data["data"]) > 0,
        "quoted": [row["conid"] for row in client.live_marketdata_snapshot(["756733"], ["31", "84", "86"]).data],
        "orders": client.live_orders().data["orders"],
        "opened_again": client.initialize_brokerage_session().data["established"],
        "user": client.validate().data["USER_NAME"],
        "logged_out": client.logout().data["status"],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
