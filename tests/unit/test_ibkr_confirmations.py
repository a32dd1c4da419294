from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.ibkr.confirmations import LAST_HOP, TABLE, Default, OptIn, Policy, Ticket
from horizon.errors import ConfigurationError
from horizon.model import (
    Availability,
    Instrument,
    MarketId,
    OrderRequest,
    OrderSide,
    OrderType,
    Quote,
)

NOW = 1_800_000_000_000_000_000
CONID = MarketId("756733")

TEXTS = {
    "o163": (
        'The following order "BUY 5 AAPL NASDAQ.NMS @ 150.0" price exceeds \nthe Percentage constraint of 3%.\n'
        "Are you sure you want to submit this order?"
    ),
    "o354": (
        "You are submitting an order without market data. We strongly recommend against this as it may result in "
        "erroneous and unexpected trades.\nAre you sure you want to submit this order?"
    ),
    "o382": "The following order exceeds the Tick Size Limit of 5.",
    "o383": 'The following order "BUY 650 AAPL NASDAQ.NMS" size exceeds the Size Limit of 500.',
    "o403": "This order will most likely trigger and fill immediately.\nAre you sure you want to submit this order?",
    "o451": (
        'The following order "BUY 650 AAPL" value estimate of 124,995.00 USD exceeds \n'
        "the Total Value Limit of 100,000 USD."
    ),
    "o2136": "Mixed allocation order warning",
    "o2137": "Cross side order warning",
    "o2165": "This instrument does not support trading in fractions outside regular trading hours",
    "o10082": "Called Bond warning",
    "o10138": "The following order size modification exceeds the size modification limit.",
    "o10151": "<h4>Market Order Confirmation</h4>A market order may fill at a price far from the displayed one.",
    "o10152": "<h4>Stop Variant Order Confirmation</h4>Stop orders become market orders once they are triggered.",
    "o10153": "<h4>Confirm Mandatory Cap Price</h4>To avoid trading at a price that is not consistent with a fair and "
    "orderly market, IB may set a cap (for a buy order) or floor (for a sell order).",
    "o10164": "Traders are responsible for understanding cash quantity details, which are provided on a best efforts "
    "basis only.",
    "o10223": "<h4>Cash Quantity Order Confirmation</h4>Orders that express size using a monetary value (cash "
    "quantity) are provided on a non-guaranteed basis.",
    "o10288": "Market orders for Crypto carry risks.",
    "o10331": "You are about to submit a stop order. Please be aware of the various stop order types available.",
    "o10332": "OSL Digital Securities LTD Crypto Order Warning",
    "o10333": "Option Exercise at the Money warning",
    "o10334": "The order will be placed into the current omnibus account instead of the selected global account.",
    "o10335": "Rapid Entry",
    "o10336": "This security has limited liquidity. Confirm that you understand the risks of trading illiquid "
    "securities.",
    "p6": "This order will be distributed over multiple accounts. We strongly suggest you familiarize yourself.",
    "p12": "If your order is not immediately executable, our systems may reject it.\nUse the Price Management Algo?",
}


def request(order_type: OrderType = OrderType.LIMIT, *, price: str | None = "600", size: int = 10) -> OrderRequest:
    stop = "590" if order_type.needs_stop_price else None
    limit = price if order_type.needs_price else None
    return OrderRequest(
        market_id=CONID,
        order_side=OrderSide.BUY,
        size=Decimal(size),
        order_type=order_type,
        price=limit,
        stop_price=stop,
    )


def quote(age_seconds: float = 1.0, availability: Availability = Availability.LIVE) -> Quote:
    at = NOW - int(age_seconds * 1e9)
    return Quote(Instrument("ibkr:756733:LONG"), at, 599.98, 600.02, availability=availability)


def ticket(*requests: OrderRequest, **changes: object) -> Ticket:
    fields: dict[str, object] = {
        "requests": requests or (request(),),
        "now": NOW,
        "quotes": {CONID: quote()},
        "multipliers": {CONID: Decimal(1)},
    }
    return Ticket(**{**fields, **changes})  # type: ignore[arg-type]


def test_the_table_holds_exactly_the_ids_that_have_a_text_here():
    assert set(TABLE) == set(TEXTS)


