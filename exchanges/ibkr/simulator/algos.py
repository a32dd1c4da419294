"""IBKR's algos, as `/iserver/contract/{conid}/algos` lists them. Here they execute as the order they are put on."""

from collections.abc import Mapping
from typing import Any

from exchanges.ibkr.simulator.contracts import Contract

_PARAMETERS: dict[str, Mapping[str, Any]] = {
    "adaptivePriority": {
        "name": "Adaptive order priority/urgency",
        "defaultValue": "Normal",
        "legalStrings": ["Urgent", "Normal", "Patient"],
        "required": "true",
        "valueClassName": "String",
    },
    "maxPctVol": {
        "name": "Max Percentage",
        "description": "From 0.01 to 50.0",
        "minValue": 0.01,
        "maxValue": 50,
        "valueClassName": "Double",
    },
    "startTime": {"name": "Start Time", "valueClassName": "Time"},
    "endTime": {"name": "End Time", "valueClassName": "Time"},
    "allowPastEndTime": {"name": "Attempt completion after end time", "valueClassName": "Boolean"},
}
_TIMES = ("startTime", "endTime", "allowPastEndTime")
_ALGOS = {
    "Adaptive": ("Adaptive", ("adaptivePriority",)),
    "Vwap": ("VWAP", ("maxPctVol", *_TIMES)),
    "Twap": ("TWAP", _TIMES),
}


def algo_ids(contract: Contract) -> tuple[str, ...]:
    return tuple(_ALGOS) if contract.sec_type == "STK" and contract.is_us else ()


def algo_rows(contract: Contract, *, with_parameters: bool) -> list[dict[str, object]]:
    """The algos of a contract, with their parameters where they are asked for."""
    rows: list[dict[str, object]] = []
    for algo_id in algo_ids(contract):
        name, parameters = _ALGOS[algo_id]
        row: dict[str, object] = {"name": name, "id": algo_id}
        if with_parameters:
            row["parameters"] = [
                {"guiRank": rank, **_PARAMETERS[p], "id": p} for rank, p in enumerate(parameters, start=1)
            ]
        rows.append(row)
    return rows


def algo_refusal(contract: Contract, algo: str, given: Mapping[str, object]) -> str:
    """Why an algo with these parameters is refused; empty when it is not. Names are taken in any case."""
    known = {algo_id.lower(): parameters for algo_id, (_, parameters) in _ALGOS.items()}
    if algo.lower() not in known or not algo_ids(contract):
        return f"Invalid algorithm: {algo}"
    by_name = {name.lower(): name for name in known[algo.lower()]}
    for name, value in given.items():
        if name.lower() not in by_name:
            return f"Unknown parameter of algorithm {algo}: {name}"
        legal = _PARAMETERS[by_name[name.lower()]]
        if not _fits(legal, value):
            return f"Invalid value of parameter {name}: {value}"
    present = {name.lower() for name in given}
    missing = [n for n in known[algo.lower()] if _PARAMETERS[n].get("required") == "true" and n.lower() not in present]
    return f"Missing parameter of algorithm {algo}: {missing[0]}" if missing else ""


def _fits(rule: Mapping[str, Any], value: object) -> bool:
    if "legalStrings" in rule:
        return value in rule["legalStrings"]
    if rule["valueClassName"] == "Boolean":
        return str(value).lower() in ("true", "false", "1", "0")
    if rule["valueClassName"] != "Double":
        return bool(str(value))
    try:
        return float(rule["minValue"]) <= float(str(value)) <= float(rule["maxValue"])
    except ValueError:
        return False
