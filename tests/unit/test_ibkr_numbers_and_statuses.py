from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.ibkr.mapping.numbers import LastPrice, amount, conid_text, decimal, last_price, number
from exchanges.ibkr.mapping.statuses import order_status
from exchanges.ibkr.mapping.times import from_epoch, from_milliseconds, from_text, moment
from horizon.clock import NANOSECONDS
from horizon.model import OrderStatus


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("1,300", "1300"),
        ("2.4K", "2400"),
        ("50.6M", "50600000"),
        ("1B", "1000000000"),
        ("0.54%", "0.54"),
        ("-1.25", "-1.25"),
        ("$0.01", "0.01"),
        (" 655.89 ", "655.89"),
        (647.09, "647.09"),
        (0.0, "0"),
        ("994,831", "994831"),
    ],
)
def test_numbers_are_read_in_every_spelling(raw: object, expected: str):
    assert decimal(raw) == Decimal(expected)  # type: ignore[arg-type]
    assert number(raw) == float(Decimal(expected))  # type: ignore[arg-type]


@pytest.mark.parametrize("raw", [None, "", " ", "N/A", "None", "-", "--"])
def test_what_the_venue_left_out_is_none_and_never_zero(raw: str | None):
    assert decimal(raw) is None
    assert number(raw) is None
    assert last_price(raw) == LastPrice(value=None)


@pytest.mark.parametrize("raw", ["abc", "1.2.3", "C", "nan", "inf", "NaN", "12 apples"])
def test_text_that_is_no_number_is_an_error_and_not_a_guess(raw: str):
    with pytest.raises(ValueError, match="number"):
        decimal(raw)
    with pytest.raises(ValueError, match="number"):
        number(raw)


def test_true_is_not_a_number():
    with pytest.raises(ValueError, match="number"):
        decimal(True)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("655.89", LastPrice(value=655.89)),
        ("C123.45", LastPrice(value=123.45, is_prior_close=True)),
        ("H1,123.45", LastPrice(value=1123.45, halted=True)),
        ("C", LastPrice(value=None, is_prior_close=True)),
        (655.89, LastPrice(value=655.89)),
    ],
)
def test_the_prefix_of_a_last_price_is_kept_as_a_fact(raw: object, expected: LastPrice):
    assert last_price(raw) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("1.00 USD", (Decimal("1.00"), "USD")),
        ("1.02", (Decimal("1.02"), None)),
        ("1,234.50 EUR", (Decimal("1234.50"), "EUR")),
        ("2.4K CAD", (Decimal(2400), "CAD")),
        (1.0, (Decimal("1.0"), None)),
        (None, (None, None)),
        ("", (None, None)),
    ],
)
def test_a_commission_may_name_its_currency(raw: object, expected: tuple[Decimal | None, str | None]):
    assert amount(raw) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [(756733, "756733"), ("756733", "756733"), (756733.0, "756733"), (-1, None), ("-1", None), (0, None), (None, None)],
)
def test_conids_are_text_whatever_the_venue_sends(raw: object, expected: str | None):
    assert conid_text(raw) == expected  # type: ignore[arg-type]


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9))
def test_number_text_makes_a_round_trip(value: Decimal):
    assert decimal(f"{value:,}") == value
    assert decimal(str(value)) == value
    assert decimal(f"{value}%") == value
    assert number(f"{value:,}") == float(value)
    assert amount(f"{value:,} USD") == (value, "USD")


@given(st.integers(0, 99_999), st.sampled_from([("K", 3), ("M", 6), ("B", 9)]))
def test_suffixes_multiply_exactly(tenths: int, suffix: tuple[str, int]):
    letter, power = suffix
    assert decimal(f"{Decimal(tenths) / 10}{letter}") == Decimal(tenths) * Decimal(10) ** (power - 1)


def test_epochs_are_told_apart_by_their_size():
    assert from_epoch(1_775_086_847) == from_epoch(1_775_086_847_000) == 1_775_086_847 * NANOSECONDS
    assert from_milliseconds(1_775_086_847_123) == 1_775_086_847_123_000_000
    assert from_epoch(None) is None
    assert from_milliseconds(0) is None
    assert moment(None) is None


def test_both_time_texts_are_utc():
    assert from_text("20260709-17:28:31") == 1_783_618_111 * NANOSECONDS
    assert from_text("260401234047") == 1_775_086_847 * NANOSECONDS
    assert from_text("") is None
    with pytest.raises(ValueError, match="does not match"):
        from_text("yesterday")


ONE = Decimal(1)
ZERO = Decimal(0)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("PendingSubmit", OrderStatus.WORKING),
        ("PreSubmitted", OrderStatus.WORKING),
        ("pre_submitted", OrderStatus.WORKING),
        ("Submitted", OrderStatus.WORKING),
        ("Filled", OrderStatus.FILLED),
        ("PendingCancel", OrderStatus.CANCEL_PENDING),
        ("PreCancelled", OrderStatus.CANCEL_PENDING),
        ("Cancelled", OrderStatus.CANCELED),
        ("WarnState", OrderStatus.WORKING),
        ("Failed", OrderStatus.REJECTED),
        ("Inactive", OrderStatus.WORKING),
        ("SomethingNew", OrderStatus.UNKNOWN),
        ("", OrderStatus.UNKNOWN),
        (None, OrderStatus.UNKNOWN),
    ],
)
def test_each_status_of_the_venue_has_its_meaning(word: str | None, expected: OrderStatus):
    assert order_status(word) is expected


def test_a_cancel_by_expiry_is_expired():
    reason = "Cancelled by System: order expired"
    assert order_status("Cancelled", reason=reason) is OrderStatus.EXPIRED
    assert order_status("Inactive", reason=reason) is OrderStatus.EXPIRED


def test_a_part_that_filled_shows():
    assert order_status("Submitted", filled=ONE, remaining=ONE) is OrderStatus.PARTIALLY_FILLED
    assert order_status("Filled", filled=ONE, remaining=ONE) is OrderStatus.PARTIALLY_FILLED
    assert order_status("Filled", filled=ONE, remaining=ZERO) is OrderStatus.FILLED
    assert order_status("Cancelled", filled=ONE, remaining=ONE) is OrderStatus.CANCELED


@pytest.mark.parametrize(
    "proof",
    [
        {"ccp": "Rejected"},
        {"ccp": "Cancelled"},
        {"reason": "Rejected by the exchange"},
        {"description": "Rejected: Buy 1 SPY Limit 600.00, Day"},
        {"description": "Cancelled: Buy 1 SPY Limit 600.00, Day"},
    ],
)
def test_inactive_is_dead_only_with_a_proof(proof: dict[str, str]):
    assert order_status("Inactive", **proof) is OrderStatus.REJECTED  # type: ignore[arg-type]
    assert order_status("Inactive", ccp="Submitted", description="Buy 1 SPY Limit") is OrderStatus.WORKING