@pytest.mark.parametrize(
    ("message_id", "order_type"),
    [
        ("o10151", OrderType.MARKET),
        ("o10152", OrderType.STOP),
        ("o10152", OrderType.STOP_LIMIT),
        ("o10331", OrderType.STOP),
        ("o10153", OrderType.LIMIT),
        ("o10153", OrderType.MARKET),
    ],
)
def test_a_prompt_that_restates_the_order_is_accepted(message_id: str, order_type: OrderType):
    advice = Policy().advise(ticket(request(order_type)), [message_id], [TEXTS[message_id]])
    assert advice.accepted, advice.reason
    assert message_id in advice.reason


@pytest.mark.parametrize("message_id", sorted(set(TABLE) - {"o10153"}))
def test_every_other_prompt_is_refused_for_a_plain_limit_order(message_id: str):
    advice = Policy().advise(ticket(), [message_id], [TEXTS[message_id]])
    assert not advice.accepted
    assert message_id in advice.reason


@pytest.mark.parametrize(
    "quotes",
    [{}, {CONID: quote(6.0)}, {CONID: quote(1.0, Availability.DELAYED)}, {CONID: quote(1.0, Availability.UNKNOWN)}],
)
def test_a_market_order_is_not_confirmed_without_a_fresh_live_quote(quotes: dict[MarketId, Quote]):
    advice = Policy().advise(ticket(request(OrderType.MARKET), quotes=quotes), ["o10151"], [TEXTS["o10151"]])
    assert not advice.accepted
    assert "live quote" in advice.reason


def test_a_bracket_with_a_stop_is_a_stop_order_for_the_stop_prompt():
    legs = (request(), request(OrderType.LIMIT, price="620"), request(OrderType.STOP))
    assert Policy().advise(ticket(*legs), ["o10331"], [TEXTS["o10331"]]).accepted


@pytest.mark.parametrize(
    ("message_id", "text_of"),
    [("o10164", "o10151"), ("o10223", "o10153"), ("o10151", "o10164"), ("o10153", "o10223"), ("o383", "o382")],
)
def test_an_id_with_the_text_of_another_is_refused(message_id: str, text_of: str):
    policy = Policy({"o383": OptIn(max_size=Decimal(100))})
    facts = ticket(request(OrderType.MARKET), cash_quantity=True)
    advice = policy.advise(facts, [message_id], [TEXTS[text_of]])
    assert not advice.accepted
    assert "reads otherwise" in advice.reason


@pytest.mark.parametrize("message_id", ["o10164", "o10223"])
def test_a_cash_quantity_prompt_needs_a_cash_quantity_in_the_order(message_id: str):
    assert Policy().advise(ticket(cash_quantity=True), [message_id], [TEXTS[message_id]]).accepted
    assert not Policy().advise(ticket(), [message_id], [TEXTS[message_id]]).accepted


def test_an_allocation_prompt_needs_an_allocation():
    assert Policy().advise(ticket(allocation=True), ["p6"], [TEXTS["p6"]]).accepted


@pytest.mark.parametrize("ids", [[], [""], ["o10153", ""], ["o99999"], ["o10153", "o99999"], ["o10153", "o163"]])
def test_unknown_missing_and_mixed_sets_are_refused(ids: list[str]):
    texts = [TEXTS.get(message_id, "Something new.") for message_id in ids] or [TEXTS["o10153"]]
    assert not Policy().advise(ticket(), ids, texts).accepted


@pytest.mark.parametrize("texts", [[], [""], ["  "]])
def test_a_prompt_without_text_is_refused(texts: list[str]):
    assert not Policy().advise(ticket(), ["o10153"], texts).accepted


def test_a_second_text_that_no_id_explains_is_refused():
    advice = Policy().advise(ticket(), ["o10153"], [TEXTS["o10153"], "Also transfer your account?"])
    assert not advice.accepted
    assert "transfer your account" in advice.reason


def test_a_harmless_id_that_quotes_a_numeric_limit_is_refused():
    text = TEXTS["o10153"] + " The order exceeds the limit of 500 shares."
    assert not Policy().advise(ticket(), ["o10153"], [text]).accepted


def test_two_known_prompts_in_one_answer_are_accepted_together():
    facts = ticket(request(OrderType.MARKET))
    advice = Policy().advise(facts, ["o10151", "o10153"], [TEXTS["o10151"], TEXTS["o10153"]])
    assert advice.accepted, advice.reason


