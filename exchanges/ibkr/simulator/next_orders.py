"""What will befall orders that are still to come."""

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

Hold = Literal["frame", "answer"]


@dataclass
class NextOrders:
    """In the order in which it was asked for, one for each order or bracket."""

    holds: deque[Hold] = field(default_factory=deque)
    """A server prompt keeps it: told by an `ntf` frame, or in the answer."""
    rejections: deque[str] = field(default_factory=deque)
    """The exchange refuses the children of a bracket, with this text."""

    def take_hold(self) -> Hold | None:
        return self.holds.popleft() if self.holds else None

    def take_rejection(self) -> str:
        return self.rejections.popleft() if self.rejections else ""
