"""The answers of the benchmarks' server: the shapes of the Client Portal Web API, filled with made-up values."""

import json
from collections.abc import Mapping

ACCOUNT = "DU5550001"
FIRST_CONID = 700_001
ROWS = 100
SNAPSHOT_FIELDS = ("31", "84", "85", "86", "88", "7059", "70", "71", "87", "7295")
"""Last, bid, ask size, ask, bid size, last size, high, low, volume, open."""
STOCK_CONID = 756_733

_READY = {
    "authenticated": True,
    "competing": False,
    "connected": True,
    "established": True,
    "message": "",
    "MAC": "02:00:00:00:00:01",
    # a server of this name has no nightly resets, in which nothing could be measured
    "serverInfo": {"serverName": "Simulated", "serverVersion": "Build 10.40.0, Jan 1, 2026 9:00:00 AM"},
}
_TICKLE = {
    "session": "00000000000000000000000000000000",
    "ssoExpires": 540_000,
    "collission": False,
    "userId": 100_000_001,
    "hmds": {"error": "no bridge"},
    "iserver": {"authStatus": _READY},
}


def conids() -> list[str]:
    """The hundred contracts of the snapshot call."""
    return [str(FIRST_CONID + number) for number in range(ROWS)]


def _snapshot_row(number: int) -> dict[str, object]:
    conid, price = FIRST_CONID + number, 20 + 4.37 * number
    return {
        "conid": conid,
        "conidEx": str(conid),
        "_updated": 1_767_366_000_000 + number,
        "server_id": f"q{number}",
        "6119": f"q{number}",
        "6509": "RpB",
        "31": f"{price:.2f}",
        "84": f"{price - 0.01:.2f}",
        "85": f"{100 * (number % 9 + 1)}",
        "86": f"{price + 0.01:.2f}",
        "88": f"{100 * (number % 7 + 1)}",
        "7059": f"{number % 5 + 1}",
        "70": f"{price * 1.01:.2f}",
        "71": f"{price * 0.99:.2f}",
        "87": f"{1.1 + 0.1 * number:.1f}M",
        "7295": f"{price * 1.002:.2f}",
    }


def _position_row(number: int) -> dict[str, object]:
    price, size = 20 + 4.37 * number, 10.0 + number
    return {
        "acctId": ACCOUNT,
        "conid": FIRST_CONID + number,
        "contractDesc": f"ABC{number}",
        "position": size,
        "mktPrice": round(price, 4),
        "mktValue": round(price * size, 2),
        "currency": "USD",
        "avgCost": round(price * 0.97, 4),
        "avgPrice": round(price * 0.97, 4),
        "realizedPnl": 0.0,
        "unrealizedPnl": round(price * size * 0.03, 2),
        "exchs": None,
        "expiry": None,
        "putOrCall": None,
        "multiplier": None,
        "strike": 0.0,
        "exerciseStyle": None,
        "conExchMap": [],
        "assetClass": "STK",
        "undConid": 0,
        "model": "",
        "time": 120,
        "chineseName": "",
        "allExchanges": "AMEX,NYSE,CBOE,PHLX,CHX,ARCA,ISLAND,DRCTEDGE,BEX,BATS,EDGEA,BYX,IEX,EDGX,MEMX,PEARL",
        "listingExchange": "NASDAQ",
        "countryCode": "US",
        "name": "A COMPANY WITH A NAME",
        "lastTradingDay": None,
        "group": "Computers",
        "sector": "Technology",
        "sectorGroup": "Computers",
        "ticker": f"ABC{number}",
        "type": "COMMON",
        "hasOptions": True,
        "fullName": f"ABC{number}",
        "isUS": True,
        "incrementRules": [{"lowerEdge": 0.0, "increment": 0.01}],
        "displayRule": {"magnification": 0, "displayRuleStep": [{"decimalDigits": 2, "wholeDigits": 4}]},
        "isEventContract": False,
        "pageSize": 100,
    }


def _body(answer: object) -> bytes:
    content = json.dumps(answer, separators=(",", ":")).encode()
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=utf-8\r\nConnection: keep-alive\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


READS: Mapping[bytes, bytes] = {
    b"/tickle": _body(_TICKLE),
    b"/iserver/marketdata/snapshot": _body([_snapshot_row(number) for number in range(ROWS)]),
    f"/portfolio/{ACCOUNT}/positions/0".encode(): _body([_position_row(number) for number in range(ROWS)]),
}
"""By path below `/v1/api`: what the comparison with ibind asks for."""

ORDERING: Mapping[bytes, bytes] = {
    b"/iserver/auth/status": _body(_READY),
    b"/iserver/accounts": _body({"accounts": [ACCOUNT], "selectedAccount": ACCOUNT, "isPaper": True}),
    b"/portfolio/accounts": _body([{"id": ACCOUNT, "accountId": ACCOUNT, "currency": "USD", "type": "DEMO"}]),
    b"/sso/validate": _body({"RESULT": True, "LOGIN_TYPE": 2}),
    f"/iserver/contract/{STOCK_CONID}/info-and-rules".encode(): _body(
        {
            "con_id": STOCK_CONID,
            "symbol": "SPY",
            "instrument_type": "STK",
            "currency": "USD",
            "exchange": "ARCA",
            "valid_exchanges": "SMART,ARCA",
            "rules": {"incrementRules": [{"lowerEdge": 0, "increment": 0.01}]},
        }
    ),
    # Immediate-or-cancel and cancelled at once: the order is over, and nothing has to be polled for.
    f"/iserver/account/{ACCOUNT}/orders".encode(): _body(
        [{"order_id": "1000001", "order_status": "Cancelled", "encrypt_message": "1"}]
    ),
    b"/iserver/account/orders": _body({"orders": [], "snapshot": True}),
    b"/iserver/account/trades": _body([]),
}
"""What a session, a stock and its orders need."""
