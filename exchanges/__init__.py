"""The venues: one package for each, all with the same modules."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exchanges.ibkr.exchange import InteractiveBrokers

_LAZY = {"InteractiveBrokers": "exchanges.ibkr.exchange"}

__all__ = ["InteractiveBrokers"]


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'exchanges' has no public name {name!r}")
    value = globals()[name] = getattr(import_module(_LAZY[name]), name)
    return value
