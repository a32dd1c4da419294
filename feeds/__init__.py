"""Where market data comes from: venues polled or streamed, recordings, synthetic prices."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from feeds.ibkr_polling import IbkrPollingFeed
    from feeds.recorded import RecordedFeed
    from feeds.synthetic import SyntheticFeed

_LAZY = {
    "IbkrPollingFeed": "feeds.ibkr_polling",
    "RecordedFeed": "feeds.recorded",
    "SyntheticFeed": "feeds.synthetic",
}

__all__ = ["IbkrPollingFeed", "RecordedFeed", "SyntheticFeed"]


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'feeds' has no public name {name!r}")
    value = globals()[name] = getattr(import_module(_LAZY[name]), name)
    return value
