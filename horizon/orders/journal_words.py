"""Journal lines for people: local time, what kind of line, which order, and what happened. Secrets are cut out."""

from typing import Any

import msgspec

from horizon.clock import to_datetime
from horizon.model import Fill, OrderReport, OrderRequest, PromptAnswered, plain
from horizon.net.redaction import redact
from horizon.orders.owner import Owner
from horizon.orders.words import describe
from horizon.ports import JournalRecord, Prompt, RecordKind


class _Refusal(msgspec.Struct):
    request: OrderRequest
    reason: str


class _Decision(msgspec.Struct):
    reason: str


def line(record: JournalRecord) -> str:
    """One journal line in one line of text."""
    time = to_datetime(record.time).astimezone().isoformat(sep=" ", timespec="milliseconds")
    order = record.client_order_id or record.venue_order_id or ""
    happened = " ".join(redact(_happened(record)).split())
    return f"{time}  {record.kind:<15}  {order:<18}  {happened}"


def as_object(record: JournalRecord) -> dict[str, Any]:
    """One journal line for programs; `payload` is the JSON that was written."""
    built: dict[str, Any] = msgspec.json.decode(redact(msgspec.json.encode(_Shown.of(record)).decode()))
    return built


class _Shown(msgspec.Struct, frozen=True, kw_only=True):
    time: str
    exchange: str
    account_id: str
    kind: RecordKind
    client_order_id: str
    venue_order_id: str | None
    subject: str
    payload: Any

    @classmethod
    def of(cls, record: JournalRecord) -> "_Shown":
        return cls(
            time=to_datetime(record.time).isoformat(),
            exchange=record.exchange,
            account_id=record.account_id,
            kind=record.kind,
            client_order_id=record.client_order_id,
            venue_order_id=record.venue_order_id,
            subject=record.subject,
            payload=_json(record.payload),
        )


def _json(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return payload.decode("utf-8", "replace")


def _happened(record: JournalRecord) -> str:
    try:
        return _words(record)
    except (msgspec.DecodeError, ValueError):
        # a payload of another version: as it stands
        return payload_text(record)


def _words(record: JournalRecord) -> str:
    payload = record.payload
    match record.kind:
        case RecordKind.OWNER:
            owner = msgspec.json.decode(payload, type=Owner)
            return f"process {owner.pid} trades {owner.account_id}: Horizon {owner.version}, run {owner.run_id}"
        case RecordKind.INTENT:
            return f"to be sent: {describe(msgspec.json.decode(payload, type=OrderRequest))}"
        case RecordKind.REPLACE_INTENT:
            return f"to be changed into: {describe(msgspec.json.decode(payload, type=OrderRequest))}"
        case RecordKind.CANCEL_INTENT:
            return "a cancel is to be sent"
        case RecordKind.REFUSED:
            refusal = msgspec.json.decode(payload, type=_Refusal)
            return f"refused by {record.subject}: {refusal.reason} ({describe(refusal.request)})"
        case RecordKind.PROMPT:
            return f"the venue asks: {' '.join(msgspec.json.decode(payload, type=Prompt).messages)}"
        case RecordKind.ANSWER:
            answer = msgspec.json.decode(payload, type=PromptAnswered)
            return f"answered {'yes' if answer.accepted else 'no'}: {answer.reason}"
        case RecordKind.ACKNOWLEDGEMENT:
            return f"the venue has it: {_report(payload)}"
        case RecordKind.REPORT:
            return _report(payload)
        case RecordKind.FILL:
            return _fill(msgspec.json.decode(payload, type=Fill))
        case RecordKind.LINK:
            what = describe(msgspec.json.decode(payload, type=OrderRequest))
            return f"takes the place of {record.subject}, which is dead: {what}"
        case RecordKind.DECISION:
            return f"{record.subject}: {msgspec.json.decode(payload, type=_Decision).reason}"
        case RecordKind.SETTLED:
            return "settled: nothing more is expected of it"
        case RecordKind.STATE:
            return f"state of {record.subject}: {payload_text(record)}"


def payload_text(record: JournalRecord) -> str:
    return record.payload.decode("utf-8", "replace")


def _report(payload: bytes) -> str:
    report = msgspec.json.decode(payload, type=OrderReport)
    if report.refused_change:
        return f"a change or cancel was refused: {report.reason}"
    filled = f", {plain(report.filled)} filled" if report.filled else ""
    price = f" at {plain(report.average_price)}" if report.average_price is not None else ""
    reason = f": {report.reason}" if report.reason else ""
    return f"{report.status} (venue id {report.venue_order_id or 'not known'}){filled}{price}{reason}"


def _fill(fill: Fill) -> str:
    commission = ", commission not known yet"
    if fill.commission is not None:
        commission = f", commission {plain(fill.commission)} {fill.commission_currency}"
    return f"{fill.order_side} {plain(fill.size)} at {plain(fill.price)}{commission} (execution {fill.execution_id})"
