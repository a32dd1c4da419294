"""What an order would cost, as the venue estimates it: numbers, and never a confirmation."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exchanges.ibkr.venue import IbkrVenue
from horizon.errors import Refused, WireError
from horizon.model import AccountId, Change, ClientOrderId, MarketId, OrderRequest, OrderSide, Preview

ACCOUNT = AccountId("DU1234567")
WHATIF = f"POST /iserver/account/{ACCOUNT}/orders/whatif"
SNAPSHOT = "GET /iserver/marketdata/snapshot"
ESTIMATE: dict[str, Any] = {
    "amount": {"amount": "1,977.60 USD (10 Shares)", "commission": "1 USD", "total": "1,978.60 USD"},
    "equity": {"current": "123,456", "change": "-1", "after": "123,455"},
    "initial": {"current": "0", "change": "989", "after": "989"},
    "maintenance": None,
    "position": {"current": "0", "change": "10", "after": "10"},
    "warn": "21/You are trying to submit an order without having market data for this instrument.",
    "error": None,
}


def request(name: str = "one", **changes: Any) -> OrderRequest:
    fields: dict[str, Any] = {
        "market_id": MarketId("756733"),
        "order_side": OrderSide.BUY,
        "size": 10,
        "price": "197.76",
        "client_order_id": ClientOrderId(name),
        "account_id": ACCOUNT,
        "exchange": "ibkr",
    }
    return OrderRequest(**{**fields, **changes})


@pytest.fixture
def ready(host: Any) -> Any:
    """A host that knows the market and its prices."""
    host.on(SNAPSHOT, [{"conid": 756733, "84": "197.75", "86": "197.77", "6509": "RpB"}])
    host.on("GET /iserver/contract/756733/info-and-rules", {"con_id": 756733, "symbol": "XYZ", "currency": "USD"})
    host.on("GET /portfolio/accounts", [{"accountId": ACCOUNT, "currency": "EUR"}])
    return host


async def preview(host: Any, *requests: OrderRequest) -> Preview:
    return await IbkrVenue(host.client, host.session, host.clock).preview(requests or [request()])


async def test_an_estimate_is_in_numbers_with_their_currencies(ready: Any):
    ready.on(WHATIF, ESTIMATE)
    found = await preview(ready)
    assert (found.amount, found.commission, found.total) == (Decimal("1977.60"), 1, Decimal("1978.60"))
    assert (found.currency, found.account_currency) == ("USD", "EUR")
    assert found.equity == Change(before=Decimal(123456), change=Decimal(-1), after=Decimal(123455))
    assert found.initial_margin.change == 989
    assert found.maintenance_margin == Change()
    assert found.position.after == 10
    assert found.warnings == (ESTIMATE["warn"],)


async def test_the_market_is_looked_at_before_and_the_id_of_the_order_is_not_spent(ready: Any):
    ready.on(WHATIF, ESTIMATE)
    await preview(ready)
    assert ready.paths.index(SNAPSHOT) < ready.paths.index(WHATIF)
    (call,) = ready.seen(WHATIF)
    (ticket,) = call.body["orders"]
    assert "cOID" not in ticket
    assert ticket["price"] == 197.76


async def test_a_bracket_is_estimated_as_one(ready: Any):
    ready.on(WHATIF, ESTIMATE)
    await preview(ready, request(), request("exit", order_side=OrderSide.SELL, parent=ClientOrderId("one"), price=210))
    (call,) = ready.seen(WHATIF)
    entry, leg = call.body["orders"]
    assert entry["cOID"] == leg["parentId"] == "one"


@pytest.mark.parametrize(
    ("text", "least", "most", "currency"),
    [
        ("0.35 - 1.02 USD", "0.35", "1.02", "USD"),
        ("0.35..1.02 USD", "0.35", "1.02", "USD"),
        ("1 CHF", "1", "1", "CHF"),
        ("1,000.50", "1000.50", "1000.50", "USD"),
        (2.5, "2.5", "2.5", "USD"),
    ],
)
async def test_a_commission_may_be_a_range(ready: Any, text: Any, least: str, most: str, currency: str):
    ready.on(WHATIF, {"amount": {"commission": text}})
    found = await preview(ready)
    assert (found.commission, found.most_commission) == (Decimal(least), Decimal(most))
    assert found.currency == currency
    assert found.amount is None
    assert found.total is None


async def test_a_question_is_a_warning_and_is_never_answered(ready: Any):
    ready.on(WHATIF, [{"id": "q1", "message": ["Price exceeds 3 percent."], "messageIds": ["o163"]}])
    found = await preview(ready)
    assert found.warnings == ("Price exceeds 3 percent.",)
    assert found.commission is None
    assert not [path for path in ready.paths if "/reply/" in path]


async def test_an_order_that_the_venue_would_refuse_is_refused(ready: Any):
    for answer in ({"error": "No trading permissions."}, {**ESTIMATE, "error": "No trading permissions."}):
        ready.on(WHATIF, answer)
        with pytest.raises(Refused, match="No trading permissions"):
            await preview(ready)


async def test_money_that_cannot_be_read_is_an_error_of_the_wire(ready: Any):
    ready.on(WHATIF, {"amount": {"commission": "a lot"}})
    with pytest.raises(WireError, match="a lot"):
        await preview(ready)


async def test_the_recorded_estimate_is_read(ready: Any, shared_data: Path):
    path = shared_data / "ibkr_samples" / "conduit__Orders__POST-whatif-order.json"
    if not path.exists():
        pytest.skip("the recorded answers are not here")
    ready.on(WHATIF, json.loads(path.read_text())["Response"]["Body"])
    found = await preview(ready)
    assert (found.amount, found.commission, found.total) == (1, Decimal("0.01"), Decimal("1.01"))
    assert found.equity.after == 1_006_576
    assert found.position == Change()
