"""What IBKR does now one way and now another, as far as orders are concerned."""

from typing import Literal

import msgspec

from horizon.errors import ConfigurationError

LONGEST_ORDER_LIST_LAG = 5.0


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """One choice for each; all times are seconds. Raises ConfigurationError for values without a meaning."""

    registered_status: int = 200
    """The HTTP status of "Local order ID=... is already registered": both 200 and 400 were reported."""
    burns_refused: bool = False
    """Whether the cOID of an order that was refused before anything was asked is used up, too."""
    bracket_rows: Literal["parent", "all"] = "parent"
    """The rows that a whole bracket is answered with; both were recorded."""
    prompts_together: bool = False
    """All questions about an order in one prompt, instead of one after the other."""
    prompt_lasts: float = 120.0
    acknowledges_after: float = 0.0
    """How long an order is on its way to the exchange."""
    transient_status: Literal["PendingSubmit", "Inactive"] = "PendingSubmit"
    """What an order is called meanwhile; both were seen."""
    cancel_takes: float = 0.5
    commission_takes: float = 2.0
    order_list_lag: float = 0.0
    """How old a list of orders can be; up to five seconds were reported."""
    position_lag: float = 0.0
    """How long after a fill the positions are still those from before it, unless they are invalidated."""
    rapid_entry: float = 0.0
    """Within what time a second order like the one before is asked about (o10335); 0 is never."""
    warns_in_what_if: bool = False
    """Whether a preview is answered with a prompt instead of its `warn`."""
    lists_with_snapshot_false: bool = False
    """Rows under `snapshot: false`, as some recordings have them."""
    keeps_corrected_rows: bool = False
    """Whether the execution that a correction replaces stays among the trades."""

    def __post_init__(self) -> None:
        if self.registered_status not in (200, 400):
            raise ConfigurationError(f"expected a registered_status of 200 or 400, found {self.registered_status}")
        if self.order_list_lag > LONGEST_ORDER_LIST_LAG:
            raise ConfigurationError(f"expected an order_list_lag of up to 5 seconds, found {self.order_list_lag}")
        for name in ("prompt_lasts", "acknowledges_after", "cancel_takes", "commission_takes", "position_lag"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"expected {name} of at least 0 seconds, found {getattr(self, name)}")
