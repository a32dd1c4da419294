"""What a strategy's last run on these accounts left in their journals."""

from collections.abc import Iterable

import msgspec

from horizon.engine.state import SavedState, decode_state, state_name, state_type
from horizon.errors import RecordingError
from horizon.exchange import Exchange
from horizon.ports import RecordKind
from horizon.strategy import Strategy


def last_state(strategy: Strategy, exchanges: Iterable[Exchange], *, fresh: bool = False) -> tuple[str, int]:
    """The state as JSON text and its revision; empty for a first run, or where the strategy declares none.

    With `fresh` it is empty too, and the revision goes on, so that what is saved from now on is the newer state.
    Raises ConfigurationError when what was saved does not fit the strategy's State any more.
    """
    kind = state_type(strategy)
    name, newest = state_name(strategy), SavedState(revision=0, state=msgspec.Raw(b""))
    for exchange in exchanges if kind is not None else ():
        line = exchange.journal.latest(RecordKind.STATE, name, account_id=exchange.account_id)
        if line is None:
            continue
        try:
            saved = msgspec.json.decode(line.payload, type=SavedState)
        except msgspec.DecodeError as error:
            raise RecordingError(
                f"the state of {name} in the journal of {exchange.account_id} is damaged ({error}): move the journal "
                "away, and ask the venue what became of its orders",
                file=f"{exchange.name}-{exchange.account_id}",
            ) from error
        newest = max(newest, saved, key=lambda each: each.revision)
    text = "" if fresh else bytes(newest.state).decode()
    if kind is not None and text:
        decode_state(name, kind, text)
    return text, newest.revision
