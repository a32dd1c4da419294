"""How the demo's outcome is shown: a table for a person, one object for a program."""

from collections import Counter
from decimal import Decimal

from rich.console import Console
from rich.table import Table

from horizon.cli.demo.outcome import DemoOutcome
from horizon.model import Fill, plain


def as_json(outcome: DemoOutcome) -> dict[str, object]:
    """Figures as JSON numbers, money in USD; positions by symbol."""
    return {
        "orders": outcome.orders,
        "fills": len(outcome.fills),
        "prompts_answered": len(outcome.prompts),
        "fees": float(outcome.fees),
        "positions": {position.symbol: float(position.size) for position in outcome.positions},
        "positions_agree": outcome.positions_agree,
        "pnl_unhedged": float(outcome.pnl_unhedged),
        "pnl_hedged": float(outcome.pnl_hedged),
        "max_hedge_error": float(outcome.max_hedge_error),
        "recording": str(outcome.recording),
        "replay_matches": outcome.replay.matches,
        "seconds": round(outcome.seconds, 2),
        "picture": str(outcome.picture),
        "quotes": outcome.quotes,
        "variance_removed": None if outcome.variance_removed is None else float(outcome.variance_removed),
        "first_difference": outcome.replay.first_difference,
    }


def print_report(console: Console, outcome: DemoOutcome) -> None:
    """Positions, fills, fees, P&L, prompts and the replay verdict."""
    console.print()
    what = f"[bold]{outcome.question}[/]  (account {outcome.account_id}, {outcome.quotes:,} quotes polled)"
    console.print(what, soft_wrap=True)
    console.print(_positions(outcome))
    console.print(_fills(outcome))
    console.print(_figures(outcome))
    console.print(f"recording  {outcome.recording}", soft_wrap=True)
    console.print(f"picture    {outcome.picture}", soft_wrap=True)


def _positions(outcome: DemoOutcome) -> Table:
    table = Table("position", "size", "average price", "market price", title="Held, as the gateway says")
    for position in outcome.positions:
        table.add_row(
            position.symbol, plain(position.size), _money(position.average_price, 4), _money(position.market_price, 4)
        )
    return table


def _fills(outcome: DemoOutcome) -> Table:
    table = Table(
        "market", "side", "fills", "size", "average price", "commission", title="Traded, as the gateway reported it"
    )
    groups: dict[tuple[str, str], list[Fill]] = {}
    for fill in outcome.fills:
        groups.setdefault((fill.symbol or fill.market_id, str(fill.order_side)), []).append(fill)
    for (symbol, side), fills in sorted(groups.items()):
        size = sum((fill.size for fill in fills), Decimal(0))
        value = sum((fill.size * fill.price for fill in fills), Decimal(0))
        fees = sum((fill.commission or Decimal(0) for fill in fills), Decimal(0))
        table.add_row(symbol, side, str(len(fills)), plain(size), _money(value / size, 4), _money(fees))
    return table


def _figures(outcome: DemoOutcome) -> Table:
    table = Table("what", "value", title="Outcome")
    table.add_row("orders sent", str(outcome.orders))
    table.add_row(
        "positions", "the booked fills add up to them" if outcome.positions_agree else "DIFFER from the booked fills"
    )
    table.add_row("fees", _money(outcome.fees))
    table.add_row("P&L, event alone", _money(outcome.pnl_unhedged))
    table.add_row("P&L, hedged", _money(outcome.pnl_hedged))
    removed = outcome.variance_removed
    table.add_row("variance removed by the hedge", "too few quotes" if removed is None else f"{removed:.1%}")
    table.add_row("largest hedge error", f"{plain(outcome.max_hedge_error)} shares")
    asked = Counter((", ".join(prompt.message_ids), prompt.accepted) for prompt in outcome.prompts)
    for (ids, accepted), count in sorted(asked.items()):
        table.add_row(f"prompt {ids}", f"{'accepted' if accepted else 'refused'} {count} times")
    if not asked:
        table.add_row("prompts", "none")
    verdict = outcome.replay
    table.add_row(
        "replay",
        f"the same {verdict.recorded} orders" if verdict.matches else f"DIFFERS: {verdict.first_difference}",
    )
    table.add_row("time taken", f"{outcome.seconds:.1f} s for {outcome.market_hours:.1f} h of market time")
    return table


def _money(value: Decimal | None, digits: int = 2) -> str:
    return "unknown" if value is None else f"{value:,.{digits}f}"
