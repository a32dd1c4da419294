"""The simulated venue: orders against quotes, without a clock, a network or chance."""

from horizon.matching.engine import MatchingEngine, VenueOutput
from horizon.matching.fees import FeeModel, FeesByKind, NoFees, PerContract, PerShare

__all__ = ["FeeModel", "FeesByKind", "MatchingEngine", "NoFees", "PerContract", "PerShare", "VenueOutput"]
