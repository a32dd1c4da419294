"""What a market says about its sides."""

from decimal import Decimal

import pytest

from horizon.model import EventTerms, Market, MarketId, MarketKind, PriceGrid, Side


def event(side: Side, twin: str) -> Market:
    return Market(
        exchange="ibkr",
        market_id=MarketId("860100050"),
        kind=MarketKind.EVENT,
        symbol="SPXC",
        price_grid=PriceGrid.of("0.01"),
        side=side,
        event=EventTerms(question="Above 6,400?", payout=Decimal(1), twin=MarketId(twin)),
    )


@pytest.mark.parametrize("asked", [Side.NO, Side.LONG])
def test_a_side_that_contradicts_the_id_names_the_market_of_the_other_side(asked: Side) -> None:
    with pytest.raises(ValueError, match=f"is YES, not {asked}; NO is market 860100053"):
        event(Side.YES, "860100053").instrument(asked)
    with pytest.raises(ValueError, match="is NO, not LONG; YES is market 860100050"):
        event(Side.NO, "860100050").instrument(Side.LONG)
