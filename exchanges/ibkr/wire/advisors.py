"""Model portfolios of financial advisors."""

import msgspec

from exchanges.ibkr.wire.types import Conid, Number


class AdvisorModel(msgspec.Struct, frozen=True):
    """One model."""

    model: str
    desc: str | None = None
    nlv: Number = None
    numAccounts: int | None = None
    mismatch: bool | None = None
    isStatic: bool | None = None


class AdvisorModels(msgspec.Struct, frozen=True):
    """The models of an advisor."""

    models: list[AdvisorModel] = []
    baseCcy: str | None = None
    masterAccount: str | None = None
    reqID: int | None = None


class ModelCash(msgspec.Struct, frozen=True):
    """One currency of a model."""

    ccy: str
    mv: Number = None
    actual: Number = None
    target: Number = None
    exchangeRate: Number = None


class ModelPosition(msgspec.Struct, frozen=True):
    """One position of a model."""

    conid: Conid
    instrument: str | None = None
    position: Number = None
    mv: Number = None
    actual: Number = None
    target: Number = None
    ccy: str | None = None
    exchangeRate: Number = None


class ModelPositions(msgspec.Struct, frozen=True):
    """The positions of one model."""

    model: str
    positionList: list[ModelPosition] = []
    cash: list[ModelCash] = []
    nlv: Number = None
    mismatched: bool | None = None
    positionTs: int | None = None
    """Milliseconds."""
