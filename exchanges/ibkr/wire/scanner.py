"""Market scanners."""

import msgspec

from exchanges.ibkr.wire.types import Conid


class ScanType(msgspec.Struct, frozen=True):
    """One kind of scan, and the instruments that it takes."""

    code: str
    display_name: str | None = None
    instruments: list[str] = []


class ScanInstrument(msgspec.Struct, frozen=True):
    """One kind of instrument, and the filters that it takes."""

    type: str
    display_name: str | None = None
    filters: list[str] = []


class ScanFilter(msgspec.Struct, frozen=True):
    """One filter."""

    code: str
    group: str | None = None
    display_name: str | None = None
    type: str | None = None


class ScanLocation(msgspec.Struct, frozen=True):
    """A node of the tree of locations."""

    type: str
    display_name: str | None = None
    locations: "list[ScanLocation] | None" = None


class ScannerParameters(msgspec.Struct, frozen=True):
    """`GET /iserver/scanner/params` (large; once in 15 minutes)."""

    scan_type_list: list[ScanType] = []
    instrument_list: list[ScanInstrument] = []
    filter_list: list[ScanFilter] = []
    location_tree: list[ScanLocation] = []


class ScanRow(msgspec.Struct, frozen=True):
    """One contract that a scan found."""

    con_id: Conid
    server_id: str | None = None
    symbol: str | None = None
    conidex: str | None = None
    sec_type: str | None = None
    company_name: str | None = None
    contract_description_1: str | None = None
    listing_exchange: str | None = None
    column_name: str | None = None
    scan_data: str | None = None


class ScanResult(msgspec.Struct, frozen=True):
    """`POST /iserver/scanner/run`, at most 50 rows."""

    contracts: list[ScanRow] = []
    scan_data_column_name: str | None = None


class HistoricalScanRow(msgspec.Struct, frozen=True):
    """One contract of the retired scanner."""

    contractID: Conid
    inScanTime: str | None = None


class HistoricalScanRows(msgspec.Struct, frozen=True):
    """The list inside its envelope."""

    Contract: list[HistoricalScanRow] = []


class HistoricalScan(msgspec.Struct, frozen=True):
    """`POST /hmds/scanner`, which answered 404 in 2026."""

    Contracts: HistoricalScanRows
    total: str | None = None
    size: str | None = None
    offset: str | None = None
    scanTime: str | None = None
    id: str | None = None
