"""Strategies to use as they are or to start from."""

from horizon.strategies.hedge import HedgeModel, HedgeStrategy

__all__ = ["HedgeModel", "HedgeStrategy"]