def test_the_sixth_hop_is_refused():
    assert Policy().advise(ticket(), ["o10153"], [TEXTS["o10153"]], hop=LAST_HOP).accepted
    assert not Policy().advise(ticket(), ["o10153"], [TEXTS["o10153"]], hop=LAST_HOP + 1).accepted


def test_an_opt_in_accepts_inside_the_own_limit_only():
    policy = Policy({"o451": OptIn(max_value=Decimal(7000), because="small account")})
    assert policy.advise(ticket(), ["o451"], [TEXTS["o451"]]).accepted
    advice = policy.advise(ticket(request(size=12)), ["o451"], [TEXTS["o451"]])
    assert not advice.accepted
    assert "7200" in advice.reason
    assert not policy.advise(ticket(multipliers={}), ["o451"], [TEXTS["o451"]]).accepted


def test_a_price_opt_in_is_measured_against_a_fresh_quote():
    policy = Policy({"o163": OptIn(max_deviation=Decimal("0.02"))})
    assert policy.advise(ticket(request(price="605")), ["o163"], [TEXTS["o163"]]).accepted
    assert not policy.advise(ticket(request(price="620")), ["o163"], [TEXTS["o163"]]).accepted
    assert policy.advise(ticket(request(price="500")), ["o163"], [TEXTS["o163"]]).accepted
    assert not policy.advise(ticket(request(price="605"), quotes={}), ["o163"], [TEXTS["o163"]]).accepted


def test_an_opt_in_for_unseen_prices_is_for_limit_orders():
    policy = Policy({"o354": "data comes from elsewhere"})
    assert policy.advise(ticket(), ["o354"], [TEXTS["o354"]]).accepted
    assert not policy.advise(ticket(request(OrderType.MARKET)), ["o354"], [TEXTS["o354"]]).accepted


@pytest.mark.parametrize("message_id", sorted(key for key, rule in TABLE.items() if rule.default is Default.NEVER))
def test_what_is_never_accepted_cannot_be_opted_in_to(message_id: str):
    with pytest.raises(ConfigurationError, match=message_id):
        Policy({message_id: OptIn(max_size=Decimal(1))})


@pytest.mark.parametrize("message_id", ["o163", "o382", "o383", "o451", "o10138"])
def test_a_fat_finger_opt_in_needs_an_own_limit(message_id: str):
    with pytest.raises(ConfigurationError, match="limit of your own"):
        Policy({message_id: "I know what I do"})


def test_an_unknown_id_cannot_be_opted_in_to():
    with pytest.raises(ConfigurationError, match="o1"):
        Policy({"o1": "why not"})


def test_an_own_limit_is_a_number_above_zero():
    with pytest.raises(ConfigurationError, match="max_size"):
        OptIn(max_size=Decimal(0))
    with pytest.raises(ConfigurationError, match="max_value"):
        OptIn(max_value=Decimal("NaN"))


anything = st.lists(st.one_of(st.sampled_from(sorted(TABLE)), st.text(max_size=6)), max_size=4)
some_texts = st.lists(st.one_of(st.sampled_from(sorted(TEXTS.values())), st.text(max_size=40)), max_size=4)
EVERYTHING = Policy(
    {key: OptIn(max_size=Decimal(10**9)) for key, rule in TABLE.items() if rule.default is not Default.NEVER}
)


@given(ids=anything, texts=some_texts, order_type=st.sampled_from([OrderType.MARKET, OrderType.LIMIT, OrderType.STOP]))
def test_never_yes_unless_every_id_is_known_and_every_text_is_explained(
    ids: list[str], texts: list[str], order_type: OrderType
):
    for policy in (Policy(), EVERYTHING):
        facts = ticket(request(order_type), cash_quantity=True, allocation=True)
        if policy.advise(facts, ids, texts).accepted:
            assert ids
            assert set(ids) <= set(TABLE)
            assert all(TABLE[key].default is not Default.NEVER for key in ids)
            assert all(any(TABLE[key].pattern.search(text) for key in ids) for text in texts)


@given(ids=anything, texts=some_texts)
def test_the_default_policy_never_accepts_a_fat_finger_stop(ids: list[str], texts: list[str]):
    facts = ticket(request(OrderType.MARKET), cash_quantity=True, allocation=True)
    if Policy().advise(facts, ids, texts).accepted:
        assert all(TABLE[key].default is Default.ACCEPT for key in ids)
