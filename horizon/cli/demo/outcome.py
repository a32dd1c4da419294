"""What a demo run ended with."""

from decimal import Decimal
from pathlib import Path

import msgspec

from horizon.engine.parity import ParityReport
from horizon.model import AccountId, Fill, Position, PromptAnswered


class DemoOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Figures in USD; positions and fills as read back from the gateway."""

    account_id: AccountId
    question: str
    orders: int
    quotes: int
    fills: tuple[Fill, ...]
    positions: tuple[Position, ...]
    positions_agree: bool
    """Whether the gateway holds what the fills that were booked here add up to."""
    prompts: tuple[PromptAnswered, ...]
    fees: Decimal
    pnl_unhedged: Decimal
    pnl_hedged: Decimal
    variance_removed: Decimal | None
    max_hedge_error: Decimal
    replay: ParityReport
    recording: Path
    picture: Path
    seconds: float
    market_hours: float
