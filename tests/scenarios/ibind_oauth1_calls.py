"""A third party's client of OAuth 1.0a: ibind, in an environment of its own.

usage: ibind_oauth1_calls.py BASE_URL CREDENTIALS

Prints one JSON object. CREDENTIALS is a JSON file. One thing about ibind is changed: it does not send IBKR's host name
to a server on this machine.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ |= {"IBIND_LOG_TO_CONSOLE": "0", "IBIND_LOG_TO_FILE": "0"}
from ibind import IbkrClient
from ibind.oauth import oauth1a

generate = oauth1a.generate_oauth_headers


def without_host(**options: Any) -> dict[str, str]:
    headers: dict[str, str] = generate(**options)
    del headers["Host"]
    return headers


def main() -> None:
    base_url, credentials = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
    oauth1a.generate_oauth_headers = without_host
    config = oauth1a.OAuth1aConfig(
        oauth_rest_url=base_url + "/", maintain_oauth=False, shutdown_oauth=False, **credentials
    )
    client = IbkrClient(use_oauth=True, oauth_config=config)
    validated = oauth1a.validate_live_session_token(
        live_session_token=client.live_session_token,
        live_session_token_signature=client.live_session_token_signature,
        consumer_key=config.consumer_key,
    )
    found = {
        "validated": validated,
        "expires_ms": client.live_session_token_expires_ms,
        "tickle": sorted(client.tickle().data),
        "accounts": [row["accountId"] for row in client.portfolio_accounts().data],
        "searched": client.search_contract_by_symbol("SPY").data[0]["conid"],
        "brokerage": client.receive_brokerage_accounts().data["accounts"],
    }
    client.generate_live_session_token()
    found["competing"] = client.authentication_status().data["competing"]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
