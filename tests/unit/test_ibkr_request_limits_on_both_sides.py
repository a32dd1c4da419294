"""The adapter's table of request limits beside the simulator's: each is written from the documentation on its own."""

import inspect

from exchanges.ibkr.rates import (
    DATA_LINES,
    OAUTH_REQUESTS_PER_SECOND,
    PENALTY_SECONDS,
    REQUESTS_PER_SECOND,
    RULES,
    rules,
)
from exchanges.ibkr.simulator import Simulator
from exchanges.ibkr.simulator.pacing import CONCURRENT_HISTORIES, HISTORY, LIMITS, PENALTY, limits
from horizon.net.rates import RateRule

OF_THE_SIGN_IN = {"/oauth2/*", "/gw/*", "/oauth/*"}
"""Published nowhere: the adapter's own, and the simulator counts sign-ins otherwise."""

Windows = dict[str, tuple[int | None, float]]


def of_the_adapter(table: tuple[RateRule, ...] = RULES) -> Windows:
    return {
        path: (rule.limit, rule.seconds)
        for rule in table
        if rule.limit is not None
        for path in rule.endpoints or ("*",)
        if path not in OF_THE_SIGN_IN
    }


def test_both_sides_have_the_same_windows() -> None:
    assert of_the_adapter() == {limit.pattern: (limit.count, limit.seconds) for limit in LIMITS}


def test_both_sides_have_the_same_wider_limit_for_oauth() -> None:
    wide = limits(OAUTH_REQUESTS_PER_SECOND)
    assert of_the_adapter(rules(OAUTH_REQUESTS_PER_SECOND)) == {
        each.pattern: (each.count, each.seconds) for each in wide
    }
    assert of_the_adapter()["*"] == (REQUESTS_PER_SECOND, 1.0)


def test_both_sides_have_the_same_charts_at_once_penalty_and_data_lines() -> None:
    at_once = {path: rule.concurrent for rule in RULES if rule.concurrent is not None for path in rule.endpoints}
    assert at_once == {HISTORY: CONCURRENT_HISTORIES}
    assert PENALTY_SECONDS == PENALTY
    assert inspect.signature(Simulator).parameters["data_lines"].default == DATA_LINES
